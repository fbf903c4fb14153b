"""What could not be told to L2, the other nodes or the edge, kept until it can."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from perftui.instrument.cache.ports import Clock
from perftui.model.errors import BackendError

BOUND = 10_000
FIRST, LONGEST = 0.1, 0.8  # seconds between tries: so short that the first after an answer comes within one
AT_ONCE = 64
PROBES = 16


@dataclass(slots=True)
class Item:
    """One thing to do; `do` raises BackendError while it cannot be done. `until` is a monotonic instant."""

    what: str
    key: str
    stamp: bytes
    do: Callable[[], Awaitable[None]]
    until: float
    kind: str = ""
    tries: int = 0
    queued_at: float = field(default=0.0)


class Recovery:
    """What waits for L2, or for the backplane and the edge; what needs two of them does both in its `do`.

    One target that does not answer (a master of several, the edge) holds up nothing for another.

    One item for each (what, key): the newest stands. Beyond `bound` the oldest is let go, and counted. An
    item ends with its entry's life.
    """

    def __init__(self, clock: Clock, *, bound: int = BOUND) -> None:
        self._clock = clock
        self._bound = bound
        self._items: OrderedDict[tuple[str, str], Item] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._nudge = asyncio.Event()
        self._pause = FIRST
        self._turn = 0
        self.done = self.expired = self.overflowed = self.replaced = 0
        self.last_error = ""
        self.told: Callable[[str], object] = _nobody  # hears the key of each item that was done

    def __len__(self) -> int:
        return len(self._items)

    @property
    def oldest_s(self) -> float:
        """How long the oldest item has waited; 0 when nothing does."""
        first = next(iter(self._items.values()), None)
        return self._clock.monotonic() - first.queued_at if first else 0.0

    def later(
        self,
        what: str,
        key: str,
        stamp: bytes,
        do: Callable[[], Awaitable[None]],
        until: float,
        kind: str = "",
    ) -> None:
        """Do it when it can be done, unless a later one for the same key comes; `until` = not after."""
        had = self._items.get((what, key))
        if had is not None:
            if had.stamp > stamp:
                return
            del self._items[(what, key)]
            self.replaced += 1
        elif len(self._items) >= self._bound:
            self._items.popitem(last=False)
            self.overflowed += 1
        self._items[(what, key)] = Item(what, key, stamp, do, until, kind, queued_at=self._clock.monotonic())
        if self._task is None or self._task.done():
            self._nudge.clear()
            self._pause = FIRST
            self._task = asyncio.create_task(self._drain(), name="cache recovery")

    def holds(self, what: str, key: str) -> bool:
        """Whether it still waits."""
        return (what, key) in self._items

    def held(self, what: str, key: str) -> Item | None:
        """What still waits."""
        return self._items.get((what, key))

    def forget(self, what: str, key: str) -> None:
        """It was done another way."""
        self._items.pop((what, key), None)

    def nudge(self) -> None:
        """The target may answer again: try now."""
        self._pause = FIRST
        self._nudge.set()

    def items(self) -> tuple[Item, ...]:
        """What waits, oldest first."""
        return tuple(self._items.values())

    async def close(self) -> None:
        """Stop trying; what waits is lost with the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _drain(self) -> None:
        while self._items:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(self._pause / 2, self._pause)):  # noqa: S311
                    await self._nudge.wait()
            self._nudge.clear()
            if not self._items:
                return
            if not any(await self._tried(self._probes())):
                self._pause = min(self._pause * 2, LONGEST)
                continue
            self._pause = FIRST
            await self._rest()

    def _probes(self) -> list[Item]:
        """The oldest, and some others in turn: what one of them needs may answer while another's does not."""
        items = list(self._items.values())
        start = self._turn % len(items)
        self._turn = start + PROBES
        return [items[0], *(item for item in items[start : start + PROBES] if item is not items[0])]

    async def _rest(self) -> None:
        """Something answers: all that wait, some at a time, until none of these is done."""
        items = list(self._items.values())
        for start in range(0, len(items), AT_ONCE):
            if not any(await self._tried(items[start : start + AT_ONCE])):
                return

    async def _tried(self, items: list[Item]) -> list[bool]:
        waiting = [item for item in items if self._items.get((item.what, item.key)) is item]
        return list(await asyncio.gather(*(self._try(item) for item in waiting)))

    async def _try(self, item: Item) -> bool:
        """Whether it is done with: done, or too late."""
        place = (item.what, item.key)
        if self._clock.monotonic() >= item.until:
            self.expired += 1
            self._remove(place, item)
            return True
        item.tries += 1
        try:
            await item.do()
        except BackendError as error:
            self.last_error = str(error)
            return False
        self.done += 1
        self._remove(place, item)
        self.told(item.key)
        return True

    def _remove(self, place: tuple[str, str], item: Item) -> None:
        """Unless a newer one took its place meanwhile."""
        if self._items.get(place) is item:
            del self._items[place]


def _nobody(_key: str) -> None:
    """Nobody listens."""
