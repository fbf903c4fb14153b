"""Whether two samples differ beyond noise: a rank test, since latencies and rates are never normal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

EXACT = 12  # of each sample, at most: above it the normal approximation errs less than a tenth of p
SURE = 0.01
FAR = 0.33  # Cliff's delta that is called a medium effect (Romano and others, 2006)


@dataclass(frozen=True, slots=True)
class RankTest:
    """Mann-Whitney: `u` of the second sample, two-sided `p`, and `delta`, Cliff's, from -1 to 1.

    `delta` is the probability that a value of the second sample is above one of the first, less
    the probability that it is below.
    """

    u: float
    p: float
    delta: float

    @property
    def beyond_noise(self) -> bool:
        """Whether the samples differ surely and by more than a little."""
        return self.p < SURE and abs(self.delta) >= FAR


def mann_whitney(before: Sequence[float], after: Sequence[float]) -> RankTest:
    """The test of whether `after` lies higher or lower; p is 1 where either is empty.

    Exact for small samples without ties, else by the normal approximation with correction for ties
    and continuity.
    """
    n, m = len(before), len(after)
    if not n or not m:
        return RankTest(0.0, 1.0, 0.0)
    ranks, ties = _ranks([*before, *after])
    u = sum(ranks[n:]) - m * (m + 1) / 2
    delta = 2 * u / (n * m) - 1
    if not ties and max(n, m) <= EXACT:
        return RankTest(u, _exact(int(u), n, m), delta)
    return RankTest(u, _approximate(u, n, m, ties), delta)


def _ranks(values: Sequence[float]) -> tuple[list[float], list[int]]:
    """Ranks from 1, ties sharing their mean, and the sizes of the ties."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, ties, done = [0.0] * len(values), [], 0
    for _, group in groupby(order, key=values.__getitem__):
        same = list(group)
        for place in same:
            ranks[place] = done + (len(same) + 1) / 2
        ties += [len(same)] if len(same) > 1 else []
        done += len(same)
    return ranks, ties


def _exact(u: int, n: int, m: int) -> float:
    """Two-sided p from the distribution of U itself."""
    ways = _ways(n, m)
    total = math.comb(n + m, n)
    tail = sum(number for value, number in ways.items() if value <= min(u, n * m - u))
    return min(1.0, 2 * tail / total)


@cache
def _ways(n: int, m: int) -> Counter[int]:
    """How many orders of n and m values have each U: the largest value belongs to one or the other."""
    if not n or not m:
        return Counter({0: 1})
    ways = Counter({value + n: number for value, number in _ways(n, m - 1).items()})
    ways.update(_ways(n - 1, m))
    return ways


def _approximate(u: float, n: int, m: int, ties: Sequence[int]) -> float:
    total = n + m
    lost = sum(size**3 - size for size in ties) / (total * (total - 1))
    variance = n * m / 12 * (total + 1 - lost)
    if variance <= 0:  # all values are the same
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return min(1.0, math.erfc(z / math.sqrt(2)))
