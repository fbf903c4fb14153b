"""Rates on top of each other over time: each its own pattern, so that they differ without colours too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from perftui.analysis.buckets import Grid, Window, grid
from perftui.draw import format as fmt
from perftui.draw.axis import labels, time_ticks, value_scale
from perftui.draw.clean import cell_width, fit
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line, message

PATTERNS, ASCII = "█▓▒░·", "#%+-."
LEAST = Size(24, 5)


@dataclass(frozen=True, slots=True)
class Layer:
    """One of them: a name, and what it was when (epoch seconds)."""

    name: str
    times: Sequence[float]
    values: Sequence[float]


def stack(layers: Sequence[Layer], window: Window, size: Size, look: Look, *, unit: str = "1/s") -> Rows:
    """The layers from the bottom in their order, each column's mean; names and newest values first."""
    marks = ASCII if look.ascii_ else PATTERNS
    known = [layer for layer in layers if len(layer.values)]
    if not known:
        return message(size, "none in this time")
    legend: list[Span] = []
    for number, layer in enumerate(layers):
        newest = layer.values[-1] if len(layer.values) else 0.0
        legend.append(Span(f"{marks[number % len(marks)]} ", f"s{number % 5 + 1}"))
        legend.append(Span(f"{layer.name} {fmt.value(newest, unit).strip()}  ", "text"))
    head = line(size.width, *legend)
    if size.width < LEAST.width or size.height < LEAST.height:
        return fill([head], size)
    height = size.height - 2
    gutter = 9
    columns = grid(window, size.width - gutter - 1)
    means = [_means(layer, columns) for layer in layers]
    tops = [sum(values) for values in zip(*means, strict=True)]
    scale, ticks = value_scale(0.0, max(tops), max(1, min(4, height // 2)), unit, 0.0, None)
    most = scale.high or 1.0
    texts = dict(zip((_row(tick / most, height) for tick in ticks), labels(ticks, unit), strict=True))
    wall = "|" if look.ascii_ else "│"
    rows: Rows = [head]
    for y in range(height):
        middle = (height - y - 0.5) / height * most
        cells = [_layer(means, x, middle) for x in range(columns.count)]
        gauge = (Span(fit(texts.get(y, ""), gutter, "right") + wall, "axis"),)
        rows.append((*gauge, *_spans(cells, marks)))
    return fill([*rows, _times(columns, gutter, look)], size)


def _means(layer: Layer, columns: Grid) -> list[float]:
    sums, counts = [0.0] * columns.count, [0] * columns.count
    for at, value in zip(layer.times, layer.values, strict=True):
        place = columns.index(at)
        if 0 <= place < columns.count:
            sums[place] += value
            counts[place] += 1
    return [total / count if count else 0.0 for total, count in zip(sums, counts, strict=True)]


def _layer(means: Sequence[Sequence[float]], x: int, height: float) -> int:
    """The layer at a height of a column; -1 above all of them."""
    top = 0.0
    for number, values in enumerate(means):
        top += values[x]
        if height < top:
            return number
    return -1


def _row(share: float, height: int) -> int:
    return min(height - 1, max(0, round((1 - share) * height - 0.5)))


def _spans(cells: Sequence[int], marks: str) -> Row:
    out = []
    for number, run in groupby(cells):
        mark = " " if number < 0 else marks[number % len(marks)]
        out.append(Span(mark * len(list(run)), "" if number < 0 else f"s{number % 5 + 1}"))
    return tuple(out)


def _times(columns: Grid, gutter: int, look: Look) -> Row:
    cells = [" "] * columns.count
    for tick in time_ticks(columns, 1, look.tz):
        if tick.cell + cell_width(tick.text) <= columns.count:
            cells[tick.cell : tick.cell + len(tick.text)] = tick.text
    return (Span(" " * (gutter + 1) + "".join(cells), "axis"),)
