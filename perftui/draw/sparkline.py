"""One row of history: eight block heights, aligned to absolute time, spikes kept."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.analysis.buckets import Window, grid, reduce
from perftui.draw.rows import Look, Row, Span
from perftui.model.series import Series

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-=+*%#"


def sparkline(
    values: Sequence[float | None],
    width: int,
    look: Look,
    *,
    low: float | None = None,
    high: float | None = None,
    style: str = "s1",
) -> Row:
    """The last `width` values as block heights, newest right; None and NaN are gaps.

    The bottom is 0 unless a value is negative or `low` says otherwise; a series that never leaves
    the bottom stays at the lowest block.
    """
    shown = [None if v is None or v - v != 0 else v for v in values[-width:]] if width > 0 else []
    good = [v for v in shown if v is not None]
    bottom = low if low is not None else min(0.0, *good) if good else 0.0
    top = high if high is not None else max(good, default=1.0)
    blocks = _ASCII if look.ascii_ else _BLOCKS
    span = top - bottom
    text = "".join(" " if v is None else blocks[_level(v - bottom, span)] for v in shown)
    return (Span(text.rjust(width), style),)


def _level(height: float, span: float) -> int:
    if span <= 0:
        return 0
    return min(7, max(0, round(height / span * 7)))


def spark(
    series: Series,
    window: Window,
    width: int,
    look: Look,
    *,
    low: float | None = None,
    high: float | None = None,
    style: str = "s1",
) -> Row:
    """A series over a window in `width` cells: the maximum of each cell's time."""
    if width <= 0:
        return (Span("", style),)
    columns = grid(window, width)
    at, value = series.between(columns.start(0), window.end)
    buckets = reduce(at, value, columns)
    heights: list[float | None] = [None] * width
    previous: int | None = None
    for index, bucket in buckets.items():
        heights[index] = bucket.high
        if previous is not None and not bucket.after_gap:
            for between in range(previous + 1, index):  # slower samples than cells: the value held
                heights[between] = heights[previous]
        previous = index
    return sparkline(heights, width, look, low=low, high=high, style=style)
