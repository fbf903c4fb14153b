"""How long a change really takes to be heard by the other nodes: a canary that one writes and all watch."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from perftui.analysis.quantile import Sketch
from perftui.instrument.cache.lease import L2Lock, Lease
from perftui.instrument.cache.names import canary_key
from perftui.instrument.cache.ports import Figures, LinkChange, LinkEvent, Store
from perftui.instrument.cache.wiring import Wired
from perftui.model.errors import BackendError

EVERY: Final = 1.0  # seconds between two canaries
LOST: Final = 1.0  # seconds after which one that was not heard counts as lost
LEASE: Final = 5.0  # seconds after which another node writes in place of one that died
SANE: Final = 60.0  # a delay of more is no measurement
LIFE: Final = 60_000  # milliseconds the canary is kept
CLOCKS: Final = 8  # round trips of which the shortest says what the server's clock is

# The server's own time, so that no other clock than the hearer's estimate of it takes part.
WRITE = """
local t = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. t[1] .. ' ' .. t[2], 'PX', ARGV[3])
return 1"""
READ = """
local t = redis.call('TIME')
return {redis.call('GET', KEYS[1]), t[1], t[2]}"""


class Canary(NamedTuple):
    """One write: by which node, its number, and the server's epoch seconds."""

    writer: str
    number: int
    at: float


