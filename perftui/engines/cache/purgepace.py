"""How fast a purge may go: so many keys a second, and a pause while others wait longer for the server."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from perftui.draw import format as fmt
from perftui.model.errors import PlanRejected
from perftui.model.worklease import PurgeProbe

T = TypeVar("T")

BOUND: Final = 0.02
"""Seconds that a probe's p99 may rise before the purge pauses, where none is named."""

WINDOW: Final = 100
"""Probes that p99 is of."""

ENOUGH: Final = 20
"""Probes from which it is told: of fewer than `WINDOW` it is the longest but one, for one may be chance."""

BETWEEN: Final = 0.005
"""Seconds from a probe to the next while none is late; after one that was the next batch has its own."""

REST: Final = 0.02  # seconds between two probes of a pause
LONGEST: Final = 5.0
"""Seconds after which a pause ends all the same (a lease lives longer): one batch goes, then it looks."""

SLICE: Final = 0.1  # seconds of a rate that go out at once, and that are made up for after a delay


class Pace:
    """Keeps one purge below `rate` keys a second, and waits while a probe's p99 is `bound` s above the usual.

    A probe is a PING on the working connection after a batch, 200 a second at most; of several servers the
    slowest counts. What is usual was looked at before the plan: a far server, and a console that others keep
    from its processor, are no reason to wait. 0: no such limit. A server that cannot be probed is purged
    without pauses.
    """

    def __init__(self, power: Any, rate: float = 0.0, bound: float = BOUND) -> None:
        if not (math.isfinite(rate) and (rate == 0 or rate >= 1)):
            raise PlanRejected("a purge's rate is 1 key a second or more, or 0 for none")
        if not (math.isfinite(bound) and bound >= 0):
            raise PlanRejected("the bound of a purge's pauses is a time, or 0 for none")
        self.rate, self.bound = rate, bound
        self._probe = power if isinstance(power, PurgeProbe) and bound else None
        self._took: deque[float] = deque(maxlen=WINDOW)
        self._due: float | None = None  # when the next batch has its turn
        self._probed = -math.inf
        self.usual_s = 0.0
        self.pauses = 0
        self.paused_s = 0.0

    @property
    def p99_s(self) -> float | None:
        """Of the last probes, by nearest rank; None before there are enough."""
        if len(self._took) < ENOUGH:
            return None
        chance = len(self._took) < WINDOW
        return sorted(self._took)[math.ceil(0.99 * len(self._took)) - 1 - chance]

    @property
    def _late(self) -> bool:
        """Whether the last probe is a reason to look again at once."""
        return bool(self._took) and self._took[-1] > self.usual_s + self.bound

    @property
    def facts(self) -> dict[str, float | None]:
        """What a receipt keeps."""
        return {
            "rate": self.rate,
            "pause_over_s": self.bound,
            "usual_p99_s": self.usual_s,
            "pauses": self.pauses,
            "paused_s": round(self.paused_s, 3),
            "probe_p99_s": self.p99_s,
        }

    def seconds(self, count: int) -> float:
        """How long so many keys take at this rate at least."""
        return count / self.rate if self.rate else 0.0

    async def look(self) -> None:
        """Before a plan: what a probe takes while nothing is purged."""
        if self._probe is not None:
            self._took.clear()
            for _ in range(ENOUGH):
                self._took.append(await self._probe.probe_purge())
            self.usual_s = self.p99_s or 0.0

    def planned(self, count: int) -> Iterator[str]:
        """For the plan: the limits, and how long it takes at least."""
        if self.rate:
            least = fmt.duration(self.seconds(count))
            yield f"at most {fmt.number(self.rate)} keys/s: {least} or more"
        if self._probe is not None:
            yield (
                f"pauses while a probe's p99 is {fmt.duration(self.bound)} above what it is now"
                f" ({fmt.duration(self.usual_s)})"
            )

    def told(self) -> Iterator[str]:
        """For the receipt: that it was slowed."""
        if self.rate:
            yield f"at most {fmt.number(self.rate)} keys/s"
        if self.pauses:
            yield f"{fmt.many(self.pauses, 'pause')} of {fmt.duration(self.paused_s)} together"

    def slices(self, whole: Iterable[Sequence[T]]) -> Iterator[Sequence[T]]:
        """Batches in parts that are sent at once: a low rate is no burst now and then."""
        most = max(1, int(self.rate * SLICE)) if self.rate else None
        for batch in whole:
            step = most or max(1, len(batch))
            for first in range(0, len(batch), step):
                yield batch[first : first + step]

    async def after(self, keys: int, say: Callable[[str], None]) -> None:
        """After a batch: wait for its turn, and for the server; `say` hears why.

        Raises:
            BackendError: the server does not answer the probe.
        """
        await self._turn(keys)
        if self._probe is None or (time.monotonic() - self._probed < BETWEEN and not self._late):
            return
        self._took.append(await self._probe.probe_purge())
        self._probed = time.monotonic()
        if (p99 := self.p99_s) is not None and p99 > self.usual_s + self.bound:
            await self._pause(p99, say)

    async def _turn(self, keys: int) -> None:
        """What a pause or a slow server held up is not sent in a burst after it."""
        if self.rate:
            now = time.monotonic()
            due = now if self._due is None else max(self._due, now - SLICE)
            self._due = due + keys / self.rate
            await asyncio.sleep(max(0.0, self._due - now))

    async def _pause(self, p99: float, say: Callable[[str], None]) -> None:
        """Until as many new probes as p99 takes are below the bound; the old ones count until there are."""
        assert self._probe is not None
        started = time.monotonic()
        self.pauses += 1
        before = self.paused_s
        try:
            while p99 > self.usual_s + self.bound and time.monotonic() - started < LONGEST:
                say(
                    f"paused: a probe takes {fmt.duration(p99)} (p99), before it {fmt.duration(self.usual_s)}"
                )
                fresh: list[float] = []
                while len(fresh) < ENOUGH and time.monotonic() - started < LONGEST:
                    fresh.append(await self._probe.probe_purge())
                    self.paused_s = before + time.monotonic() - started
                    await asyncio.sleep(REST)
                if len(fresh) == ENOUGH:
                    self._took.clear()
                self._took.extend(fresh)
                p99 = self.p99_s or 0.0
        finally:
            self.paused_s = before + time.monotonic() - started
