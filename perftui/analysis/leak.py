"""Whether a figure grows: a slope that outliers and steps cannot fake, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

MOST_POINTS = 60


class Slope(NamedTuple):
    """Change a second with its 95% interval, and the seconds it was taken over."""

    per_s: float
    low: float
    high: float
    seconds: float


def thin(at: Sequence[float], value: Sequence[float], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most `most` points: the median of equal runs, so that one spike moves none of them."""
    size = max(1, math.ceil(len(at) / most))
    runs = range(0, len(at), size)
    return [(median(at[i : i + size]), median(value[i : i + size])) for i in runs]


def theil_sen(at: Sequence[float], value: Sequence[float]) -> Slope | None:
    """The median of all pairwise slopes; None with fewer than four instants.

    Interval after Sen (1968): ranks of the sorted slopes from Kendall's variance without ties.
    """
    points = thin(at, value)
    slopes = sorted(
        (b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1 :] if b[0] > a[0]
    )
    n = len(points)
    if n < 4 or not slopes:
        return None
    spread = 1.96 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Slope(median(slopes), slopes[low], slopes[high], at[-1] - at[0])