class Staleness:
    """Measures from now on, until the cache closes; one write a second in all, one read a second a node.

    A delay is from the server's time of a write to when this process was told of it, the wait for its event
    loop included; the server's clock is known to half the shortest of eight round trips, and no delay is
    counted as less than none. The writer does not count itself: a node alone measures nothing. `lost` are
    canaries of which nothing was heard for a second while the link was whole; those of a link that was
    down are no loss, for L1 served nothing meanwhile. In a cluster it is the link to the canary's own
    server that is measured.

    Raises:
        ValueError: the cache does not listen to an L2.
    """

    def __init__(self, cache: Wired, *, every: float = EVERY) -> None:
        if cache.store is None or every <= 0:
            raise ValueError(f"{cache.name}: staleness is measured through an L2")
        self._cache = cache
        self._every = every
        self._key = canary_key(cache.name)
        self._at: Store | None = None
        self._stop: Callable[[], None] | None = None
        self._seen: Canary | None = None
        self._told = 0  # pushes since then
        self._links = 0  # times that what was known was forgotten
        self._trips: list[tuple[float, float]] = []  # seconds there and back, server less monotonic
        self._reads: set[asyncio.Task[None]] = set()
        self.delays = Sketch()
        self.longest = 0.0
        self.lost = 0
        self.writes = False
        self._task = asyncio.create_task(self._run(), name=f"cache staleness {cache.name}")
        cache.beside(self)

    async def close(self) -> None:
        """Measure no more; twice is harmless."""
        tasks = [self._task, *self._reads]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._leave()

    def figures(self) -> Figures:
        """Counters `staleness.heard lost`, gauges `staleness.max_s writes`, and the sketch `staleness`."""
        counts = {"staleness.heard": self.delays.count, "staleness.lost": self.lost}
        gauges = {"staleness.max_s": self.longest, "staleness.writes": float(self.writes)}
        sketches = {"staleness": self.delays.pack()} if self.delays.count else {}
        return Figures(counts, gauges, sketches)

    # writing

    async def _run(self) -> None:
        number = 0
        lease: Lease | None = None
        at: Store | None = None
        try:
            while True:
                await asyncio.sleep(self._every)
                store = self._attend()
                if lease is not None and (store is not at or not lease.held):
                    await lease.release()
                    lease = None
                at = store
                self.writes = lease is not None
                if store is None:
                    continue
                with contextlib.suppress(BackendError):
                    lease = lease or await self._turn(store)
                    self.writes = lease is not None
                    if lease is not None:
                        number += 1
                        await self._write(store, number)
                    await self._look(store)
        finally:
            if lease is not None:
                await lease.release()

    async def _turn(self, store: Store) -> Lease | None:
        return await L2Lock(self._cache.name, store).acquire("__canary-writer", LEASE, within=LOST)

    async def _write(self, store: Store, number: int) -> None:
        node, key = self._cache.node, self._key
        await store.command("EVAL", WRITE, 1, key, node, number, LIFE, key=key, within=LOST)

    # hearing

    def _attend(self) -> Store | None:
        """The store there is now, watched; None while it does not tell of changes."""
        store = self._cache.store
        if store is not self._at:
            self._leave()
            self._at = store
            if store is not None:
                self._stop = store.watch(self._event)
        if not self._cache.hears:
            self._forget()
            return None
        return store

    def _leave(self) -> None:
        if self._stop is not None:
            self._stop()
            self._stop = None
        self._forget()

    def _forget(self) -> None:
        """What was written meanwhile is not expected to be heard; answers under way are of another link."""
        self._seen, self._told = None, 0
        self._links += 1
        self._trips.clear()

    def _event(self, event: LinkEvent) -> None:
        if event.change is not LinkChange.PUSH:
            self._forget()
            return
        payload = event.payload
        if not isinstance(payload, (list, tuple)) or len(payload) < 2 or payload[0] != b"invalidate":
            return
        if isinstance(payload[1], (list, tuple)) and self._key in payload[1] and self._at is not None:
            self._told += 1
            heard = asyncio.get_running_loop().time()
            task = asyncio.create_task(self._read(self._at, heard), name="cache staleness read")
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)

    async def _look(self, store: Store) -> None:
        """Whether canaries came of which nothing was heard."""
        links = self._links
        canary, now = await self._ask(store)
        if canary is None or canary.writer == self._cache.node or self._links != links:
            return
        if self._same(canary) and now - canary.at <= LOST:  # what came of the newest may still be under way
            canary = canary._replace(number=canary.number - math.ceil(LOST / self._every))
        self._reached(canary)

    async def _read(self, store: Store, heard: float) -> None:
        links = self._links
        try:
            canary, _ = await self._ask(store)
        except BackendError:
            return
        if canary is None or canary.writer == self._cache.node or self._links != links:
            return
        if self._same(canary) and self._seen is not None and canary.number <= self._seen.number:
            self._told = max(0, self._told - 1)  # two were told of before one was read, or it was seen first
            return
        self._reached(canary)
        delay = heard + self._offset() - canary.at
        if -LOST < delay < SANE:
            self.delays.add(max(0.0, delay))
            self.longest = max(self.longest, delay)

    def _same(self, canary: Canary) -> bool:
        return self._seen is not None and self._seen.writer == canary.writer

    def _reached(self, canary: Canary) -> None:
        """All up to this one should have been told of."""
        seen = self._seen
        if seen is None or seen.writer != canary.writer:
            self._seen, self._told = canary, 0
        elif canary.number > seen.number:
            missed = canary.number - seen.number - self._told
            self.lost += missed if 0 < missed * self._every < SANE else 0
            self._seen, self._told = canary, 0

    async def _ask(self, store: Store) -> tuple[Canary | None, float]:
        """The canary there is, and the server's time; what is no canary is none."""
        clock = asyncio.get_running_loop().time
        began = clock()
        said = await store.command("EVAL", READ, 1, self._key, key=self._key, within=LOST)
        took = clock() - began
        try:
            data, *time = said
            now = _seconds(*time)
            self._trips = [*self._trips[1 - CLOCKS :], (took, now - began - took / 2)]
            return _canary(data), now
        except (TypeError, ValueError):
            return None, 0.0

    def _offset(self) -> float:
        return min(self._trips)[1]


def _canary(data: Any) -> Canary | None:
    if not isinstance(data, bytes) or len(data) > 100:
        return None
    writer, number, *time = data.decode("ascii").split(" ")
    return Canary(writer, int(number), _seconds(*time))


def _seconds(seconds: bytes | str, micros: bytes | str) -> float:
    return int(seconds) + int(micros) / 1e6
