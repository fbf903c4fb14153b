"""Which keys are asked for most, lately: what is worth keeping warm, and to begin the next run with."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from perftui.analysis.frequency import SpaceSaving
from perftui.instrument.cache.entry import NEVER
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.ports import Figures
from perftui.instrument.cache.wanted import Wanted, read, write
from perftui.instrument.cache.wiring import Wired

log = logging.getLogger(__name__)

TICK, AGE_EVERY, SAVE_EVERY = 1.0, 30.0, 3600.0
HEARD: Final = 4096  # asks of one tick that are counted: the newest
YOUNG: Final = 10.0  # seconds a rate is taken over at least
SPARE: Final = 4  # counters for each key that is to be named


class Asked(NamedTuple):
    """A key, and how often it is asked for: at least so many times a second, decayed."""

    key: str
    per_s: float


class Hot:
    """Counts what is asked of a cache's L1, in room for four times `most` keys.

    A count halves in `half_life` seconds. Of more than 4096 asks a second the newest of each second are
    counted, so rates are then too low, and the ranks those of a sample. A hit costs one append.

    With `path` the names, tags and lives (no values) of the `most` are kept there each hour and when the
    cache closes, for `Warming(cache, path)` of the next run. A run of less than an hour adds what it saw to
    what the one before kept.

    Source: Metwally et al., ICDT 2005 (analysis/frequency), aged so that counts decay by half.

    Raises:
        ValueError: the cache has no L1.
    """

    def __init__(
        self, cache: Wired, *, most: int = 1000, half_life: float = 600.0, path: Path | None = None
    ) -> None:
        memory = cache.memory
        if memory is None:
            raise ValueError(f"{cache.name}: what is hot is seen in L1, and there is none")
        self._memory = memory
        self._most = most
        self._half_life = half_life
        self._path = path
        self._counts = SpaceSaving(SPARE * most)
        self._heard: deque[str] = deque(maxlen=HEARD)
        self._now = cache.clock.monotonic
        self._began = self._now()
        self._aged_at = self._began
        self._closed = False
        self.saved = self.not_saved = 0
        memory.watch(self._heard.append)
        cache.beside(self)
        self._tasks = [asyncio.create_task(self._every(TICK, self._tick), name="cache hot keys")]
        if path is not None:
            self._tasks.append(asyncio.create_task(self._saving(), name="cache hot keys' file"))

    def top(self, n: int | None = None) -> list[Asked]:
        """The keys asked for most, with the least rate they can have."""
        self._tick()
        lived = self._now() - self._began
        decays = math.log(2) / self._half_life
        weight = max(YOUNG, (1 - math.exp(-decays * lived)) / decays)  # what one a second would have come to
        found = self._counts.top(self._most if n is None else n)
        return [Asked(str(one.key), (one.count - one.error) / weight) for one in found]

    async def save(self) -> None:
        """Keep the keys' file now.

        Raises:
            OSError: it cannot be written.
        """
        path = self._path
        if path is None:
            return
        keys = self.known()
        young = self._now() - self._began < SAVE_EVERY
        await asyncio.to_thread(_keep, path, keys, self._most, young)
        self.saved += 1

    async def close(self) -> None:
        """Count no more, and keep the file; twice is harmless."""
        if self._closed:
            return
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._try()

    def figures(self) -> Figures:
        """How many keys are known by name, and how often the file was written or was not."""
        self._tick()
        counts = {"hot.saved": self.saved, "hot.not_saved": self.not_saved} if self._path else {}
        return Figures(counts, {"hot.keys": float(min(len(self._counts), self._most))})

    def known(self, n: int | None = None) -> list[Wanted]:
        """Those that L1 has: of others the tags are not known, and no removal by tag would reach them."""
        found = []
        for key, _ in self.top(n):
            entry = self._memory.look(key)
            if entry is not None:
                tags = tuple(name for name, _, _ in entry.tags if name != EVERYTHING)
                found.append(Wanted(key, tags, None if entry.ttl == NEVER else entry.ttl))
        return found

    def _tick(self) -> None:
        heard = self._heard
        for _ in range(len(heard)):
            self._counts.add(heard.popleft())
        now = self._now()
        if now - self._aged_at >= AGE_EVERY:
            self._counts.age(0.5 ** ((now - self._aged_at) / self._half_life))
            self._aged_at = now

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            work()

    async def _saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await self._try()

    async def _try(self) -> None:
        try:
            await self.save()
        except OSError as error:
            self.not_saved += 1
            log.warning("the hot keys were not kept: %s", error)


def _keep(path: Path, keys: list[Wanted], most: int, young: bool) -> None:
    if young and path.exists():
        try:
            before = read(path)
        except ValueError:
            before = []
        here = {one.key for one in keys}
        keys = keys + [one for one in before if one.key not in here]
    if keys:
        write(path, keys[:most])
