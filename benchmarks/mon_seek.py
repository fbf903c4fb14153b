"""How long a step into the past takes: months of frames of eight topics, read cold at random instants.

python -m benchmarks.mon_seek [DAYS]

Frames and samples are written and folded by the code that does it in a running console, with the clock
put forward: what is there after 90 days is what would be there.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pasts import NOW, Then
from perftui.model.auditlog import AuditReport
from perftui.model.frame import Frame
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.framelog import DAY, KEEP, STEPS
from perftui.runtime.memory import Memory

TOPICS = ("resources", "cache", "cdn", "database", "autoscaling", "profiler", "optimization", "alerts")
BODY = 10_000  # bytes of a report, as of a database under load
SEEKS = 200
KEYS = tuple(SeriesKey("bench", f"series_{n}") for n in range(4))


def body(rng: random.Random) -> str:
    same = "statement of an application, calls, rows, mean seconds " * (BODY // 60)
    return same + "".join(f"{rng.random():.4f} " for _ in range(200))


def steps(age: float) -> tuple[float, float]:
    """Seconds between frames, and between samples, of that age: what a level keeps, or a little more."""
    frames = next((step for step, keep in zip(STEPS, KEEP, strict=True) if age < keep), STEPS[-1])
    return frames, 10.0 if age < 7 * DAY else 60.0


async def fill(memory: Memory, days: float, then: Then) -> int:
    """Frames and samples of so many days up to now; how many frames were written."""
    rng, at, next_frame, count = random.Random(1), NOW - days * DAY, 0.0, 0
    texts = [body(rng) for _ in range(50)]
    while at < NOW:
        frames, samples = steps(NOW - at)
        if at >= next_frame:
            next_frame = at + frames
            for topic in TOPICS:
                memory.frames.record(Frame(topic, at, AuditReport((), texts[count % 50]), {}, seen=at))
                count += 1
        memory.history.record(Reading("bench", at, 0.0, tuple(Measure(key, at % 60) for key in KEYS), None))
        then.at = at
        if len(memory.frames.pending) > 300:
            await memory.frames.tick()
        if int(at) % 3600 < samples:
            await memory.history.tick()
        at += min(frames, samples)
    then.at = NOW
    await memory.frames.flush()
    await memory.history.flush()
    return count


def seeks(memory: Memory, days: float) -> list[float]:
    """Seconds of each of the seeks into so many days, sorted."""
    took, rng = [], random.Random(2)
    for _ in range(SEEKS):
        at = NOW - rng.random() * days * DAY
        began = time.perf_counter()
        frames = [memory.past.frame(topic, at) for topic in TOPICS]
        charts = [frames[0].window(key, 900.0) for key in KEYS]
        took.append(time.perf_counter() - began)
        assert all(frame.report is not None for frame in frames)
        assert all(len(chart) for chart in charts)
    return sorted(took)


async def main() -> None:
    """Fill a store, then look into the last day and into all of it."""
    days = float(sys.argv[1]) if len(sys.argv) > 1 else 90.0
    with tempfile.TemporaryDirectory() as folder:
        path, then = Path(folder) / "store.sqlite", Then(NOW - days * DAY)
        memory = Memory(str(path), "bench", then.clock, 1 << 40)
        count = await fill(memory, days, then)
        size = path.stat().st_size + Path(f"{path}-wal").stat().st_size
        print(f"{count:,} frames written over {days:g} d, {memory.history.folded} windows folded")
        print(f"{size / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}")
        for within, target in ((1.0, 0.1), (days, 0.3)):
            took = seeks(memory, min(within, days))
            middle, late = statistics.median(took), took[int(len(took) * 0.95)]
            print(f"within {within:g} d, {len(TOPICS)} topics and {len(KEYS)} charts: ", end="")
            print(
                f"median {middle * 1e3:.1f} ms, p95 {late * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms",
                end="",
            )
            print(f"; p95 <= {target * 1e3:g} ms: {'met' if late <= target else 'MISSED'}")
        await memory.close({}, 10.0)


if __name__ == "__main__":
    asyncio.run(main())
