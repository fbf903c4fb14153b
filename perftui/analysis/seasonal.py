"""Seasons of a series: which period it repeats with, how strongly, and what it should be at an instant."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, pvariance

HOUR, DAY, WEEK = 3600.0, 86400.0, 604800.0
PERIODS = (HOUR, 12 * HOUR, DAY, WEEK)
WEAK = 0.3  # autocorrelation below which nothing is called a season
AS_GOOD = 0.9  # a shorter period explains as much when it reaches this share of the best
BINS = {HOUR: 60, 12 * HOUR: 72, DAY: 96, WEEK: 336}
TERMS = {
    HOUR: (1, 2, 3, 4),
    12 * HOUR: (1, 2, 3, 4),
    DAY: (1, 2, 3, 4, 5, 6),
    WEEK: (1, 2, 3, 6, 7, 8, 13, 14, 15, 20, 21, 22, 27, 28, 29, 35, 42),
}
MOST = 2100  # points the autocorrelation is taken of: 14 days by ten minutes
ENOUGH = 20  # points a period must have, else there is nothing to see in it


@dataclass(frozen=True, slots=True)
class Period:
    """A period in seconds (0: none found) with its strength, the autocorrelation at that distance (0-1)."""

    seconds: float = 0.0
    strength: float = 0.0


@dataclass(frozen=True, slots=True)
class Season:
    """What a series is expected to be over one period, as a table with straight lines between its points.

    `spread` is the standard deviation of what is left when the season is taken away.
    """

    period: float
    table: tuple[float, ...]
    spread: float
    strength: float

    def at(self, at: float) -> float:
        """The expected value at an instant (epoch seconds)."""
        n = len(self.table)
        place = (at % self.period) / self.period * n
        low = int(place)
        share = place - low
        first = self.table[low % n]
        return first + (self.table[(low + 1) % n] - first) * share

    @property
    def size(self) -> float:
        """From trough to peak."""
        return max(self.table) - min(self.table)


def period(at: Sequence[float], value: Sequence[float]) -> Period:
    """The period among an hour, half a day, a day and a week; two whole ones must be there.

    Of periods that explain about the same the shortest is taken: what repeats daily repeats weekly too.
    """
    step, row = even(at, value)
    if not row:
        return Period()
    span = step * len(row)
    middle = fmean(row)
    slope = _slope(row)
    flat = [v - middle - slope * (i - (len(row) - 1) / 2) for i, v in enumerate(row)]
    power = sum(v * v for v in flat)
    if power <= 1e-18 * max(1.0, middle * middle) * len(row):
        return Period()
    found = [
        (seconds, strength)
        for seconds in PERIODS
        if span >= 2 * seconds - step and seconds / step >= ENOUGH
        # A slow wave resembles itself an hour later; a season does so more than a little before.
        if (strength := _at_lag(flat, round(seconds / step))) > _at_lag(flat, round(0.75 * seconds / step))
    ]
    best = max((strength for _, strength in found), default=0.0)
    if best < WEAK:
        return Period()
    return next(Period(s, min(1.0, strength)) for s, strength in found if strength >= AS_GOOD * best)


def fit(at: Sequence[float], value: Sequence[float], seconds: float) -> Season:
    """The season of that period: medians by part of the period, smoothed by harmonics.

    Medians, so that one incident in a week of days leaves no ghost in what is expected.
    """
    if seconds not in BINS:
        raise ValueError(f"a period is one of {', '.join(f'{p:g}' for p in PERIODS)} s")
    bins = BINS[seconds]
    cells: list[list[float]] = [[] for _ in range(bins)]
    for a, v in zip(at, value, strict=True):
        if math.isfinite(v):
            cells[int(a % seconds / seconds * bins) % bins].append(v)
    known = [i for i, cell in enumerate(cells) if cell]
    if not known:
        return Season(seconds, (0.0,) * bins, 0.0, 0.0)
    # A value stands for the middle of its part; the table counts from the beginnings.
    rough = _filled([median(cell) if cell else None for cell in cells])
    table = _harmonics(rough, TERMS[seconds])
    season = Season(seconds, table, 0.0, 0.0)
    finite = [(a, v) for a, v in zip(at, value, strict=True) if math.isfinite(v)]
    left = pvariance([v - season.at(a) for a, v in finite])
    whole = pvariance([v for _, v in finite])
    strength = max(0.0, 1.0 - left / whole) if whole > 0 else 0.0
    return Season(seconds, table, math.sqrt(left), strength)


def learn(at: Sequence[float], value: Sequence[float]) -> Season | None:
    """The season of a series, None where it has none."""
    found = period(at, value)
    return fit(at, value, found.seconds) if found.seconds else None


def even(at: Sequence[float], value: Sequence[float]) -> tuple[float, list[float]]:
    """A series on an even grid of at most `MOST` steps: means, and straight lines through gaps."""
    pairs = [(a, v) for a, v in zip(at, value, strict=True) if math.isfinite(v)]
    if len(pairs) < 2 * ENOUGH or pairs[-1][0] <= pairs[0][0]:
        return 0.0, []
    first, span = pairs[0][0], pairs[-1][0] - pairs[0][0]
    steps = min(MOST, len(pairs))
    step = span / (steps - 1)
    cells: list[list[float]] = [[] for _ in range(steps)]
    for a, v in pairs:
        cells[min(steps - 1, round((a - first) / step))].append(v)
    return step, _filled([fmean(cell) if cell else None for cell in cells])


def _filled(row: list[float | None]) -> list[float]:
    """Straight lines through what is missing; beyond the first and the last the nearest value."""
    known = [(i, v) for i, v in enumerate(row) if v is not None]
    full: list[float] = [known[0][1]] * known[0][0]
    for (i, v), (j, w) in itertools.pairwise(known):
        full += [v + (w - v) * k / (j - i) for k in range(j - i)]
    return full + [known[-1][1]] * (len(row) - known[-1][0])


def _slope(row: Sequence[float]) -> float:
    n = len(row)
    middle = (n - 1) / 2
    below = sum((i - middle) ** 2 for i in range(n))
    return sum((i - middle) * v for i, v in enumerate(row)) / below if below else 0.0


def _at_lag(flat: Sequence[float], lag: int) -> float:
    """Autocorrelation of what overlaps: each side by its own power, so that a long lag is not put down."""
    early, late = flat[: len(flat) - lag], flat[lag:]
    power = math.sqrt(sum(v * v for v in early) * sum(v * v for v in late))
    return sum(a * b for a, b in zip(early, late, strict=True)) / power if power else 0.0


def _harmonics(rough: Sequence[float], terms: Sequence[int]) -> tuple[float, ...]:
    """`rough` with the chosen harmonics only; on a whole period they are orthogonal, so sums suffice."""
    n = len(rough)
    mean = fmean(rough)
    table = [mean] * n
    for k in terms:
        turns = [2 * math.pi * k * (i + 0.5) / n for i in range(n)]
        cosine = 2 / n * sum(v * math.cos(t) for v, t in zip(rough, turns, strict=True))
        sine = 2 / n * sum(v * math.sin(t) for v, t in zip(rough, turns, strict=True))
        for i in range(n):
            turn = 2 * math.pi * k * i / n
            table[i] += cosine * math.cos(turn) + sine * math.sin(turn)
    return tuple(table)
