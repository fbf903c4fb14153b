"""Samples reduced to the columns of a picture without losing a spike and without shimmer.

Buckets are aligned to absolute time (bucket number = instant ÷ step), so a picture drawn a second
later shows the same buckets, shifted by whole columns: only the newest one changes in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

GAP_FACTOR = 2.5  # a pause longer than this many usual intervals is a gap


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, epoch seconds (UTC), `start` < `end`."""

    start: float
    end: float

    @classmethod
    def last(cls, seconds: float, end: float) -> Window:
        """The `seconds` up to `end`."""
        return cls(end - seconds, end)

    @property
    def span(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Grid:
    """Absolute columns of a window: column `i` covers [(first + i)·step, (first + i + 1)·step)."""

    step: float
    first: int
    count: int

    def index(self, at: float) -> int:
        """Column of an instant; outside 0…count-1 when it is not in the window."""
        return floor(at / self.step) - self.first

    def start(self, index: int) -> float:
        """Where a column begins, epoch seconds."""
        return (self.first + index) * self.step


def grid(window: Window, count: int, group: int = 1) -> Grid:
    """`count` columns for a window whose last group of `group` columns holds `window.end`.

    `group` columns scroll together (2 dots of a braille cell), so a cell's content is final once
    its time has passed.
    """
    step = max(1e-6, round(window.span, 3)) / max(1, count)
    last_group = floor(window.end / (step * group))
    return Grid(step, (last_group + 1) * group - count, count)


@dataclass(slots=True)
class Bucket:
    """What fell into one column: extremes, first and last value, and whether a gap lies before it."""

    low: float
    high: float
    first: float
    last: float
    after_gap: bool = False


def gap_ends(at: Sequence[float], gap: float | None = None) -> frozenset[int]:
    """Indices of the samples that follow a gap.

    A pause is a gap when it is longer than `gap` seconds or, without one, than 2.5 times the longer
    of its neighbouring intervals: a series read every second while watched and every ten when not
    has no gaps, one missing reading is bridged, three are a gap.
    """
    steps = [later - sooner for sooner, later in pairwise(at)]
    if len(steps) < 2 and gap is None:
        return frozenset()
    if gap is not None:
        return frozenset(i + 1 for i, step in enumerate(steps) if step > gap)
    if max(steps) <= GAP_FACTOR * min(steps):
        return frozenset()
    around = [steps[1], *(max(a, b) for a, b in zip(steps, steps[2:], strict=False)), steps[-2]]
    return frozenset(i + 1 for i, step in enumerate(steps) if step > GAP_FACTOR * around[i])


def reduce(
    at: Sequence[float], value: Sequence[float], columns: Grid, gap: float | None = None
) -> dict[int, Bucket]:
    """Minimum and maximum of the finite samples of each column that has any, by column number.

    NaN and infinite values count as gaps.
    """
    out: dict[int, Bucket] = {}
    step, first, count = columns.step, columns.first, columns.count
    gaps = gap_ends(at, gap)
    current = -1
    broken = False
    bucket = Bucket(0.0, 0.0, 0.0, 0.0)
    for index, (when, amount) in enumerate(zip(at, value, strict=True)):
        if index in gaps:
            broken = True
        if amount - amount != 0:  # NaN or infinite: nothing to draw there
            broken = True
            continue
        column = int(when // step) - first
        if column == current:
            if amount < bucket.low:
                bucket.low = amount
            elif amount > bucket.high:
                bucket.high = amount
            bucket.last = amount
        elif 0 <= column < count:
            current = column
            bucket = out[column] = Bucket(amount, amount, amount, amount, broken)
            broken = False
    return out
