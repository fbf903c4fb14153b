"""The lines of a chart as points in a box, for every format that draws with vectors."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perftui.analysis.buckets import Window, gap_ends
from perftui.draw.axis import labels, value_scale
from perftui.export.story import Curve

COLUMNS = 220  # points of a line at most
STEPS = (10, 30, 60, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400, 30 * 86400)

Point = tuple[float, float]
Tick = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Plot:
    """Points are (right, up) in 0…1 of the box. `bands` are outlines between the extremes."""

    lines: tuple[tuple[Point, ...], ...]
    bands: tuple[tuple[Point, ...], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    goal: float | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.lines


@dataclass(slots=True)
class _Cell:
    total: float = 0.0
    count: int = 0
    low: float = float("inf")
    high: float = float("-inf")

    def add(self, mean: float, low: float, high: float) -> None:
        self.total += mean
        self.count += 1
        self.low = min(self.low, low)
        self.high = max(self.high, high)


def plot(curve: Curve, window: Window) -> Plot:
    """What a curve looks like in a window; gaps stay gaps and no spike is lost (it is in the band)."""
    parts = [_cells(curve, run, window) for run in _runs(curve, window)]
    if not parts:
        return Plot((), (), tuple(time_ticks(window)), ())
    lows = [cell.low for part in parts for _, cell in part]
    highs = [cell.high for part in parts for _, cell in part]
    peak = max([*highs, *([curve.goal] if curve.goal is not None else [])])
    scale, ticks = value_scale(min(lows), peak, 4, curve.unit, None, None)
    span = scale.high - scale.low

    def up(value: float) -> float:
        return min(1.0, max(0.0, (value - scale.low) / span))

    lines = tuple(tuple((x, up(c.total / c.count)) for x, c in part) for part in parts)
    bands = tuple(
        (*((x, up(c.high)) for x, c in part), *((x, up(c.low)) for x, c in reversed(part))) for part in parts
    )
    marks = tuple((up(tick), text) for tick, text in zip(ticks, labels(ticks, curve.unit), strict=True))
    goal = None if curve.goal is None else up(curve.goal)
    return Plot(lines, bands, tuple(time_ticks(window)), marks, goal)


def _runs(curve: Curve, window: Window) -> Iterator[tuple[int, int]]:
    """Stretches of samples without a gap, as (first, after the last)."""
    first, stop = bisect_left(curve.at, window.start), bisect_left(curve.at, window.end)
    edges = [first, *sorted(i for i in gap_ends(curve.at) if first < i < stop), stop]
    return ((a, b) for a, b in zip(edges, edges[1:], strict=False) if a < b)  # noqa: RUF007 - short lists


def _cells(curve: Curve, run: tuple[int, int], window: Window) -> list[tuple[float, _Cell]]:
    cells: dict[int, _Cell] = {}
    for place in range(*run):
        column = int((curve.at[place] - window.start) / window.span * COLUMNS)
        cells.setdefault(column, _Cell()).add(curve.mean[place], curve.low[place], curve.high[place])
    return [((column + 0.5) / COLUMNS, cell) for column, cell in sorted(cells.items())]


def time_ticks(window: Window, most: int = 6) -> Iterator[Tick]:
    """Round instants (UTC), `most` at most."""
    step = next((s for s in STEPS if window.span / s <= most), STEPS[-1])
    at = (window.start // step + 1) * step
    while at < window.end:
        when = dt.datetime.fromtimestamp(at, dt.UTC)
        text = when.strftime("%d %b" if step >= 86400 else "%H:%M:%S" if step < 60 else "%H:%M")
        yield (at - window.start) / window.span, text
        at += step


def placed(points: Sequence[Point], x: float, y: float, width: float, height: float) -> list[Point]:
    """Points of the unit box in a box whose `y` grows upward; a negative height turns it."""
    return [(x + right * width, y + up * height) for right, up in points]
