"""Samples reduced to the columns of a picture without losing a spike and without shimmer.

Buckets are aligned to absolute time (bucket number = instant ÷ step), so a picture drawn a second
later shows the same buckets, shifted by whole columns: only the newest one changes in between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from operator import sub

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
        whole = floor(at / self.step)
        if (
            at >= (whole + 1) * self.step
        ):  # the quotient was rounded over a border, which is where a product says
            whole += 1
        elif at < whole * self.step:
            whole -= 1
        return whole - self.first

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
    steps = list(map(sub, at[1:], at))
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
    if columns.count <= 0:
        return out
    step, first = columns.step, columns.first
    gaps = sorted(gap_ends(at, gap))
    index = bisect_left(at, first * step)
    stop = bisect_left(at, (first + columns.count) * step)
    broken = False
    while index < stop:  # a slice a column: minimum and maximum of a slice cost no Python per sample
        column = columns.index(at[index])
        end = bisect_left(at, (first + column + 1) * step, index + 1, stop)
        inside = value[index:end]
        if gaps:
            broken = broken or bisect_left(gaps, end) > bisect_left(gaps, index)
        total = sum(inside)
        if total - total != 0:  # NaN or infinite: nothing to draw there
            broken = broken or not _finite(inside[0])
            good = [amount for amount in inside if _finite(amount)]
            if good:
                out[column] = Bucket(min(good), max(good), good[0], good[-1], broken)
                broken = not _finite(inside[-1])
            else:
                broken = True
        else:
            out[column] = Bucket(min(inside), max(inside), inside[0], inside[-1], broken)
            broken = False
        index = end
    return out


def _finite(amount: float) -> bool:
    return amount - amount == 0


def extremes(at: Sequence[float], value: Sequence[float], window: Window) -> tuple[float, float] | None:
    """Least and greatest finite value inside a window, None when there is none."""
    inside = value[bisect_left(at, window.start) : bisect_right(at, window.end)]
    if not inside:
        return None
    total = sum(inside)
    if total - total != 0:
        inside = [amount for amount in inside if _finite(amount)]
    return (min(inside), max(inside)) if inside else None
