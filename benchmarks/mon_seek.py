"""How long a step into the past takes: 24 hours of frames of eight topics, read cold at random instants.

.venv/bin/python benchmarks/mon_seek.py [HOURS]
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from perftui.model.auditlog import AuditReport
from perftui.model.frame import Frame
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.framelog import KEEP, STEPS
from perftui.runtime.memory import Memory

TOPICS = ("resources", "cache", "cdn", "database", "autoscaling", "profiler", "optimization", "alerts")
BODY = 10_000  # bytes of a report, as of a database under load
SEEKS = 200
KEYS = tuple(SeriesKey("bench", f"series_{n}") for n in range(4))


def body(rng: random.Random) -> str:
    same = "statement of an application, calls, rows, mean seconds " * (BODY // 60)
    return same + "".join(f"{rng.random():.4f} " for _ in range(200))


async def fill(memory: Memory, hours: float, now: float) -> int:
    rng, at, count = random.Random(1), now - hours * 3600.0, 0
    texts = [body(rng) for _ in range(50)]
    while at < now:
        step = STEPS[0] if now - at < KEEP[0] else STEPS[1]
        for topic in TOPICS:
            memory.frames.record(Frame(topic, at, AuditReport((), texts[count % 50]), {}, seen=at))
            count += 1
        memory.history.record(Reading("bench", at, 0.0, tuple(Measure(key, at % 60) for key in KEYS), None))
        if len(memory.frames.pending) > 300:
            await memory.frames.flush()
            await memory.history.tick()
        at += step
    await memory.frames.flush()
    await memory.history.flush()
    return count


async def main() -> None:
    hours, now = float(sys.argv[1]) if len(sys.argv) > 1 else 24.0, time.time()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        memory = Memory(str(path), "bench", Clock(), 1 << 40)
        count = await fill(memory, hours, now)
        size = path.stat().st_size + Path(f"{path}-wal").stat().st_size
        took, rng = [], random.Random(2)
        for _ in range(SEEKS):
            at = now - rng.random() * hours * 3600.0
            began = time.perf_counter()
            frames = [memory.past.frame(topic, at) for topic in TOPICS]
            charts = [frames[0].window(key, 900.0) for key in KEYS]
            took.append(time.perf_counter() - began)
            assert all(frame.report is not None for frame in frames)
            assert all(len(chart) for chart in charts)
        await memory.close({}, 10.0)
    took.sort()
    print(f"{count:,} frames over {hours:g} h: {size / 1e6:.0f} MB, {size / count:.0f} B a frame")
    middle, late = statistics.median(took), took[int(len(took) * 0.95)]
    print(f"seek, {len(TOPICS)} topics and {len(KEYS)} charts: median {middle * 1e3:.1f} ms")
    print(f"p95 {late * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms")


asyncio.run(main())
