"""Histograms of durations: quantiles inside buckets, merging, and what was added since last time.

Quantiles follow Prometheus' `histogram_quantile`
(https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative counts at ascending upper bounds; the last bound is infinite, else there is no total."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def count(self) -> float:
        """Observations in all buckets."""
        return self.counts[-1] if self.counts else 0.0

    def quantile(self, q: float) -> float:
        """`histogram_quantile` of this histogram."""
        return histogram_quantile(q, self.bounds, self.counts)

    def per_bucket(self) -> tuple[tuple[float, float], ...]:
        """(upper bound, observations in that bucket alone)."""
        rising = accumulate(self.counts, max)
        before = 0.0
        cells: list[tuple[float, float]] = []
        for bound, count in zip(self.bounds, rising, strict=True):
            cells.append((bound, count - before))
            before = count
        return tuple(cells)


def histogram_quantile(q: float, bounds: Sequence[float], counts: Sequence[float]) -> float:
    """The q-quantile of cumulative counts, linear inside its bucket.

    0 is the lower edge of the first bucket if its bound is positive; in the infinite bucket the
    second-highest bound is returned; NaN without an infinite bound, with fewer than two buckets or no
    observations; -inf and +inf for q outside 0-1. Counts that fall are raised to the ones before.
    """
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    if len(bounds) < 2 or bounds[-1] != math.inf:
        return math.nan
    rising = list(accumulate(counts, max))
    if not rising[-1] > 0:
        return math.nan
    rank = q * rising[-1]
    at = bisect_left(rising, rank)
    if at >= len(bounds) - 1:
        return bounds[-2]
    upper = bounds[at]
    if at == 0 and upper <= 0:
        return upper
    lower, below = (bounds[at - 1], rising[at - 1]) if at else (0.0, 0.0)
    inside = rising[at] - below
    if not inside:  # only q = 0 over an empty first bucket: Prometheus divides 0 by 0 there
        return math.nan
    return lower + (upper - lower) * ((rank - below) / inside)


def added(now: Histogram, before: Histogram | None) -> Histogram:
    """What was observed between two looks at a counter histogram; never negative.

    A histogram that fell was reset: all it holds now came after. With none before, or with other
    bounds, nothing can be told and the difference is empty.
    """
    if before is None or before.bounds != now.bounds:
        return Histogram(now.bounds, (0.0,) * len(now.bounds))
    if any(n < b for n, b in zip(now.counts, before.counts, strict=True)):
        return now
    return Histogram(now.bounds, tuple(n - b for n, b in zip(now.counts, before.counts, strict=True)))


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """All observations together, on the bounds that every one of them has.

    Cumulative counts add exactly at shared bounds; a bound only some have would be a guess.
    """
    parts = list(histograms)
    if not parts:
        return Histogram((), ())
    if len(parts) == 1:
        return parts[0]
    if all(p.bounds == parts[0].bounds for p in parts):
        return Histogram(parts[0].bounds, tuple(map(sum, zip(*(p.counts for p in parts), strict=True))))
    shared = sorted(set(parts[0].bounds).intersection(*(p.bounds for p in parts[1:])))
    at = [dict(zip(p.bounds, p.counts, strict=True)) for p in parts]
    return Histogram(tuple(shared), tuple(sum(p[bound] for p in at) for bound in shared))


def increase(now: float, before: float | None) -> float:
    """What a counter gained; after a reset, all it holds; 0 when there is no look before."""
    if before is None:
        return 0.0
    return now - before if now >= before else now
