"""What L1 hits of what could be hit, beside other memories and the optimum, on generated mixes.

    PEERS/bin/python -m benchmarks.cache_hit_ratio [--accesses 100000] [--trace FILE]

To be run by a Python that has requirements/cache-peers.txt; what it lacks is left out. Sizes are 2 % and 10 %
of the distinct keys. Figures are shares of the optimum's hits (Belady with bypass). `--trace` adds one that
was recorded (perftui/analysis/accesstrace). Streams are the same in every run, and text hashes alike.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cache_l1_hit import present
from benchmarks.cache_mixes import MIXES, mix
from benchmarks.contest import Target, table, verdict
from perftui.analysis import belady
from perftui.analysis.accesstrace import read
from perftui.analysis.policies import Arc
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.memory import Memory

SHARES = (0.02, 0.10)
TINY = 100  # entries: below, LRU may be ahead

Access = Callable[[str], bool]


def ours(room: int, policy: str = "s3fifo") -> Access:
    """L1 as the library has it."""
    memory = Memory(room, policy=policy)

    def access(key: str) -> bool:
        if memory.get(key) is not None:
            return True
        memory.put(key, Entry(1))
        return False

    return access


def mapping(cache: Any) -> Access:
    """A cache that is a mapping."""
    get = cache.get

    def access(key: str) -> bool:
        if get(key) is not None:
            return True
        cache[key] = 1
        return False

    return access


def cachebox_lru(room: int) -> Access:
    """cachebox, LRU."""
    import cachebox

    return mapping(cachebox.LRUCache(room))


def cachebox_lfu(room: int) -> Access:
    """cachebox, LFU."""
    import cachebox

    return mapping(cachebox.LFUCache(room))


def cachetools_lru(room: int) -> Access:
    """cachetools, LRU."""
    import cachetools

    return mapping(cachetools.LRUCache(room))


def moka(room: int) -> Access:
    """moka, TinyLFU."""
    from moka_py import Moka

    cache: Any = Moka(capacity=room)

    def access(key: str) -> bool:
        if cache.get(key) is not None:
            return True
        cache.set(key, 1)
        return False

    return access


def theine(room: int) -> Access:
    """theine, W-TinyLFU."""
    from theine import Cache

    cache: Any = Cache(room)

    def access(key: str) -> bool:
        if cache.get(key)[1]:
            return True
        cache.set(key, 1, timedelta(hours=1))
        return False

    return access


POLICIES: dict[str, tuple[str, Callable[[int], Access]]] = {
    "ours": ("ours", ours),
    "ours, lru": ("ours", lambda room: ours(room, "lru")),
    "ARC": ("ours", lambda room: Arc(room).access),
    "cachebox LRU": ("cachebox, TTL", cachebox_lru),
    "cachebox LFU": ("cachebox, TTL", cachebox_lfu),
    "moka-py": ("moka-py", moka),
    "theine": ("theine", theine),
    "cachetools LRU": ("cachetools, TTL", cachetools_lru),
}


class Row(NamedTuple):
    """One mix at one size: ratios of hits, 0 to 1."""

    mix: str
    room: int
    optimum: float
    ratios: dict[str, float]

    def share(self, name: str) -> float:
        """Of the optimum's hits."""
        return self.ratios[name] / self.optimum if self.optimum else 1.0


def measure(name: str, keys: Sequence[str], policies: Sequence[str]) -> Iterator[Row]:
    """One row a size."""
    after, distinct = belady.next_uses(keys), len(set(keys))
    for size in SHARES:
        room = max(1, round(distinct * size))
        best = sum(belady.hits(keys, room, after)) / len(keys)
        ratios = {}
        for policy in policies:
            access = POLICIES[policy][1](room)
            ratios[policy] = sum(map(access, keys)) / len(keys)
        yield Row(f"{name}, {size:.0%}", room, best, ratios)


def show(rows: Sequence[Row], policies: Sequence[str]) -> None:
    """The table with means and worsts, and the targets."""
    shares = {name: [row.share(name) for row in rows] for name in policies}
    lines: list[list[str]] = [
        [row.mix, f"{row.optimum:.3f}", *(f"{row.share(name):.3f}" for name in policies)] for row in rows
    ]
    lines.append(["mean", "", *(f"{statistics.mean(shares[name]):.3f}" for name in policies)])
    lines.append(["worst", "", *(f"{min(shares[name]):.3f}" for name in policies)])
    table(("mix, size", "optimum hits", *policies), lines)
    mean, worst = statistics.mean(shares["ours"]), min(shares["ours"])
    behind = {
        row.mix: 100 * (row.ratios["ours, lru"] - row.ratios["ours"]) for row in rows if row.room > TINY
    }
    most = max(behind, key=lambda name: behind[name])
    verdict(
        (
            Target("mean share of the optimum", f"{mean:.3f}", "0.87", mean >= 0.87),
            Target("worst share", f"{worst:.3f}", "0.62", worst >= 0.62),
            Target(
                f"most behind LRU, points of hit ratio ({most})",
                f"{behind[most]:.1f}",
                "2",
                behind[most] <= 2,
            ),
        )
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accesses", type=int, default=100_000)
    parser.add_argument("--trace", type=Path, help="a recorded trace to add")
    said = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        again = [sys.executable, "-m", "benchmarks.cache_hit_ratio", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, "PYTHONHASHSEED": "0"})
    here = present()
    policies = [name for name, (needs, _) in POLICIES.items() if needs in here]
    streams = {name: mix(name, said.accesses) for name in MIXES}
    if said.trace:
        streams[said.trace.stem] = [str(key) for key in read(said.trace.read_bytes()).keys]
    show([row for name, keys in streams.items() for row in measure(name, keys, policies)], policies)


if __name__ == "__main__":
    main()
