"""What the last hour of a series looks like, as a few numbers that have names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

STEP = 60.0  # seconds of a row
SPAN = 61  # rows of a window: an hour and now
FEATURES = (
    "value",
    "change in a minute",
    "mean of 5 min",
    "spread of 15 min",
    "against an hour ago",
    "trend of 15 min",
)
_X = tuple(n - 7.0 for n in range(15))
_XX = sum(x * x for x in _X)


def features(rest: Sequence[float]) -> tuple[float, ...]:
    """Of a window without its season, oldest first; the spread is a logarithm: it counts in times."""
    last, quarter = rest[-1], rest[-15:]
    trend = sum(x * v for x, v in zip(_X, quarter, strict=True)) / _XX
    mean = fmean(quarter)
    spread = math.log(math.sqrt(fmean((v - mean) ** 2 for v in quarter)) + 1e-12)
    return last, last - rest[-2], fmean(rest[-5:]), spread, last - rest[0], trend


def grid(at: Sequence[float], value: Sequence[float]) -> tuple[int, list[float]]:
    """Means by the minute from the first one on, and its number; NaN where nothing is known."""
    if not at:
        return 0, []
    first = int(at[0] // STEP)
    cells: list[list[float]] = [[] for _ in range(int(at[-1] // STEP) - first + 1)]
    for a, v in zip(at, value, strict=True):
        place = int(a // STEP) - first
        if math.isfinite(v) and 0 <= place < len(cells):
            cells[place].append(v)
    return first, [fmean(cell) if cell else math.nan for cell in cells]
