"""Asks one backend, again and again, so that nobody above ever waits for a live system."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable

from perftui.model.backend import Backend
from perftui.model.errors import BackendError, Refused, Unsupported
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading
from perftui.runtime.clock import Clock
from perftui.runtime.tasks import Crew, end
from perftui.runtime.topic import Topic
from perftui.runtime.wires import OWNER, Wire, listen

log = logging.getLogger(__name__)

FIRST_BACKOFF = 0.5
LONGEST_BACKOFF = 15.0
GLANCE = 4.0  # seconds between reads of what is only glanced at (a card among others)
LATE_AFTER = 1.0  # a read shorter than this is never late, whatever the period
GRACE = 1.0  # what a cancelled read or a close may take


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait after the `failures`-th loss in a row; `chance` in [0, 1) takes up to 30 % off.

    Doubling from 0.5 s to 15 s; the jitter keeps many consoles from knocking at the same instant.
    """
    full = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
    return full * (1.0 - 0.3 * chance)


def aligned(slot: float, now: float, period: float) -> float:
    """The newest instant at or before `now` that is whole periods away from `slot`.

    Slots missed (a slow read, a suspended host) are skipped, never caught up.
    """
    if math.isinf(period) or now <= slot:
        return now
    return slot + math.floor((now - slot) / period) * period


