"""Sums and quantiles the way Prometheus adds them, down to the last digit.

Where nothing overflows, the loops over windows take what rounding lost from Knuth's exact two-sum: the same
digits as Neumaier's swap (`kahan`) without its comparison and call. Infinities and NaN go the long way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache


def kahan(inc: float, total: float, lost: float) -> tuple[float, float]:
    """One step of compensated summation with Neumaier's swap: (sum, what rounding lost so far)."""
    new = total + inc
    if abs(total) >= abs(inc):
        return new, lost + ((total - new) + inc)
    return new, lost + ((inc - new) + total)


def added(values: Iterable[float], *, forget_at_infinity: bool = False) -> float:
    """A compensated sum."""
    values = tuple(values)
    total, lost = _two_sums(values)
    if math.isfinite(total + lost):
        return total + lost
    total = lost = 0.0
    for value in values:
        total, lost = kahan(value, total, lost)
        if forget_at_infinity and math.isinf(total):
            lost = 0.0
    return total if math.isinf(total) else total + lost


def _two_sums(values: Iterable[float]) -> tuple[float, float]:
    """A sum and what rounding lost of it; not finite where only the long way knows the answer."""
    total = lost = 0.0
    for value in values:
        new = total + value
        added = new - total
        lost += (total - (new - added)) + (value - added)
        total = new
    return total, lost


def mean_running(values: Sequence[float]) -> float:
    """The mean by increments, compensated: generation 2's `avg_over_time`."""
    mean = lost = 0.0
    for place, value in enumerate(values, 1):
        inc = value / place - mean / place
        new = mean + inc
        added = new - mean
        lost += (mean - (new - added)) + (inc - added)
        mean = new
    return mean + lost if math.isfinite(mean + lost) else _mean_running(values)


def _mean_running(values: Iterable[float]) -> float:
    mean = count = lost = 0.0
    for value in values:
        count += 1
        if math.isinf(mean) and _keeps(mean, value):
            continue
        mean, lost = kahan(value / count - mean / count, mean, lost)
    return mean if math.isinf(mean) else mean + lost


def mean_plain(values: Iterable[float]) -> float:
    """The mean by increments, uncompensated: generation 2's `avg`."""
    mean = count = 0.0
    for value in values:
        count += 1
        if count == 1:
            mean = value
        elif not (math.isinf(mean) and _keeps(mean, value)):
            mean += value / count - mean / count
    return mean


def mean_direct(values: Sequence[float]) -> float:
    """The mean by a compensated sum, by increments where the sum would overflow: generation 3's."""
    total, lost = _two_sums(values)
    if math.isfinite(total + lost):
        return total / len(values) + lost / len(values)
    total = lost = 0.0
    for place, value in enumerate(values):
        new, gone = kahan(value, total, lost)
        if math.isinf(new) and place:
            return _mean_rest(values[place:], place, total / place, lost / place)
        total, lost = new, gone
    count = len(values)
    return total / count if math.isinf(total) else total / count + lost / count


def _mean_rest(rest: Sequence[float], count: int, mean: float, lost: float) -> float:
    for value in rest:
        count += 1
        if math.isinf(mean) and _keeps(mean, value):
            continue
        ratio = (count - 1) / count
        mean, lost = kahan(value / count, ratio * mean, ratio * lost)
        if math.isinf(mean):
            lost = 0.0
    return mean if math.isinf(mean) else mean + lost


def _keeps(mean: float, value: float) -> bool:
    """Whether an infinite mean stays as it is: only NaN and the other infinity change it."""
    if math.isinf(value):
        return (mean > 0) == (value > 0)
    return not math.isnan(value)


def variance(values: Iterable[float]) -> float:
    """Of samples over time, compensated (Welford)."""
    count = mean = mean_lost = total = lost = 0.0
    for value in values:
        count += 1
        delta = value - (mean + mean_lost)
        mean, mean_lost = kahan(delta / count, mean, mean_lost)
        total, lost = kahan(delta * (value - (mean + mean_lost)), total, lost)
    return (total + lost) / count


