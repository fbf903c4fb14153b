"""How a whole and its parts changed: layers on top of one another over time, told apart without colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.analysis.buckets import Grid, Window, grid
from perftui.draw import format as fmt
from perftui.draw.axis import labels, time_ticks, value_scale
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line, message
from perftui.model.series import Series

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_SHADES = "█▓▒░▚▞▙▟"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LEAST = Size(24, 4)


@dataclass(frozen=True, slots=True)
class Layer:
    """One part: its samples (not negative) and its style word, `""` for `s1`, `s2`, … by position."""

    name: str
    series: Series
    style: str = ""


def stackedarea(layers: Sequence[Layer], size: Size, window: Window, look: Look, *, unit: str = "1") -> Rows:
    """Layers over time, the first at the bottom, each cell the mean of its samples, and a legend.

    A cell shows the layer that holds its middle; only the top of the stack is finer than a cell.
    """
    if size.width < _LEAST.width or size.height < _LEAST.height:
        return fill([_legend(layers, size.width, look, unit)], size)
    height = size.height - 2
    gutter = 6
    columns = grid(window, size.width - gutter - 1)
    means = [_means(layer.series, columns) for layer in layers]
    tops = [sum(m[x] or 0.0 for m in means) for x in range(columns.count)]
    if all(value is None for m in means for value in m):
        return message(size, "no data in this window")
    scale, ticks = value_scale(0.0, max(1e-9, *tops), max(1, min(4, height // 3)), unit, 0.0, None)
    texts = labels(ticks, unit)
    stacks = [_stack([m[x] or 0.0 for m in means], scale.high, height) for x in range(columns.count)]
    place = scale.placer(height)
    marks = {place(tick): text for tick, text in zip(ticks, texts, strict=True)}
    rows: Rows = [_legend(layers, size.width, look, unit)]
    for y in range(height):
        edge = Span(fit(marks.get(y, ""), gutter, "right") + _wall(y in marks, look), "axis")
        rows.append((edge, *_row(layers, stacks, height - 1 - y, look)))
    return fill([*rows, _times(columns, gutter, look)], size)


def _means(series: Series, columns: Grid) -> list[float | None]:
    """Mean of each column's samples, the last one carried over columns narrower than the sampling."""
    sums, counts = [0.0] * columns.count, [0] * columns.count
    at, value = series.between(columns.start(0), columns.start(columns.count))
    for when, amount in zip(at, value, strict=True):
        x = columns.index(when)
        if 0 <= x < columns.count:
            sums[x] += amount
            counts[x] += 1
    means = [s / n if n else None for s, n in zip(sums, counts, strict=True)]
    reach = _reach(at, columns.step)
    carried, age = None, 0
    for x, mean in enumerate(means):
        carried, age = (mean, 0) if mean is not None else (carried, age + 1)
        if mean is None and age <= reach:
            means[x] = carried
    return means


def _reach(at: Sequence[float], step: float) -> int:
    """Columns that one sample may stand for: the usual distance of samples, half as much again."""
    if len(at) < 2:
        return 0
    return int(1.5 * (at[-1] - at[0]) / (len(at) - 1) / step)


def _stack(values: Sequence[float], high: float, height: int) -> tuple[list[float], float]:
    """Upper edges of the layers in cells, and the top of the stack."""
    edges, total = [], 0.0
    for value in values:
        total += max(0.0, value)
        edges.append(total / high * height)
    return edges, edges[-1] if edges else 0.0


def _row(layers: Sequence[Layer], stacks: Sequence[tuple[list[float], float]], level: int, look: Look) -> Row:
    spans: list[Span] = []
    for edges, top in stacks:
        text, style = _cell(layers, edges, top, level, look)
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + text, style)
        else:
            spans.append(Span(text, style))
    return tuple(spans)


def _cell(
    layers: Sequence[Layer], edges: Sequence[float], top: float, level: int, look: Look
) -> tuple[str, str]:
    filled = min(1.0, top - level)
    if filled <= 1 / 16:
        return " ", ""
    middle = level + filled / 2
    index = next((i for i, edge in enumerate(edges) if edge >= middle), len(edges) - 1)
    return _sign(index, filled, look), _style(layers, index)


def _sign(index: int, filled: float, look: Look) -> str:
    if look.ascii_:
        return _LETTERS[index % 26]
    if filled < 1 and look.colour:
        return _EIGHTHS[max(1, round(filled * 8))]
    return "█" if look.colour else _SHADES[index % len(_SHADES)]


def _style(layers: Sequence[Layer], index: int) -> str:
    return layers[index].style or f"s{index % 8 + 1}"


def _wall(tick: bool, look: Look) -> str:
    if look.ascii_:
        return "+" if tick else "|"
    return "┤" if tick else "│"


def _times(columns: Grid, gutter: int, look: Look) -> Row:
    words = [" "] * columns.count
    for tick in time_ticks(columns, 1, look.tz):
        words[tick.cell : tick.cell + len(tick.text)] = tick.text
    return (Span(" " * (gutter + 1) + "".join(words), "axis"),)


def _legend(layers: Sequence[Layer], width: int, look: Look, unit: str) -> Row:
    """Signs, names and newest values of the layers, those that are not zero first."""
    pieces: list[Span] = []
    used = 0
    order = sorted(range(len(layers)), key=lambda i: not _newest(layers[i]))
    for index in order:
        text = f" {inert(layers[index].name)} {fmt.value(_newest(layers[index]), unit)}  "
        if used + cell_width(text) + 1 > width:
            break
        pieces += [Span(_sign(index, 1.0, look), _style(layers, index)), Span(text)]
        used += cell_width(text) + 1
    return line(width, *pieces)


def _newest(layer: Layer) -> float:
    last = layer.series.last
    return last.value if last else 0.0
