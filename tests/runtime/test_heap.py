"""What was let go of leaves the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from perftui.runtime import heap

HELD = """
import threading
from pathlib import Path
from perftui.runtime import heap

size = {size}

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def fill():
    # one that stays after the many that go: glibc keeps what lies below it
    return [b"x" * size for _ in range(800)], b"x" * size

if {few}:
    heap.few_arenas()
many, last = fill()
full = resident()
many.clear()
kept = resident()
heap.trim()
print(full, kept, resident())
barrier = threading.Barrier(9)

def work():
    b"x" * size
    barrier.wait()
    barrier.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
barrier.wait()
heaps = Path("/proc/self/maps").read_text().count("---p 00000000 00:00 0")
barrier.wait()
print(heaps)
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")


def run(*, few: bool, size: int = 60_000) -> tuple[list[int], int]:
    done = subprocess.run(
        [sys.executable, "-c", HELD.format(few=few, size=size)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [int(word) for word in done[0].split()], int(done[1])


@linux
def test_trimming_gives_back_what_lies_below_something_kept() -> None:
    (full, kept, trimmed), _ = run(few=True)
    assert full > 45e6
    assert full - trimmed > 40e6
    assert kept >= trimmed


@linux
def test_threads_share_few_heaps() -> None:
    assert run(few=True)[1] < run(few=False)[1]


async def test_it_is_done_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    done = asyncio.Event()
    monkeypatch.setattr(heap, "trim", done.set)
    task = asyncio.create_task(heap.tidy(0.001))
    await asyncio.wait_for(done.wait(), 5.0)
    task.cancel()


@linux
def test_a_large_block_has_pages_of_its_own_and_leaves_when_it_is_freed():
    (full, kept, _), _ = run(few=False, size=100_000)
    assert full - kept < 40_000_000  # of 80 million let go of
    (full, kept, _), _ = run(few=True, size=100_000)
    assert full - kept > 72_000_000
