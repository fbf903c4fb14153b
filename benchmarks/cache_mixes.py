"""Streams of keys as caches meet them, generated with fixed seeds: what is the same in every run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, islice
from typing import Final

POPULAR: Final = 20_000
LOOP: Final = 4_000
SCAN: Final = 5_000

Stream = Iterator[str]


def zipf(skew: float, seed: int, popular: int = POPULAR) -> Iterator[int]:
    """Ranks from 0, the n-th asked for in proportion to 1/n**skew, without end."""
    chance = random.Random(seed)
    weights = list(accumulate(1 / (n + 1) ** skew for n in range(popular)))
    ranks = range(popular)
    while True:
        yield from chance.choices(ranks, cum_weights=weights, k=10_000)


def steady(skew: float, seed: int) -> Stream:
    """Popularity that stays."""
    return (f"k{rank}" for rank in zipf(skew, seed))


def drifting(seed: int) -> Stream:
    """Each 25 accesses the most popular key falls to the end and all others rise by one."""
    return (f"k{(rank + at // 25) % POPULAR}" for at, rank in enumerate(zipf(1.0, seed)))


def scanned(seed: int) -> Stream:
    """A scan of 5,000 keys, never seen again, after each 15,000 accesses."""
    popular, seen = steady(1.0, seed), 0
    while True:
        yield from islice(popular, 15_000)
        yield from (f"s{n}" for n in range(seen, seen + SCAN))
        seen += SCAN


def looped(seed: int) -> Stream:
    """Every second access goes round 4,000 keys in order."""
    for at, key in enumerate(steady(1.0, seed)):
        yield key
        yield f"l{at % LOOP}"


def wonders(seed: int) -> Stream:
    """Three accesses of ten are of keys that never come again."""
    chance = random.Random(seed)
    for at, key in enumerate(steady(1.0, seed + 1)):
        yield f"once{at}" if chance.random() < 0.3 else key


MIXES: Final[Mapping[str, Callable[[], Stream]]] = {
    "zipf 0.8": lambda: steady(0.8, 11),
    "zipf 0.9": lambda: steady(0.9, 12),
    "zipf 1.0": lambda: steady(1.0, 13),
    "zipf 1.1": lambda: steady(1.1, 14),
    "zipf 1.2": lambda: steady(1.2, 15),
    "drift": lambda: drifting(16),
    "scans": lambda: scanned(17),
    "loops": lambda: looped(18),
    "one-hit wonders": lambda: wonders(19),
}


def mix(name: str, accesses: int) -> list[str]:
    """The first accesses of one."""
    return list(islice(MIXES[name](), accesses))
