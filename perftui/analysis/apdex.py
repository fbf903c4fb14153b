"""Apdex from a histogram: which share of requests was fast enough, half of it for those that were bearable.

Definition: Apdex Alliance, Technical Specification 1.1 (https://www.apdex.org/documents/
ApdexTechnicalSpecificationV11_000.pdf): (satisfied + tolerating / 2) / all, tolerating up to 4 T.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from perftui.analysis.quantile import Histogram

TARGET = 0.1
"""T in seconds unless somebody says otherwise."""


def at_most(histogram: Histogram, value: float) -> float:
    """Observations up to `value`, linear inside its bucket, none of the infinite bucket."""
    rising = list(accumulate(histogram.counts, max))
    at = bisect_left(histogram.bounds, value)
    if not rising or at >= len(rising):
        return rising[-1] if rising else 0.0
    lower, below = (histogram.bounds[at - 1], rising[at - 1]) if at else (0.0, 0.0)
    upper = histogram.bounds[at]
    if upper == value:
        return rising[at]
    if value <= lower or upper == float("inf"):
        return below
    return below + (rising[at] - below) * (value - lower) / (upper - lower)


def apdex(histogram: Histogram, target: float = TARGET) -> float | None:
    """0 (nobody was satisfied) to 1 (everybody); None without observations or an infinite bound."""
    if not histogram.count > 0 or histogram.bounds[-1] != float("inf"):
        return None
    whole = max(histogram.counts)
    return (at_most(histogram, target) + at_most(histogram, 4 * target)) / (2 * whole)
