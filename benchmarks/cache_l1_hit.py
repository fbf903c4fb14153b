"""Hits of L1 with a TTL beside other memories: CPU of one, and what an entry takes.

    PEERS/bin/python -m benchmarks.cache_l1_hit [--rounds 7] [--calls 200000]

To be run by a Python that has requirements/cache-peers.txt; what it lacks is left out. Keys are asked for
uniformly among 10,000 that are all there. Figures: CPU nanoseconds a hit with the loop around it, median of
interleaved rounds; bytes an entry by what 200,000 of them add to a process of their own, without the key's
text and the value.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from benchmarks.contest import Target, table, verdict

KEYS = 10_000
STORED = 200_000
TTL = 300.0
VALUE = b"v" * 64

Get = Callable[[str], Any]


def ours(keys: Sequence[str]) -> Get:
    """`Cache.peek`, S3-FIFO with a TTL."""
    from perftui.instrument.cache import Cache

    cache = Cache("bench", l1=len(keys))

    async def fill() -> None:
        for key in keys:
            await cache.set(key, VALUE, ttl=TTL)

    asyncio.run(fill())
    return cache.peek


def cachebox_lru(keys: Sequence[str]) -> Get:
    """Cachebox in Rust, LRU without a TTL."""
    import cachebox

    return filled(cachebox.LRUCache(len(keys)), keys)


def cachebox_ttl(keys: Sequence[str]) -> Get:
    """The same with a TTL for all."""
    import cachebox

    return filled(cachebox.TTLCache(len(keys), TTL), keys)


def cachetools_ttl(keys: Sequence[str]) -> Get:
    """Cachetools in Python, a TTL for all."""
    import cachetools

    return filled(cachetools.TTLCache(len(keys), TTL), keys)


def moka(keys: Sequence[str]) -> Get:
    """Moka in Rust, TinyLFU with a TTL for all."""
    from moka_py import Moka

    cache: Any = Moka(capacity=len(keys) * 5 // 4, ttl=TTL)
    for key in keys:
        cache.set(key, VALUE)
    return cache.get  # type: ignore[no-any-return]


def theine(keys: Sequence[str]) -> Get:
    """Theine in Python, W-TinyLFU with a TTL each."""
    from theine import Cache

    cache: Any = Cache(len(keys) * 5 // 4)
    for key in keys:
        cache.set(key, VALUE, timedelta(seconds=TTL))
    return cache.get  # type: ignore[no-any-return]


def filled(cache: Any, keys: Sequence[str]) -> Get:
    """A mapping with all keys in it; its `get`."""
    for key in keys:
        cache[key] = VALUE
    return cache.get  # type: ignore[no-any-return]


CONTESTANTS: dict[str, tuple[str, Callable[[Sequence[str]], Get]]] = {
    "ours": ("perftui", ours),
    "cachebox, LRU without TTL": ("cachebox", cachebox_lru),
    "cachebox, TTL": ("cachebox", cachebox_ttl),
    "moka-py": ("moka_py", moka),
    "theine": ("theine", theine),
    "cachetools, TTL": ("cachetools", cachetools_ttl),
}


def present() -> list[str]:
    """Those whose package is here."""
    here = []
    for name, (package, _) in CONTESTANTS.items():
        try:
            importlib.import_module(package)
        except ImportError:
            print(f"{name}: no {package} here, left out", file=sys.stderr)
        else:
            here.append(name)
    return here


def hits(get: Get, asked: Sequence[str]) -> float:
    """CPU nanoseconds a call."""
    began = time.process_time_ns()
    for key in asked:
        get(key)
    return (time.process_time_ns() - began) / len(asked)


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def weigh(name: str) -> float:
    """Bytes an entry, in this process: to be the first that is done in it."""
    make = CONTESTANTS[name][1]
    make(["warm"])
    keys = [f"key:{n}" for n in range(STORED)]
    gc.collect()
    before = resident()
    held = make(keys)
    gc.collect()
    grown = resident() - before
    assert held(keys[0])
    return grown / STORED


def weighed(name: str) -> float:
    """The same, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cache_l1_hit", "--weigh", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--weigh", choices=CONTESTANTS, help="print only the bytes an entry of one takes")
    said = parser.parse_args()
    if said.weigh:
        print(weigh(said.weigh))
        return
    keys = [f"key:{n}" for n in range(KEYS)]
    asked = random.Random(7).choices(keys, k=said.calls)
    gets = {name: CONTESTANTS[name][1](keys) for name in present()}
    took: dict[str, list[float]] = {name: [] for name in gets}
    for name, get in gets.items():
        assert all(get(key) for key in keys), f"{name} lost some"
    for _ in range(said.rounds):
        for name, get in gets.items():
            took[name].append(hits(get, asked))
    ns = {name: statistics.median(rounds) for name, rounds in took.items()}
    size = {name: weighed(name) for name in gets}
    rows = [(name, f"{ns[name]:.0f}", f"{ns['ours'] / ns[name]:.2f}", f"{size[name]:.0f}") for name in ns]
    table(("memory", "CPU ns a hit", "ours, of its time", "bytes an entry"), rows)
    verdict(targets(ns, size["ours"]))


def targets(ns: dict[str, float], size: float) -> list[Target]:
    """What the specification wants."""
    wanted = {"moka-py": 0.7, "theine": 0.35, "cachetools, TTL": 0.3}
    rows = []
    for name, most in wanted.items():
        if name in ns:
            share = ns["ours"] / ns[name]
            rows.append(Target(f"of the time of {name}", f"{share:.2f}", f"{most:g}", share <= most))
    return [*rows, Target("bytes an entry", f"{size:.0f}", "200", size <= 200)]


if __name__ == "__main__":
    main()