class Poller:
    """One backend's clockwork: single flight, a deadline a read, drift-free period, backoff.

    Publishes a `Look` on `topic` after every read and when the link's state changes; a lost link
    keeps the last good reading. `keep` is called with every good reading (for history: topics may
    skip) and those of its parts. Broad `except` lives here: whatever a backend throws becomes a state,
    never a crash.
    """

    def __init__(
        self,
        backend: Backend,
        topic: Topic[Look],
        clock: Clock,
        *,
        rng: random.Random | None = None,
        keep: Callable[[Reading], None] | None = None,
        late_after: float = LATE_AFTER,
    ) -> None:
        self.backend = backend
        self.topic = topic
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 (jitter, no secret)
        self._keep = keep
        self._late_after = late_after
        self._crew = Crew(f"poller {backend.name}")
        self._flight: asyncio.Task[Reading] | None = None
        self._wake = asyncio.Event()
        self._opened = False
        self._stopping = False
        self._asked = True  # the first read is due at once
        self._slot = clock.monotonic()
        self._failures = 0
        self._delay = 0.0
        self._reading: Reading | None = None
        self.reads, self.waited = 0, 0.0  # so far, and seconds spent in them
        self.wire = Wire()
        self.health = Health(Link.WAITING, since=clock.wall())
        topic.on_demand(lambda _wanted: self._wake.set())

    async def run(self) -> None:
        """Poll until stopped or cancelled; then close the backend."""
        self._publish(Link.WAITING)
        listen(asyncio.get_running_loop())
        try:
            while not self._stopping:
                await self._until_due()
                if not self._stopping:
                    await self._look()
        finally:
            await self._leave()

    def stop(self) -> None:
        """End `run` soon, dropping a read in flight."""
        self._stopping = True
        self._wake.set()
        if self._flight is not None:
            self._flight.cancel()

    def retry(self) -> None:
        """Read now: ends a backoff, and leaves REFUSED."""
        self._asked = True
        self._wake.set()

    @property
    def period(self) -> float:
        """Seconds between reads as things stand: slower for a glance, slowest while nobody looks."""
        if self.topic.demand:
            return self.backend.period
        glance = max(GLANCE, self.backend.period) if self.topic.level else self.backend.idle_period
        return min(glance, self.backend.idle_period)

    def _due(self) -> float:
        if self._flight is not None and not self._flight.done():
            return math.inf  # single flight: a read that ignores its end holds up the next
        if self._asked:
            return -math.inf
        if self.health.link is Link.REFUSED:
            return math.inf
        if self.health.link is Link.LOST:
            return self._slot + self._pause
        return self._slot + self.period

    @property
    def _pause(self) -> float:
        """Seconds from a loss to the next attempt; nobody looking, no sooner than the idle period."""
        return self._delay if self.topic.demand else max(self._delay, self.period)

    async def _until_due(self) -> None:
        while not self._stopping:
            self._wake.clear()
            wait = self._due() - self._clock.monotonic()
            if wait <= 0:
                return
            try:
                async with asyncio.timeout(None if math.isinf(wait) else wait):
                    await self._wake.wait()
            except TimeoutError:
                pass  # due now: the loop looks again

    async def _look(self) -> None:
        self._asked = False
        self._slot = aligned(self._slot, self._clock.monotonic(), self.period)
        deadline = self.backend.deadline
        self._flight = flight = self._crew.start("read", self._read(), watched=True)
        flight.add_done_callback(lambda _flight: self._wake.set())
        try:
            await self._wait_for(flight, deadline)
            if not flight.done():
                await end(flight, GRACE)
                await self._lost(f"no answer within {deadline:g} s")
            else:
                await self._settle(flight)
        finally:
            flight.cancel()

    async def _wait_for(self, flight: asyncio.Task[Reading], deadline: float) -> None:
        late = min(deadline, max(self.period, self._late_after))
        await asyncio.wait({flight}, timeout=late)
        if not flight.done() and late < deadline:
            if self.health.link is Link.LIVE:
                self._publish(Link.LATE, f"no answer for {late:g} s")
            await asyncio.wait({flight}, timeout=deadline - late)

    async def _read(self) -> Reading:
        OWNER.set(self.wire)
        if not self._opened:
            await self.backend.open()
            self._opened = True
        began = self._clock.monotonic()
        try:
            return await self.backend.read()
        finally:
            self.reads, self.waited = self.reads + 1, self.waited + self._clock.monotonic() - began
            self.wire.count()  # while they are open

    async def _settle(self, flight: asyncio.Task[Reading]) -> None:
        if flight.cancelled():
            if not self._stopping:
                await self._lost("the read was cancelled")
            return
        error = flight.exception()
        if error is None:
            self._live(flight.result())
        elif isinstance(error, Refused | Unsupported):
            await self._close()
            self._publish(Link.REFUSED, str(error))
        elif isinstance(error, BackendError):
            await self._lost(str(error))
        else:
            log.error("%s: unexpected", self.backend.name, exc_info=error)
            await self._lost(f"{type(error).__name__}: {error}")

    def _live(self, reading: Reading) -> None:
        self._failures = 0
        self._reading = reading
        self._slot = aligned(self._slot, self._clock.monotonic(), self.period)
        if self._keep is not None:
            try:
                for one in (reading, *reading.parts):
                    self._keep(one)
            except Exception:
                log.exception("%s: reading could not be kept", self.backend.name)
        self._publish(Link.LIVE)

    async def _lost(self, error: str) -> None:
        self._failures += 1
        self._delay = backoff(self._failures, self._rng.random())
        self._slot = self._clock.monotonic()
        again = None if math.isinf(self._pause) else self._clock.wall() + self._pause
        self._publish(Link.LOST, error, retry_at=again)
        await self._close()

    def _publish(self, link: Link, error: str = "", retry_at: float | None = None) -> None:
        since = self.health.since if self.health.link is link else self._clock.wall()
        seen = None if self._reading is None else self._reading.at
        self.health = Health(link, since, error, retry_at, seen)
        self.topic.publish(Look(self.backend.name, self.backend.kind, self._reading, self.health))

    async def _close(self) -> None:
        self._opened = False
        try:
            async with asyncio.timeout(GRACE):
                await self.backend.close()
        except Exception as error:  # noqa: BLE001 (close must never raise; say so and go on)
            log.warning("%s: close failed: %s: %s", self.backend.name, type(error).__name__, error)

    async def _leave(self) -> None:
        await self._crew.stop(GRACE)
        await self._close()
