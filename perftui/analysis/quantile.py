"""Histograms and sketches of durations: quantiles, merging, and what was added since last time.

Quantiles follow Prometheus' `histogram_quantile`
(https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile).
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

ERROR: Final = 0.01  # of a sketch's quantile, as a share of its value
MOST_BUCKETS: Final = 2048
SMALLEST, LARGEST = 1e-12, 1e300
_GROWTH: Final = (1 + ERROR) / (1 - ERROR)
_PER_LOG: Final = 1 / math.log(_GROWTH)
LOWEST, HIGHEST = (math.ceil(math.log(edge) * _PER_LOG) for edge in (SMALLEST, LARGEST))


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


class Sketch:
    """Quantiles of positive numbers within 1 % of their value, mergeable without loss.

    DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019): buckets grow by (1+a)/(1-a). Beyond MOST_BUCKETS the
    lowest are put together, so that high quantiles stay right. Zero and less count as zero.
    """

    __slots__ = ("buckets", "count", "total", "zeros")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.zeros = 0
        self.count = 0
        self.total = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """See a value; what is no finite number is passed over."""
        if not -math.inf < value < math.inf:
            return
        self.count += times
        self.total += max(0.0, value) * times
        if value <= SMALLEST:
            self.zeros += times
            return
        at = math.ceil(math.log(min(value, LARGEST)) * _PER_LOG)
        self.buckets[at] = self.buckets.get(at, 0) + times
        if len(self.buckets) > MOST_BUCKETS:
            self._collapse()

    def merge(self, other: Sketch) -> None:
        """See all the other has seen."""
        for at, times in other.buckets.items():
            self.buckets[at] = self.buckets.get(at, 0) + times
        self.zeros += other.zeros
        self.count += other.count
        self.total += other.total
        if len(self.buckets) > MOST_BUCKETS:
            self._collapse()

    def since(self, before: Sketch) -> Sketch:
        """What was seen after `before`, an earlier state of this one; all of it where it is none."""
        gained = {at: n - before.buckets.get(at, 0) for at, n in self.buckets.items()}
        zeros = self.zeros - before.zeros
        lost = before.buckets.keys() - self.buckets.keys()  # the lowest were put together meanwhile
        if lost or zeros < 0 or min(gained.values(), default=0) < 0:
            return self
        left = Sketch()
        left.buckets = {at: n for at, n in gained.items() if n}
        left.zeros, left.count = zeros, zeros + sum(gained.values())
        left.total = max(0.0, self.total - before.total)
        return left

    def quantile(self, q: float) -> float:
        """The q-quantile; NaN when nothing was seen, or q is none."""
        if not self.count or not 0 <= q <= 1:
            return math.nan
        rank = q * (self.count - 1)
        seen = self.zeros
        if rank < seen:
            return 0.0
        at = 0
        for at in sorted(self.buckets):
            seen += self.buckets[at]
            if rank < seen:
                break
        return _value(at)

    def values(self) -> Iterator[tuple[float, int]]:
        """What was seen and how often, rising; zeros are left out."""
        return ((_value(at), self.buckets[at]) for at in sorted(self.buckets))

    def pack(self) -> bytes:
        """As bytes: version, zeros, sum, then (step to the next bucket, count) as variable-length numbers."""
        parts = bytearray(struct.pack(">BQd", 1, self.zeros, self.total))
        before = LOWEST
        for at in sorted(self.buckets):
            _put(parts, at - before)
            _put(parts, self.buckets[at])
            before = at
        return bytes(parts)

    @classmethod
    def unpack(cls, data: bytes) -> Sketch:
        """The sketch again; ValueError for anything else, however long."""
        sketch = cls()
        if len(data) > 20 * MOST_BUCKETS or len(data) < 17 or data[0] != 1:
            raise ValueError("no sketch")
        _, sketch.zeros, sketch.total = struct.unpack_from(">BQd", data)
        place, at = 17, LOWEST
        while place < len(data):
            step, place = _take(data, place)
            times, place = _take(data, place)
            at += step
            if at > HIGHEST or not times:
                raise ValueError("no sketch: a bucket out of range")
            sketch.buckets[at] = sketch.buckets.get(at, 0) + times
        sketch.count = sketch.zeros + sum(sketch.buckets.values())
        if len(sketch.buckets) > MOST_BUCKETS or math.isnan(sketch.total):
            raise ValueError("no sketch")
        return sketch

    def _collapse(self) -> None:
        """Put the lowest buckets together."""
        lowest = sorted(self.buckets)[: len(self.buckets) - MOST_BUCKETS + 1]
        self.buckets[lowest[-1]] = sum(self.buckets.pop(at) for at in lowest)


def _value(at: int) -> float:
    """What a bucket stands for."""
    return 2 * math.exp(at / _PER_LOG) / (_GROWTH + 1)


def _put(parts: bytearray, number: int) -> None:
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)


def _take(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(data) and shift < 63:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
    raise ValueError("no sketch: cut, or a number too large")
