"""The parts of monitoring, each beside its target and, where there is one, its peer in the same run.

    python -m benchmarks.mon_parts

Parse and write 5 400 samples, one tick of 1 000 rules over ten series each, a point judged for what is
unusual, the frames of a console's second, bytes of a sample kept. Figures are CPU time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import mon_anomaly, mon_promql
from benchmarks.collectors import exposition
from benchmarks.pasts import KINDS, NOW, Then, fill
from perftui.analysis.promtext import Scanner
from perftui.backends.host import Host
from perftui.export.exposition import Exposition
from perftui.export.prometheus import written
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.options import HostOptions
from perftui.model.reading import Look, Measure, Reading
from perftui.model.resources import HostReading, HostView, ResourcesReport
from perftui.model.series import SeriesKey
from perftui.runtime.framelog import FrameLog
from perftui.runtime.store import Store

ROUNDS = 9
TOPICS = 8
SECONDS = 300
SAMPLES = 5400


def row(what: str, value: float, unit: str, target: float, peer: str = "", theirs: float = 0.0) -> None:
    """One line: the figure, its target, its share of the peer's."""
    beside = f"; {peer} {theirs:.2f} {unit}: {value / theirs:.2f} of it" if peer else ""
    met = "met" if value <= target else "MISSED"
    print(f"{what:<44} {value:8.2f} {unit:<12} <= {target:g} {met}{beside}", flush=True)


def cpu(work: Callable[[], Any]) -> float:
    """Median CPU milliseconds of a call."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return statistics.median(found)


def parse() -> None:
    """Our scanner without and with what it remembers of labels, and the library's parser."""
    text = exposition(300)
    theirs = cpu(lambda: list(text_string_to_metric_families(text)))
    row("parse 5 400 samples, first time", cpu(lambda: Scanner().scan(text)), "ms", 8, "library", theirs)
    warm = Scanner()
    warm.scan(text)
    row("parse 5 400 samples, labels known", cpu(lambda: warm.scan(text)), "ms", 4, "library", theirs)


class Same:
    """As many samples for the library to write."""

    def collect(self) -> list[GaugeMetricFamily]:
        """Fifty families."""
        found = [GaugeMetricFamily(f"n{n}", "d", labels=["source", "place"]) for n in range(50)]
        for n in range(SAMPLES):
            found[n % 50].add_metric([f"s{n % 8}", str(n)], float(n))
        return found


def write() -> None:
    """From readings to the text a scrape gets."""
    keys = [SeriesKey(f"s{n % 8}", f"n{n % 50}", (("place", str(n)),)) for n in range(SAMPLES)]
    looks = {}
    for s in range(8):
        samples = tuple(Measure(key, float(n)) for n, key in enumerate(keys) if key.source == f"s{s}")
        reading = Reading(f"s{s}", NOW, 0.0, samples, None)
        looks[f"s{s}"] = Look(f"s{s}", "valkey", reading, Health(Link.LIVE, NOW))
    told = Exposition(lambda: looks, lambda _: None)

    async def whole() -> None:
        await written(await told.families(), openmetrics=True)

    def longest() -> float:
        """CPU milliseconds of the longest turn the loop gave it."""
        steps, work = [], whole()
        with contextlib.suppress(StopIteration):
            while True:
                began = time.process_time()
                work.send(None)
                steps.append((time.process_time() - began) * 1000)
        return max(steps)

    asyncio.run(whole())
    registry = CollectorRegistry()
    registry.register(Same())  # type: ignore[arg-type]
    theirs = cpu(lambda: generate_latest(registry))
    row("write /metrics, 5 400 samples", cpu(lambda: asyncio.run(whole())), "ms", 20, "library", theirs)
    row("the longest turn of it on the loop", statistics.median(longest() for _ in range(ROUNDS)), "ms", 10)


def rules() -> None:
    """One tick of a thousand rules."""
    plans = [mon_promql.parse(mon_promql.SHAPES[n % 5].format(n=n)) for n in range(mon_promql.RULES)]
    shelf = mon_promql.recorded()
    at = mon_promql.BEGIN + (mon_promql.SCRAPES - 1) * mon_promql.EVERY
    took = [mon_promql.tick(plans, shelf, at + n) * 1000 for n in range(5)]
    row("1 000 rules x 10 series, one tick", statistics.median(took), "ms", 400)


async def readings(folder: str) -> None:
    """The frames of eight topics at 1 Hz, a host's own among them, and how many bytes samples take."""
    store, then = Store.open(str(Path(folder, "frames.sqlite")), "bench"), Then(NOW)
    host, log = Host("host", HostOptions()), FrameLog(store, then.clock, 1 << 30)
    await host.open()
    facts = []
    for _ in range(20):
        reading = await host.read()
        assert isinstance(reading.facts, HostReading)
        facts.append(reading.facts)
        await asyncio.sleep(0.05)
    await host.close()
    began = time.process_time()
    for second in range(SECONDS):
        then.at = NOW + second
        view = HostView("host", then.at, facts[second % len(facts)])
        for topic in range(TOPICS):
            report = ResourcesReport((view,), ())
            log.record(Frame(f"topic{topic}", then.at, report, {}, seen=then.at))
        await log.tick()
    share = (time.process_time() - began) / SECONDS * 100
    row("frames of 8 hosts' reports at 1 Hz", share, "% of a core", 0.3)
    await store.close()
    store = Store.open(str(Path(folder, "history.sqlite")), "bench")
    history = await fill(store, Then(NOW), 0.9, 1.0, tuple(KINDS))
    await history.flush()
    rows = await asyncio.wrap_future(
        store.read(lambda d: d.query("SELECT sum(length(data)) FROM perftui_chunk"))
    )
    row("bytes a sample as read, 12 noisy series", rows[0][0] / (0.9 * 86400 * 12), "bytes", 1.6)
    await store.close()


def main() -> None:
    """All of them."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    parse()
    write()
    rules()
    judged, trees = mon_anomaly.cost(20_000)
    row("a point judged", judged, "us", 5)
    row("a point judged, with trees", judged + trees, "us", 40)
    with tempfile.TemporaryDirectory(prefix="perftui-bench-") as folder:
        asyncio.run(readings(folder))


if __name__ == "__main__":
    main()
