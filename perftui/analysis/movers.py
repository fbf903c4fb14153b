"""Which series moved before the one that fired: lagged correlation over the minutes before; pure.

Means of ten seconds are compared at every lead up to two minutes (the cross-correlation at that lag,
Pearson's r of what overlaps). Only series that left their own level are looked at: two that drift by
themselves correlate at some lag, whatever they are.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from statistics import fmean

from perftui.model.series import SeriesKey

STEP = 10.0  # seconds of a mean
POINTS = 60  # of them are looked at: ten minutes
LAST = 6  # of these are the newest, compared with the level before
LEVEL = 30  # the first ones, which tell the level
LONGEST = 12  # steps that one series may lead another
MOVED = 4.0  # standard deviations of the level from which a series has left it
ALIKE = 0.8  # correlation from which two courses are alike
FEWEST = 20  # points that must overlap
MOST = 200  # series that are correlated, those that moved farthest
GAPS = 0.25  # share of points that may be missing


@dataclass(frozen=True, slots=True)
class Mover:
    """A series that moved `lead` seconds earlier, from `before` to `after`; how alike: `r` (-1 to 1)."""

    key: SeriesKey
    lead: float
    r: float
    before: float
    after: float
    unit: str = "1"


def grid(at: Sequence[float], values: Sequence[float], end: float) -> list[float] | None:
    """Means of ten seconds over the ten minutes to `end`, gaps filled with what was; None: too little."""
    start = end - POINTS * STEP
    cells: list[list[float]] = [[] for _ in range(POINTS)]
    for i in range(bisect_left(at, start), len(at)):
        place = int((at[i] - start) / STEP)
        if place < POINTS and math.isfinite(values[i]):
            cells[place].append(values[i])
    known = sum(map(bool, cells))
    if known < POINTS * (1 - GAPS) or not cells[0] + cells[1] + cells[2]:
        return None
    found: list[float] = []
    last = fmean(next(cell for cell in cells if cell))
    for cell in cells:
        last = fmean(cell) if cell else last
        found.append(last)
    return found


def left(values: Sequence[float]) -> tuple[float, float, float]:
    """How far a course has left its level, in deviations of that; the level and what it is now."""
    level = fmean(values[:LEVEL])
    spread = math.sqrt(fmean((v - level) ** 2 for v in values[:LEVEL]))
    now = fmean(values[-LAST:])
    return abs(now - level) / (spread + 1e-3 * abs(level) + 1e-12), level, now


def movers(
    target: Sequence[float], others: Mapping[SeriesKey, Sequence[float]], units: Mapping[SeriesKey, str]
) -> tuple[Mover, ...]:
    """Those of `others` that led `target`, the earliest first; all on the same grid."""
    far = sorted(((left(values)[0], key) for key, values in others.items()), key=lambda pair: -pair[0])
    found = []
    for distance, key in far[:MOST]:
        if distance < MOVED:
            break
        lag, r = best(target, others[key])
        if lag and abs(r) >= ALIKE:
            _, before, after = left(others[key])
            found.append(Mover(key, lag * STEP, r, before, after, units.get(key, "1")))
    return tuple(sorted(found, key=lambda one: (-one.lead, -abs(one.r), str(one.key))))


def best(target: Sequence[float], other: Sequence[float]) -> tuple[int, float]:
    """The lead in steps at which `other` is most alike, and how alike; the shortest of equal ones."""
    found = (0, 0.0)
    for lag in range(LONGEST + 1):
        r = correlation(target[lag:], other[: len(other) - lag])
        if abs(r) > abs(found[1]) + 1e-3:
            found = (lag, r)
    return found


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Pearson's r; 0 where one of them is constant or they are too short."""
    if len(a) < FEWEST:
        return 0.0
    mean_a, mean_b = fmean(a), fmean(b)
    da, db = [v - mean_a for v in a], [v - mean_b for v in b]
    power = math.sqrt(sum(v * v for v in da) * sum(v * v for v in db))
    return sum(x * y for x, y in zip(da, db, strict=True)) / power if power > 0 else 0.0


def distance(values: Sequence[float]) -> float:
    """A quick look: how far the newest tenth is from the first half, in deviations of its samples."""
    if math.isnan(sum(values)):
        values = [value for value in values if not math.isnan(value)]
    half, tenth = len(values) // 2, max(1, len(values) // 10)
    if not half:
        return 0.0
    level = values[:half]
    mean = sum(level) / half
    spread = math.sqrt(max(0.0, sum(map(mul, level, level)) / half - mean * mean))
    now = sum(values[-tenth:]) / tenth
    return abs(now - mean) / (spread + 1e-3 * abs(mean) + 1e-12)
