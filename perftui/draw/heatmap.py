"""Where the mass lies over time: shades that can be told apart without colour, and exact readings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from perftui.analysis.buckets import Grid
from perftui.draw import format as fmt
from perftui.draw.axis import time_ticks
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line, message

_SHADES = " ·░▒▓█"
_ASCII = " .:+%#"
_STYLES = ("", "h1", "h2", "h3", "h4", "h5")
_STEPS = (0.02, 0.1, 0.3, 0.6)  # shares from which the next shade begins


@dataclass(frozen=True, slots=True)
class Heat:
    """Counts by time and bucket: column i covers times[i]…times[i+1], row j edges[j]…edges[j+1].

    `labels` name the rows where they are no intervals (cores, nodes). `top` is the amount that fills
    a cell; without it a cell shows its share of its column. `noun` is what is counted.
    """

    times: Sequence[float]
    edges: Sequence[float]
    counts: Sequence[Sequence[float]]
    labels: Sequence[str] = ()
    top: float | None = None
    noun: str = "requests"

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.labels) or max(0, len(self.edges) - 1)


def heatmap(
    heat: Heat, size: Size, look: Look, *, unit: str = "s", cursor: tuple[int, int] | None = None
) -> Rows:
    """The newest columns that fit, high buckets on top, a time axis, and a reading for the cursor."""
    if not heat.counts or not heat.height or size.height < 2:
        return message(size, "no data in this window")
    names = _names(heat, unit)
    gutter = min(max(cell_width(name) for name in names), size.width // 3)
    width = size.width - gutter - 1
    reading = cursor is not None and size.height >= 4
    height = size.height - 1 - reading
    first = max(0, len(heat.counts) - width)
    bands = _bands(heat.height, height)
    rows: Rows = (
        [line(size.width, Span(heat_reading(heat, cursor, look, unit), "accent"))]
        if reading and cursor
        else []
    )
    wall = "|" if look.ascii_ else "│"
    for index in range(len(bands) - 1, -1, -1):
        low, high = bands[index]
        lit = cursor[0] - first if cursor and low <= cursor[1] < high else -1
        name = names[low] if index == 0 or bands[index - 1] != bands[index] else ""
        edge = Span(fit(name, gutter, "right") + wall, "axis")
        rows.append((edge, *_band(heat, first, (low, high), lit, look)))
    rows.append(_times(heat, first, min(width, len(heat.counts)), gutter, look))
    return fill(rows, size)


def shade(share: float) -> int:
    """Which of the five shades a share gets, 0 for nothing at all."""
    if share <= 0 or share != share:  # noqa: PLR0124 - NaN
        return 0
    return 1 + sum(share >= step for step in _STEPS)


def _names(heat: Heat, unit: str) -> list[str]:
    if heat.labels:
        return [inert(label, 24) for label in heat.labels]
    return [fmt.value(edge, unit) if math.isfinite(edge) else "∞" for edge in heat.edges[:-1]]


def _bands(count: int, height: int) -> list[tuple[int, int]]:
    """Rows of the picture as ranges of buckets: merged when there are too many, repeated when few."""
    if count > height:
        return [(i * count // height, (i + 1) * count // height) for i in range(height)]
    each = max(1, height // count)
    return [(i, i + 1) for i in range(count) for _ in range(each)]


def _band(heat: Heat, first: int, band: tuple[int, int], lit: int, look: Look) -> Row:
    glyphs = _ASCII if look.ascii_ else _SHADES
    levels: list[int] = []
    for column in heat.counts[first:]:
        amount = sum(column[band[0] : band[1]])
        whole = heat.top * (band[1] - band[0]) if heat.top else sum(column)
        levels.append(shade(amount / whole) if whole > 0 else 0)
    marked = [(_STYLES[level] if i != lit else "cursor", glyphs[level]) for i, level in enumerate(levels)]
    return tuple(
        Span("".join(glyph for _, glyph in group), style)
        for style, group in groupby(marked, key=lambda m: m[0])
    )


def _times(heat: Heat, first: int, width: int, gutter: int, look: Look) -> Row:
    step = (heat.times[-1] - heat.times[0]) / max(1, len(heat.times) - 1)
    cells = [" "] * width
    if step > 0:
        columns = Grid(step, math.floor(heat.times[first] / step), width)
        for tick in time_ticks(columns, 1, look.tz):
            cells[tick.cell : tick.cell + len(tick.text)] = tick.text
    return (Span(" " * (gutter + 1) + "".join(cells), "axis"),)


def heat_reading(heat: Heat, cursor: tuple[int, int], look: Look, unit: str = "s") -> str:
    """`14:02:10–14:02:20, 50–100 ms: 312 requests, 4.1%`."""
    column, row = cursor
    if not (0 <= column < len(heat.counts) and 0 <= row < heat.height):
        return ""
    counts = heat.counts[column]
    span = f"{fmt.clock(heat.times[column], look.tz)}–{fmt.clock(heat.times[column + 1], look.tz)}"
    if heat.top is not None:
        return f"{span}, {_names(heat, unit)[row]}: {fmt.value(counts[row], unit)}"
    where = inert(heat.labels[row]) if heat.labels else _interval(heat.edges[row], heat.edges[row + 1], unit)
    whole = sum(counts)
    share = fmt.ratio(counts[row] / whole if whole > 0 else None)
    return f"{span}, {where}: {fmt.number(counts[row])} {heat.noun}, {share}"


def _interval(low: float, high: float, unit: str) -> str:
    if not math.isfinite(high):
        return f"over {fmt.value(low, unit)}"
    first, second = fmt.value(low, unit), fmt.value(high, unit)
    tail = second.rpartition(" ")[2]
    same = first.endswith(" " + tail) and " " in second
    return f"{first[: -len(tail) - 1] if same else first}–{second}"
