"""Measures what perftui itself costs, every few seconds, and keeps it beside everything else."""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perftui.analysis.cardinality import crowds
from perftui.model.frame import Frame, SeriesReader
from perftui.model.price import SOURCE, Crowd, PriceReport, SourceCost
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.observer import BUGS, Observer
from perftui.runtime.poller import Poller
from perftui.runtime.rings import MOST_SERIES
from perftui.runtime.topic import Topic

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two measurements
WINDOW = 60.0  # seconds a report is about, once there are as many
COUNTED = 30.0  # seconds between two counts of the series
BEAT = 0.25  # seconds between two looks at how late we are


@dataclass(frozen=True, slots=True)
class _Mark:
    """All counters at one instant (monotonic)."""

    at: float
    cpu: float
    terminal: int | None
    asked: Mapping[str, tuple[int, float, tuple[int, int] | None]]


class Price(Observer):
    """An observer with a clock of its own, of the process it runs in.

    `terminal` tells bytes sent to the terminal so far, where there is one.
    """

    def __init__(
        self,
        engine: Any,
        pollers: Mapping[str, Poller],
        rings: SeriesReader,
        clock: Clock,
        topic: Topic[Frame],
        keep: Callable[[Reading], None],
        terminal: Callable[[], int | None],
    ) -> None:
        super().__init__(engine, {}, rings, clock, hold=False, topic=topic)
        self._judge = engine  # the same by what only it can do
        self._pollers = pollers
        self._record = keep
        self._terminal = terminal
        self._late: deque[float] = deque(maxlen=int(WINDOW / BEAT))  # of the last beats, seconds
        self._marks: deque[_Mark] = deque(maxlen=int(WINDOW / EVERY) + 1)
        self._counted, self._series, self._crowds = -math.inf, 0, tuple[Crowd, ...]()

    async def run(self) -> None:
        """Measure until cancelled."""
        self._mark()
        while True:
            due = time.monotonic() + EVERY
            while (left := due - time.monotonic()) > 0:
                await self._beat(min(BEAT, left))
            try:
                self.tick()
            except BUGS:  # costs this round, never the console
                log.exception("own price")

    async def _beat(self, pause: float) -> None:
        before = time.monotonic()
        await asyncio.sleep(pause)
        self._late.append(max(0.0, time.monotonic() - before - pause))

    def tick(self) -> None:
        """One measurement: what passed since the oldest mark."""
        self._mark()
        self._count()
        self._judge.measured = report = self._measured()
        self._record(Reading(SOURCE, report.at, 0.0, tuple(measures(report)), None))
        self.topic.publish(self.observe())

    def _report(self, now: float, looks: Mapping[str, Look]) -> tuple[Any, str]:
        return self._judge.observe(now, looks, self._history), ""  # measured already: no look is needed

    def _mark(self) -> None:
        asked = {name: (p.reads, p.waited, p.wire.count()) for name, p in self._pollers.items()}
        self._marks.append(_Mark(time.monotonic(), time.process_time(), self._terminal(), asked))

    def _count(self) -> None:
        """Series that backends told at their last read, by metric, now and then: new ones come slowly."""
        if time.monotonic() - self._counted >= COUNTED:
            looks = (one.topic.value for one in self._pollers.values())
            readings = [look.reading for look in looks if look is not None and look.reading is not None]
            keys = [measure.key for reading in readings for measure in reading.samples]
            self._counted, self._series, self._crowds = time.monotonic(), len(keys), crowds(keys)

    def _measured(self) -> PriceReport:
        first, last = self._marks[0], self._marks[-1]
        spent = max(1e-6, last.at - first.at)
        sent = None if last.terminal is None else last.terminal - (first.terminal or 0)
        return PriceReport(
            at=self._clock.wall(),
            window=spent,
            cpu_ratio=(last.cpu - first.cpu) / spent,
            rss_bytes=resident(),
            loop_lag_s=usual_worst(self._late),
            terminal_bytes_per_s=None if sent is None else sent / spent,
            sources=tuple(self._source(name, first, last, spent) for name in sorted(last.asked)),
            series=self._series,
            most_series=MOST_SERIES,
            crowds=self._crowds,
        )

    def _source(self, name: str, first: _Mark, last: _Mark, spent: float) -> SourceCost:
        reads, waited, wire = last.asked[name]
        reads0, waited0, wire0 = first.asked.get(name, (0, 0.0, None))
        more = reads - reads0
        out, in_ = (None, None) if wire is None else (wire[n] - (wire0[n] if wire0 else 0) for n in (0, 1))
        return SourceCost(
            name,
            self._pollers[name].backend.kind,
            reads_per_s=more / spent,
            wait_ratio=(waited - waited0) / spent,
            mean_s=(waited - waited0) / more if more else None,
            in_bytes_per_s=None if in_ is None else in_ / spent,
            out_bytes_per_s=None if out is None else out / spent,
        )


def usual_worst(late: Sequence[float]) -> float:
    """The 99th percentile: a value that was really measured; 0 when nothing was."""
    found = sorted(late)
    return found[max(0, math.ceil(0.99 * len(found)) - 1)] if found else 0.0


def measures(report: PriceReport) -> Iterable[Measure]:
    """The report as series."""
    yield Measure(SeriesKey(SOURCE, "cpu_ratio"), report.cpu_ratio, "ratio")
    yield Measure(SeriesKey(SOURCE, "rss_bytes"), report.rss_bytes, "bytes")
    yield Measure(SeriesKey(SOURCE, "loop_lag_s"), report.loop_lag_s, "s")
    if report.terminal_bytes_per_s is not None:
        key = SeriesKey(SOURCE, "terminal_bytes_per_s")
        yield Measure(key, report.terminal_bytes_per_s, "bytes/s")
    for one in report.sources:
        label = (("backend", one.name),)
        yield Measure(SeriesKey(SOURCE, "backend.reads_per_s", label), one.reads_per_s, "1/s")
        yield Measure(SeriesKey(SOURCE, "backend.wait_ratio", label), one.wait_ratio, "ratio")
        if one.in_bytes_per_s is not None:
            key = SeriesKey(SOURCE, "backend.in_bytes_per_s", label)
            yield Measure(key, one.in_bytes_per_s, "bytes/s")


def resident() -> float:
    """Bytes of memory of this process; where the system does not tell, the most it ever had."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * float(resource.getpagesize())
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return float(most if sys.platform == "darwin" else most * 1024)
