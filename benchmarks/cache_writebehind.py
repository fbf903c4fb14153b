"""How quickly write-behind acknowledges, with a journal in a file and in memory, by callers at once.

    python -m benchmarks.cache_writebehind

The database is a writer that does nothing, so that the figures are those of acknowledging.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from perftui.instrument.cache.journal import FileJournal, Journal
from perftui.instrument.cache.ports import Write
from perftui.instrument.cache.writebehind import WriteBehind

WRITES = 4000
VALUE = {"id": 7, "name": "a product", "text": "x" * 900}


class Nowhere:
    """A database that takes all at once."""

    async def write(self, items: Sequence[Write]) -> None:
        """Nothing to do."""


async def run(journal: Journal | None, callers: int, writes: int) -> tuple[float, float, float]:
    """Acknowledged writes a second, and the median and 99th percentile of their milliseconds."""
    behind = WriteBehind(Nowhere(), journal)
    await behind.start()
    took: list[float] = []

    async def caller(number: int) -> None:
        for n in range(writes // callers):
            began = time.perf_counter()
            await behind.put(f"{number}:{n}", VALUE)
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    rate = len(took) / (time.perf_counter() - began)
    await behind.close()
    took.sort()
    return rate, statistics.median(took), took[int(len(took) * 0.99)]


def fsync_ms(folder: Path) -> float:
    """The median milliseconds of one fsync of a page here."""
    took = []
    with (folder / "probe").open("wb") as file:
        for _ in range(100):
            file.write(b"\0" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"one fsync here: {fsync_ms(folder):.2f} ms")
        print("| journal | callers | acknowledged/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
        for callers in (1, 16, 64, 256):
            for what in ("file", "memory"):
                journal = FileJournal(folder / f"{callers}.db") if what == "file" else None
                writes = WRITES if callers > 1 else WRITES // 8
                rate, p50, p99 = await run(journal, callers, writes)
                print(f"| {what} | {callers} | {rate:,.0f} | {p50:.2f} | {p99:.2f} |")


if __name__ == "__main__":
    asyncio.run(main())
