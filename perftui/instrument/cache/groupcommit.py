"""Many writes, one commit: whoever comes while a journal is busy shares the next one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

from perftui.instrument.cache.journal import Dead, Item, Journal
from perftui.model.errors import BackendError, StoreError

MOST, MOST_BYTES = 500, 4 << 20  # items and bytes of one commit
REST_S: Final = 1.0  # until a journal that failed is asked again where another serves
TROUBLE = (StoreError, BackendError)


class GroupCommit:
    """Keeps items in the first journal that takes them, in order; forgets them where they are.

    `told` hears once that the first journal failed and the next one serves, and once that it is back.
    """

    def __init__(self, journals: Sequence[Journal], told: Callable[[str, str], None]) -> None:
        self.journals = tuple(journals)
        self._told = told
        self._home: dict[int, Journal] = {}  # of items that another than the first journal has
        self._added: list[tuple[Item, asyncio.Future[None]]] = []
        self._done: list[int] = []
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._second = False
        self._rest: dict[Journal, float] = {}
        self._owed: list[int] = []

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.create_task(self._run(), name="cache journal")

    async def keep(self, item: Item) -> None:
        """Return once a journal has it; StoreError or BackendError when none would, or none is open."""
        if self._task is None:
            raise StoreError("the journal is not open: `await writes.start()` opens it")
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._added.append((item, kept))
        self._want()
        await kept

    def at_home(self, item: Item, journal: Journal) -> None:
        """This item is in that journal already."""
        if journal is not self.journals[0]:
            self._home[item.sequence] = journal

    def forget(self, sequences: Sequence[int]) -> None:
        """They are written: some time soon no journal need have them."""
        self._done += sequences
        self._want()

    async def bury(self, dead: Sequence[Dead]) -> None:
        """Move them to the dead letters of the journals they are in."""
        for journal, mine in self._by_home([d.item.sequence for d in dead]).items():
            numbers = set(mine)
            await journal.bury([d for d in dead if d.item.sequence in numbers])

    async def close(self, within: float) -> None:
        """Commit what is left, if that can be done in time; close the journals."""
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), within)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for _, kept in self._added:
            if not kept.done():
                kept.set_exception(StoreError("the journal was closed"))
        self._added.clear()
        for journal in self.journals:
            await journal.close()

    async def _run(self) -> None:
        while True:
            self._idle.set()
            await self._wanted.wait()
            self._idle.clear()
            self._wanted.clear()
            while self._added or self._done:
                added, done = self._next()
                try:
                    trouble = await self._commit([item for item, _ in added], self._by_home(done))
                except asyncio.CancelledError:
                    self._answer(added, StoreError("the journal was closed"))
                    raise
                self._answer(added, trouble)

    def _next(self) -> tuple[list[tuple[Item, asyncio.Future[None]]], list[int]]:
        count = size = 0
        for item, _ in self._added[:MOST]:
            size += len(item.data or b"") + len(item.key)
            if count and size > MOST_BYTES:
                break
            count += 1
        added, self._added = self._added[:count], self._added[count:]
        done, self._done = self._done[: 2 * MOST], self._done[2 * MOST :]
        return added, done

    async def _commit(self, items: list[Item], done: dict[Journal, list[int]]) -> Exception | None:
        """Add to the first journal that takes them, forget where they are; the trouble if none took them."""
        trouble: Exception | None = None
        for journal in self.journals:
            mine = done.get(journal, [])
            resting = time.monotonic() < self._rest.get(journal, 0.0)
            if not (items or mine) or (resting and (len(self.journals) > 1 or not items)):
                self._owe(mine)
                continue
            try:
                await journal.commit(items, mine)
            except TROUBLE as error:
                trouble = error
                self._rest[journal] = time.monotonic() + REST_S
                self._owe(mine)
                continue
            self._settle(journal, items, mine, trouble)
            items, trouble = [], None
        if items and trouble is None:
            trouble = StoreError("no journal answers")
        return trouble if items else None

    def _settle(
        self, journal: Journal, items: list[Item], done: list[int], trouble: Exception | None
    ) -> None:
        """It has these now and forgot those."""
        for number in done:
            self._home.pop(number, None)
        first = journal is self.journals[0]
        if not first:
            self._home.update((item.sequence, journal) for item in items)
        if items and first == self._second:
            self._second = not first
            self._told("journal", "the first journal is back" if first else f"the second serves: {trouble}")

    def _answer(self, added: Sequence[tuple[Item, asyncio.Future[None]]], trouble: Exception | None) -> None:
        for _, kept in added:
            if kept.done():
                continue
            if trouble is None:
                kept.set_result(None)
            else:
                kept.set_exception(trouble)

    def _owe(self, sequences: list[int]) -> None:
        """To be forgotten later: they are written, and at worst are once more after a restart."""
        if sequences:
            self._owed += sequences
            asyncio.get_running_loop().call_later(REST_S, self._pay)

    def _pay(self) -> None:
        self._done += self._owed
        self._owed = []
        self._want()

    def _want(self) -> None:
        self._idle.clear()
        self._wanted.set()

    def _by_home(self, sequences: Sequence[int]) -> dict[Journal, list[int]]:
        found: dict[Journal, list[int]] = {}
        for number in sequences:
            found.setdefault(self._home.get(number, self.journals[0]), []).append(number)
        return found
