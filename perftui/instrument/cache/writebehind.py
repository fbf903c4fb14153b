"""Write-behind: a write is acknowledged once a journal has it, and is in the database soon after."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perftui.instrument.cache.groupcommit import TROUBLE, GroupCommit
from perftui.instrument.cache.journal import Dead, Item, Journal, MemoryJournal, dead_of
from perftui.instrument.cache.ports import Serializer, Write, Writer
from perftui.instrument.cache.serializer import MsgPack
from perftui.instrument.cache.writequeue import TRIES, Batch, Queue
from perftui.model.errors import BackendError

BOUND: Final = 100_000
WRITE_S: Final = 30.0
TAKE_OVER_S: Final = 3.0
AWAY = (OSError, TimeoutError, BackendError)  # not one item but the database as a whole is the trouble

Told = Callable[[str, str], None]


@dataclass(slots=True)
class Counts:
    """What write-behind did, and how things stand."""

    acknowledged: int = 0
    written: int = 0
    batches: int = 0
    failed: int = 0  # batches
    buried: int = 0
    through: int = 0  # written at once, because the bound was reached or the journal failed
    replayed: int = 0
    taken_over: int = 0
    last_error: str = ""


class WriteBehind:
    """Writes of one namespace on their way to its database.

    Each is acknowledged when `journal` keeps it (none: when memory does, see MemoryJournal) and written
    within 200 ms, 500 at a time, at least once, each key's in order; `coalesce` leaves out what a later
    write of the key makes moot. A batch that fails is tried five times over some 20 s, in ever smaller parts
    unless the database is away as a whole; then its items are dead letters. With 100,000 waiting, or a
    journal that fails and no `fallback`, writes go straight to the database, slower, and
    `told("through", why)` says so.

    Sequences grow with the clock (`now`, epoch seconds), so that a writer that keeps the highest one of each
    key and passes over lower ones is idempotent, also over several nodes.
    """

    def __init__(
        self,
        writer: Writer,
        journal: Journal | None = None,
        *,
        serializer: Serializer | None = None,
        fallback: Journal | None = None,
        coalesce: bool = True,
        bound: int = BOUND,
        now: Callable[[], float] = time.time,
        told: Told = lambda event, text: None,
    ) -> None:
        self.counts = Counts()
        self._writer = writer
        self._serializer = serializer or MsgPack()
        journals = [journal or MemoryJournal(), *([fallback] if fallback else [])]
        self._commits = GroupCommit(journals, told)
        self._queue = Queue(coalesce=coalesce)
        self._coalesce = coalesce
        self._bound = bound
        self._now = now
        self._told = told
        self._last = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._accepting: set[asyncio.Task[int]] = set()
        self._wanted = asyncio.Event()
        self._settled = asyncio.Event()  # set whenever a batch has ended or failed
        self._through = ""
        self.dead_own = self.dead_shared = 0  # letters when last counted; of journals that others see too

    async def start(self) -> None:
        """Open the journals and take up what they have; to be awaited before the first read of a key.

        Raises:
            StoreError, BackendError: a journal cannot be used.
        """
        for journal in self._commits.journals:
            found = await journal.open()
            self._last = max(self._last, journal.last)
            self._take_up(found, journal)
            self.counts.replayed += len(found)
        self._commits.start()
        for work in (self._write_all(), self._look_for_dead()):
            self._tasks.append(asyncio.create_task(work, name="cache write-behind"))

    # what a cache asks

    async def put(self, key: str, value: Any) -> int:
        """Write a value; its sequence, once it is safe.

        Raises:
            TypeError: the serializer cannot write it.
            StoreError, BackendError: no journal would have it, nor the database; or what the writer raises.
        """
        return await self._accept(key, self._serializer.dumps(value))

    async def remove(self, key: str) -> int:
        """Remove it from the database; its sequence, once that is safe."""
        return await self._accept(key, None)

    async def through(self, key: str, value: Any) -> int:
        """Write to the database now (None removes), after what waits of the key; its sequence.

        Raises:
            Exception: what the writer raises; then nothing has changed.
        """
        data = None if value is None else self._serializer.dumps(value)
        return await self._shielded(self._straight(self._item(key, data)))

    def pending(self, key: str) -> bool:
        """Whether a write of the key is on its way: the database is not to be asked for it."""
        return self._queue.latest(key) is not None

    def value(self, key: str) -> Any:
        """What the pending write of the key will leave there, None for a removal; KeyError without one."""
        item = self._queue.latest(key)
        if item is None:
            raise KeyError(key)
        return None if item.data is None else self._serializer.loads(item.data)

    @property
    def waiting(self) -> int:
        """Items that are not in the database yet."""
        return len(self._queue)

    @property
    def oldest_s(self) -> float:
        """How long the first of them has waited."""
        return self._queue.oldest_s(time.monotonic())

    async def flush(self, within: float = 5.0) -> int:
        """Write all that waits now; how many still wait when `within` seconds are over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self._queue) or self._accepting:
                    self._queue.hurry()
                    self._wanted.set()
                    self._settled.clear()
                    await self._settled.wait()
        return len(self._queue)

    async def close(self, within: float = 5.0) -> int:
        """Flush, then let go; how many still wait, in their journal. Twice is harmless."""
        left = await self.flush(within) if self._tasks else len(self._queue)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._commits.close(within)
        return left

    async def dead(self) -> list[Dead]:
        """The dead letters of all journals."""
        return [dead for journal in self._commits.journals for dead in await journal.dead()]

    async def count_dead(self) -> None:
        """Look how many dead letters there are.

        Raises:
            StoreError, BackendError: a journal does not say, or is not open.
        """
        own = shared = 0
        for journal in self._commits.journals:
            count = await journal.dead_count()
            own, shared = (own, shared + count) if journal.shared else (own + count, shared)
        self.dead_own, self.dead_shared = own, shared

    def oldest(self, most: int) -> list[tuple[str, float]]:
        """Keys of some writes that are not in the database, and for how many seconds; the oldest first."""
        now = time.monotonic()
        return [(entry.item.key, now - entry.at) for entry in self._queue.oldest(most)]

    async def retry(self) -> int:
        """Try dead letters again, MOST_DEAD of a journal, and at once what failed and waits; how many."""
        waited = self._queue.again_now(time.monotonic())
        self._wanted.set()
        return waited + await self.retry_dead()

    async def retry_dead(self, sequences: Sequence[int] = ()) -> int:
        """Try dead letters again, all or these; how many there were."""
        count = 0
        for journal in self._commits.journals:
            numbers = sequences or [dead.item.sequence for dead in await journal.dead()]
            revived = await journal.revive(numbers)
            self._take_up(revived, journal)
            count += len(revived)
        return count

    # accepting

    async def _accept(self, key: str, data: bytes | None) -> int:
        """In a task of its own: a caller that is cancelled leaves no item that only the journal knows."""
        item = self._item(key, data)
        return await self._shielded(self._keep(item))

    def _item(self, key: str, data: bytes | None) -> Item:
        """Its sequence is of the scale of stamps, so that all ways of writing have one order."""
        self._last = max(self._last + 1, int(self._now() * 1000) << 16)
        item = Item(self._last, key, data)
        self._queue.announce(item)
        return item

    async def _shielded(self, work: Coroutine[Any, Any, int]) -> int:
        task = asyncio.create_task(work, name="cache write")
        self._accepting.add(task)
        task.add_done_callback(self._accepted)
        return await asyncio.shield(task)

    def _accepted(self, task: asyncio.Task[int]) -> None:
        self._accepting.discard(task)
        self._settled.set()
        if not task.cancelled():
            task.exception()  # the caller has it; if there is none left, nobody misses it

    async def _keep(self, item: Item) -> int:
        try:
            if len(self._queue) >= self._bound:
                self._say(f"{len(self._queue)} writes wait already")
                return await self._write_through(item)
            try:
                await self._commits.keep(item)
            except TROUBLE as error:
                self._say(str(error))
                return await self._write_through(item)
        except BaseException:
            self._queue.withdraw(item)
            raise
        self._say("")
        self.counts.acknowledged += 1
        self._queue.push(item, time.monotonic())
        self._wanted.set()
        return item.sequence

    async def _straight(self, item: Item) -> int:
        try:
            return await self._write_through(item)
        except BaseException:
            self._queue.withdraw(item)
            raise

    async def _write_through(self, item: Item) -> int:
        """To the database at once, with what waits of the same key before it."""
        while self._queue.flies(item.key):
            self._settled.clear()
            await self._settled.wait()
        before = self._queue.seize(item.key, item.sequence)
        items = [] if self._coalesce else [e.item for e in before]
        try:
            await self._write([*items, item])
        except BaseException:
            self._queue.give_back(item.key, before)
            raise
        finally:
            self._settled.set()
        self._queue.ended(Batch(before), reached=True)
        self._queue.release(item.key)
        self._queue.withdraw(item)
        self._commits.forget(Batch(before).sequences())
        self.counts.through += 1
        return item.sequence

    def _say(self, why: str) -> None:
        """Once when writes begin to go straight through unasked, once when that is over."""
        if bool(why) != bool(self._through):
            self._told("through", why or "writes are journaled again")
        self._through = why

    # writing

    async def _write_all(self) -> None:
        while True:
            batch = self._queue.take(time.monotonic())
            if batch is not None:
                await self._try(batch)
                continue
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self._queue.due_in(time.monotonic()))

    async def _try(self, batch: Batch) -> None:
        self.counts.batches += 1
        try:
            await self._write([e.item for e in batch.entries])
        except Exception as error:  # noqa: BLE001 - the writer is somebody else's code
            self.counts.failed += 1
            self.counts.last_error = f"{type(error).__name__}: {error}"[:200]
            await self._failed(batch, error)
        else:
            self.counts.written += len(batch.entries)
            self._commits.forget(batch.sequences())
            self._queue.ended(batch, reached=True)
        self._settled.set()

    async def _write(self, items: Sequence[Item]) -> None:
        """The user's writer, WRITE_S at most. An item whose bytes are no value fails as such."""
        loads = self._serializer.loads
        writes = [Write(i.key, None if i.data is None else loads(i.data), i.sequence) for i in items]
        async with asyncio.timeout(WRITE_S):
            await self._writer.write(writes)

    async def _failed(self, batch: Batch, error: Exception) -> None:
        away = isinstance(error, AWAY)
        if batch.tries + 1 < TRIES:
            self._queue.failed(batch, time.monotonic(), away=away)
            return
        try:
            await self._commits.bury(dead_of([e.item for e in batch.entries], error))
        except TROUBLE:
            batch.tries -= 1  # not even that can be written down: it stays, and is tried again
            self._queue.failed(batch, time.monotonic(), away=True)
            return
        self._commits.forget([n for e in batch.entries for n in e.covers])
        self.counts.buried += len(batch.entries)
        self._told("buried", f"{len(batch.entries)} writes failed {TRIES} times: {self.counts.last_error}")
        self._queue.ended(batch, reached=not away)

    # what others left

    def _take_up(self, items: Sequence[Item], journal: Journal) -> None:
        for item in items:
            self._last = max(self._last, item.sequence)
            self._commits.at_home(item, journal)
            self._queue.push(item, time.monotonic())
        self._wanted.set()

    async def _look_for_dead(self) -> None:
        while True:
            await asyncio.sleep(TAKE_OVER_S)
            for journal in self._commits.journals:
                with contextlib.suppress(*TROUBLE):
                    found = await journal.take_over()
                    self.counts.taken_over += len(found)
                    self._take_up(found, journal)