def variance_plain(values: Sequence[float]) -> float:
    """Of the elements of a vector (Welford); the first is taken as it is."""
    mean, total, count = values[0], 0.0, 1.0
    for value in values[1:]:
        count += 1
        delta = value - mean
        mean += delta / count
        total += delta * (value - mean)
    return total / count


def smallest(values: Sequence[float]) -> float:
    """The minimum; NaN only when there is nothing else."""
    if _all_numbers(values):
        return min(values)
    least = values[0]
    for value in values:
        if value < least or least != least:  # noqa: PLR0124 (NaN)
            least = value
    return least


def largest(values: Sequence[float]) -> float:
    """The maximum; NaN only when there is nothing else."""
    if _all_numbers(values):
        return max(values)
    most = values[0]
    for value in values:
        if value > most or most != most:  # noqa: PLR0124 (NaN)
            most = value
    return most


def _all_numbers(values: Sequence[float]) -> bool:
    """Surely no NaN among them; infinities of both signs are taken for one too."""
    total = sum(values)
    return total == total  # noqa: PLR0124 (NaN)


def _nan_first(value: float) -> tuple[bool, float]:
    return value == value, value  # noqa: PLR0124 (NaN)


def quantile(q: float, values: Sequence[float]) -> float:
    """The q-quantile, linear between neighbours; NaN sorts first."""
    ordered = sorted(values, key=None if _all_numbers(values) else _nan_first)
    if not ordered or math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    rank = q * (len(ordered) - 1)
    low = max(0, math.floor(rank))
    high = min(len(ordered) - 1, low + 1)
    weight = rank - math.floor(rank)
    return ordered[low] * (1 - weight) + ordered[high] * weight


def regression(at: Sequence[int], values: Sequence[float], origin: int) -> tuple[float, float]:
    """Slope and intercept at `origin` (ms) by least squares."""
    first = values[0]
    if values[-1] == first and all(value == first for value in values):
        return (math.nan, math.nan) if math.isinf(first) else (0.0, first)
    found = _moments(at, values, origin)
    if not math.isfinite(sum(found)):
        found = _moments_at_length(at, values, origin)
    n = float(len(values))
    x, y, xy, xx = found
    slope = divided(xy - x * y / n, xx - x * x / n)
    return slope, y / n - slope * x / n


def _moments(at: Sequence[int], values: Sequence[float], origin: int) -> tuple[float, float, float, float]:
    """Sums of x, y, xy, xx, each with what rounding lost; x in seconds from `origin`."""
    places, of_x, of_xx = _places(tuple([instant - origin for instant in at]))
    sy = sxy = ly = lxy = 0.0
    for x, y in zip(places, values, strict=True):
        new = sy + y
        added = new - sy
        ly += (sy - (new - added)) + (y - added)
        sy = new
        part = x * y
        new = sxy + part
        added = new - sxy
        lxy += (sxy - (new - added)) + (part - added)
        sxy = new
    return of_x, sy + ly, sxy + lxy, of_xx


@lru_cache(maxsize=256)
def _places(distances: tuple[int, ...]) -> tuple[tuple[float, ...], float, float]:
    """Seconds of milliseconds, their sum and that of their squares: window after window has the same."""
    places = tuple(distance / 1e3 for distance in distances)
    return places, sum(_two_sums(places)), sum(_two_sums([x * x for x in places]))


def _moments_at_length(
    at: Sequence[int], values: Sequence[float], origin: int
) -> tuple[float, float, float, float]:
    """The same where something overflows or is no number."""
    sums, lost = [0.0] * 4, [0.0] * 4
    for instant, value in zip(at, values, strict=True):
        x = (instant - origin) / 1e3
        for place, part in enumerate((x, value, x * value, x * x)):
            sums[place], lost[place] = kahan(part, sums[place], lost[place])
    x, y, xy, xx = (s + c for s, c in zip(sums, lost, strict=True))
    return x, y, xy, xx


def divided(a: float, b: float) -> float:
    """IEEE division: by zero it gives an infinity or NaN."""
    if b:
        return a / b
    if a == 0 or a != a or b != b:  # noqa: PLR0124 (NaN)
        return a / b if b else math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)
