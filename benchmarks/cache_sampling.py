"""What the live miss ratio curve and re-use cost: hits of L1 with and without them, at several loads.

    python -m benchmarks.cache_sampling

Figures are CPU nanoseconds a hit, medians of interleaved rounds, with everything that a round brings: marked
uses, their way into the curve and into re-use, points and sketches. A round is a stretch of hits of
zipf-chosen keys; between two rounds the cache's clock goes on by what that many hits take at the load named.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time

from perftui.instrument.cache import Cache
from perftui.instrument.cache.reuse import Reuse
from perftui.instrument.cache.sampling import KEYS as SAMPLED
from perftui.instrument.cache.sampling import PERIOD, TAKEN

ROUNDS = 41
HITS = 100_000
KEYS = 5000
LOADS = (1_000, 10_000, 100_000, 1_000_000)  # hits a second


class Clock:
    """Turned by hand, so that a load is what it is said to be."""

    at = 1e9

    def monotonic(self) -> float:
        """Seconds."""
        return self.at

    time = monotonic


async def measured(per_s: int) -> tuple[float, float, float]:
    """Nanoseconds a hit without and with the curve, and the rate of its sample."""
    keys = [f"product:{n}" for n in range(KEYS)]
    chance = random.Random(per_s)
    stream = chance.choices(keys, [1 / (n + 1) ** 0.9 for n in range(KEYS)], k=HITS)
    clocks, caches = (Clock(), Clock()), []
    for clock, curve in zip(clocks, (False, True), strict=True):
        cache = Cache("bench", l1=2 * KEYS, clock=clock, curve=curve)
        caches.append(cache)
        for key in keys:
            await cache.set(key, key, ttl=None)
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for clock, cache, times in zip(clocks, caches, taken, strict=True):
            times.append(_round(cache, clock, stream, per_s))
    found = caches[1].stats().curve
    for cache in caches:
        await cache.close()
    without, having = (statistics.median(times[ROUNDS // 4 :]) for times in taken)
    return without, having, found.rate if found is not None else 0.0


def _round(cache: Cache, clock: Clock, stream: list[str], per_s: int) -> float:
    """CPU nanoseconds a hit of one stretch; `stats()` is called each two seconds of its clock."""
    peek, each = cache.peek, min(HITS, 2 * per_s)
    began = time.process_time_ns()
    for start in range(0, HITS, each):
        for key in stream[start : start + each]:
            peek(key)
        clock.at += each / per_s
        cache.stats()
    return (time.process_time_ns() - began) / HITS


def reuse() -> tuple[float, float, int]:
    """CPU microseconds of re-use for a sampled use, for both sketches, and their bytes; after an hour."""
    chance, made = random.Random(1), Reuse()
    keys = [chance.getrandbits(62) for _ in range(SAMPLED)]
    weights = [1 / (n + 1) ** 0.9 for n in range(SAMPLED)]
    looks = [chance.choices(keys, weights, k=TAKEN) for _ in range(int(3600 / PERIOD))]
    began = time.process_time_ns()
    for number, uses in enumerate(looks):
        made.visited(uses, number * PERIOD, (number + 1) * PERIOD)
    used = time.process_time_ns() - began
    began = time.process_time_ns()
    for _ in range(100):
        packed = made.packed(3600.0)
    drawn = time.process_time_ns() - began
    return used / 1e3 / len(looks) / TAKEN, drawn / 1e3 / 100, sum(map(len, packed.values()))


async def main() -> None:
    """Print a row a load, and what re-use takes by itself."""
    print("| hits/s | ns a hit without | with | more | rate of the sample |\n|---|---|---|---|---|")
    for per_s in LOADS:
        without, having, rate = await measured(per_s)
        more = having / without - 1
        share = f"{rate:.4f}" if rate else "no curve"
        print(f"| {per_s:,} | {without:.0f} | {having:.0f} | {more:+.1%} | {share} |")
    use, drawn, size = reuse()
    print(f"re-use: {use:.2f} µs a sampled use, {drawn:.0f} µs for both sketches, {size:,} bytes")


if __name__ == "__main__":
    asyncio.run(main())
