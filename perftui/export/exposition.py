"""What a session tells Prometheus: its last readings, and itself; a scrape asks no system anything."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import resource
import time
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate
from typing import Any

from perftui import __version__
from perftui.analysis.metricnames import AS_TOLD, label_name, metric_name
from perftui.analysis.nodecounters import HostCounters
from perftui.export.families import Cell, Families, Family, Labels, bounded
from perftui.export.hostmetrics import put_host
from perftui.export.prometheus import PIECE, bound, exemplar, number
from perftui.model.endpoint import ApiReading, Exemplar
from perftui.model.health import Link
from perftui.model.reading import Look, Measure
from perftui.model.resources import HostReading
from perftui.model.targets import ScrapedHost, alike

WINDOW = 300.0  # seconds a summary looks back
QUANTILES = (0.5, 0.9, 0.99)
LIVE = (Link.LIVE, Link.LATE)
REQUESTS = "perftui_http_requests"
DURATIONS = "perftui_http_request_duration_seconds"


class Took:
    """How long the reads of one backend took: quantiles of the last minutes, sum and count of all."""

    def __init__(self) -> None:
        self.recent: deque[tuple[float, float]] = deque(maxlen=1000)
        self.count = 0
        self.seconds = 0.0

    def add(self, at: float, took: float) -> None:
        """One more."""
        self.recent.append((at, took))
        self.count += 1
        self.seconds += took

    def cells(self, now: float) -> tuple[Cell, ...]:
        """As a summary: a quantile is a value that was really measured, NaN when nothing was of late."""
        lately = sorted(took for at, took in self.recent if now - at <= WINDOW)
        rows: list[Cell] = []
        for q in QUANTILES:
            value = lately[max(0, math.ceil(q * len(lately)) - 1)] if lately else math.nan
            rows.append(("", (("quantile", number(q)),), value))
        return (*rows, ("_sum", (), self.seconds), ("_count", (), self.count))


class Exposition:
    """Keeps what must be counted between scrapes, and builds families when one comes."""

    def __init__(self, looks: Callable[[], Mapping[str, Look]], own: Callable[[Families], None]) -> None:
        self._looks = looks
        self._own = own
        self._seen: dict[str, float] = {}
        self._took: dict[str, Took] = {}
        self._hosts: dict[str, HostCounters] = {}

    def note(self) -> None:
        """Count what was read since the last call."""
        for name, look in self._looks().items():
            reading = look.reading
            if reading is None or self._seen.get(name) == reading.at:
                continue
            self._seen[name] = reading.at
            self._took.setdefault(name, Took()).add(reading.at, reading.took)
            if isinstance(reading.facts, HostReading):
                self._hosts.setdefault(name, HostCounters()).add(reading.facts)

    async def run(self) -> None:
        """Count once a second until cancelled."""
        while True:
            self.note()
            await asyncio.sleep(1.0)

    async def families(self) -> list[Family]:
        """Everything, as of now; the loop gets its turn after each backend, and within a long one."""
        self.note()
        found = Families()
        looks = self._looks()
        hosts = [
            n for n, look in looks.items() if look.reading and isinstance(look.reading.facts, HostReading)
        ]
        async for name, look in _one_by_one(looks):
            self._put_link(found, name, look)
            if look.reading is None or look.health.link not in LIVE:
                continue  # what is lost is not told as if it were still so: its series ends
            facts = look.reading.facts
            if isinstance(facts, HostReading):
                extra: Labels = (("source", name),) if len(hosts) > 1 else ()
                put_host(found, facts, self._hosts.get(name, HostCounters()), look.reading.at, extra)
            samples = look.reading.samples  # exported rules ask for them by these names
            for at in range(0, len(samples), PIECE):
                put_samples(found, alike(look.kind), samples[at : at + PIECE])
                await asyncio.sleep(0)
            if isinstance(facts, ScrapedHost):
                facts = facts.api  # the host has an exporter of its own
            if isinstance(facts, ApiReading):
                put_api(found, name, facts)
        put_process(found)
        self._own(found)
        return found.sorted()

    def _put_link(self, found: Families, name: str, look: Look) -> None:
        labels = (("kind", look.kind), ("source", name))
        up = found.family(
            "perftui_source_up", "gauge", "Whether the last read of a system was good (1) or not (0)."
        )
        up.put(labels, float(look.health.link in LIVE))
        if look.reading is not None:
            read = found.family(
                "perftui_source_read_timestamp_seconds", "gauge", "When a system was last read, by our clock."
            )
            read.put(labels, look.reading.at)
        if name in self._took:
            took = found.family(
                "perftui_source_read_duration_seconds",
                "summary",
                "Seconds a read of a system took, of five minutes.",
            )
            took.put_cells(labels, self._took[name].cells(time.time()))


async def _one_by_one(looks: Mapping[str, Look]) -> AsyncIterator[tuple[str, Look]]:
    for pair in looks.items():
        yield pair
        await asyncio.sleep(0)


@lru_cache(maxsize=20_000)
def _place(kind: str, unit: str, source: str, name: str, labels: Labels) -> tuple[str, str, Labels] | None:
    """Name, help and labels of a series; None for what is not told as a gauge. The same for every scrape.

    Asked with a key's parts: they are hashed without a step of Python's.
    """
    if name.startswith(AS_TOLD):
        return None  # its own target tells it
    if kind == "scrape" and name.startswith("http.") and labels:
        return None  # by route: told as counters and a histogram
    if any(label in ("le", "quantile") for label, _ in labels):
        return None  # rates by bucket: under these labels nobody may tell gauges
    said = {"1": "a number", "1/s": "a second", "s": "seconds", "ratio": "a ratio"}.get(unit, unit)
    words = name.replace(".", " ").replace("_", " ")
    kept = bounded((("source", source), *((label_name(n), v) for n, v in labels)))
    return metric_name(name, kind), f"{kind}: {words}, as last read ({said}).", kept


def put_samples(found: Families, kind: str, samples: Iterable[Measure]) -> None:
    """Samples of a reading as gauges."""
    for measure in samples:
        key = measure.key
        place = _place(kind, measure.unit, key.source, key.name, key.labels)
        if place is not None:
            name, words, labels = place
            found.family(name, "gauge", words).put_bounded(labels, (("", (), measure.value),))


def put_api(found: Families, source: str, r: ApiReading) -> None:
    """Requests, durations and what is under way, of each endpoint that was counted."""
    if r.in_flight is not None:
        now = found.family("perftui_http_requests_in_flight", "gauge", "Requests being answered now.")
        now.put((("service", r.service), ("source", source)), r.in_flight)
    for tally in r.tallies:
        labels = (
            ("method", tally.method),
            ("route", tally.route),
            ("service", r.service),
            ("source", source),
        )
        for status, count in tally.statuses:
            requests = found.family(
                REQUESTS, "counter", "Requests answered, by route and status, since first watched."
            )
            requests.put((*labels, ("status", status)), count)
        if tally.bounds and math.isinf(tally.bounds[-1]):
            family = found.family(DURATIONS, "histogram", "Seconds from request to answer, by route.")
            family.put_cells(labels, _buckets(tally.bounds, tally.counts, tally.seconds))
            here = [e for e in r.exemplars if (e.route, e.method) == (tally.route, tally.method)]
            _put_exemplars(family, bounded(labels), tally.bounds, here)


def _put_exemplars(
    family: Family, labels: Labels, bounds: tuple[float, ...], found: Iterable[Exemplar]
) -> None:
    """Under each bucket the newest request that fell into it and whose trace is known."""
    for one in sorted(found, key=lambda e: e.at):
        edge = bounds[min(bisect_left(bounds, one.seconds), len(bounds) - 1)]
        place = (labels, "_bucket", (("le", bound(edge)),))
        family.exemplars[place] = exemplar(one.trace_id, one.seconds, one.at)


def _buckets(bounds: tuple[float, ...], counts: tuple[float, ...], seconds: float) -> tuple[Cell, ...]:
    """Cumulative cells; the last bucket is the count."""
    rising = list(accumulate(counts, max))
    cells: list[Cell] = [
        ("_bucket", (("le", bound(edge)),), count) for edge, count in zip(bounds, rising, strict=True)
    ]
    return (*cells, ("_sum", (), seconds), ("_count", (), rising[-1]))


def put_process(found: Families) -> None:
    """What we cost, under the names every process uses."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = found.family("process_cpu_seconds", "counter", "Processor seconds this process has used.")
    cpu.put((), usage.ru_utime + usage.ru_stime)
    rss = _rss()
    if rss:
        found.family("process_resident_memory_bytes", "gauge", "Resident memory of this process.").put(
            (), rss
        )
    with suppress(OSError):
        open_ = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count, no paths)
        found.family("process_open_fds", "gauge", "Descriptors this process has open.").put((), open_)
    started = found.family("process_start_time_seconds", "gauge", "When this process began, since the epoch.")
    started.put((), STARTED)
    build = found.family("perftui_build", "info", "Version of perftui and of the Python it runs on.")
    labels = (("python", platform.python_version()), ("version", __version__))
    build.put_cells(labels, (("_info", (), 1.0),))


def _rss() -> float:
    try:
        with open("/proc/self/statm", encoding="ascii") as source:
            return float(source.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0.0


STARTED = time.time() - time.process_time()


def put_session(found: Families, session: Any) -> None:
    """What only the session knows: alerts and who does what for all on the store."""
    report = session.frame("alerts").report
    counts: dict[tuple[str, str], int] = {}
    for alert in getattr(report, "alerts", ()):
        key = (alert.severity.name.lower(), alert.state.value)
        counts[key] = counts.get(key, 0) + 1
    family = found.family("perftui_alerts", "gauge", "Alerts as they stand, by severity and state.")
    for (severity, state), count in counts.items():
        family.put((("severity", severity), ("state", state)), count)
    memory, alerts = session.memory, session.alerts
    ruler = alerts.ruler if alerts is not None else None
    held = found.family(
        "perftui_lease_held", "gauge", "Whether this process does this loop for all on the store."
    )
    held.put((("loop", "recorder"),), float(memory is not None and memory.writes))
    held.put((("loop", "ruler"),), float(ruler is not None and ruler.holder))
    problem = found.family(
        "perftui_store_up", "gauge", "Whether the store takes what is written (1) or not (0)."
    )
    problem.put((), float(not session.problem))
