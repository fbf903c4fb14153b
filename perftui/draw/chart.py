"""Line charts in braille: spikes kept, gaps kept, still between scrolls, readable without colour."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from perftui.analysis.buckets import Bucket, Grid, Window, extremes, gap_ends, grid, reduce
from perftui.draw import format as fmt
from perftui.draw.axis import Scale, TimeTick, labels, log_scale, time_ticks, value_scale
from perftui.draw.band import STYLE, Band, shade
from perftui.draw.braille import Canvas
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line, message, row_width
from perftui.model.series import Series, SeriesKey

LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LETTER_EVERY = 12  # cells between two letters on a line where colour cannot tell lines apart
_LEAST_WIDTH, _LEAST_HEIGHT = 16, 3
_RUN = re.compile(rb"([^\0])(?:\1|\0)*|\0+", re.DOTALL)  # cells of one owner, and blanks after them
_EXACT_RUN = re.compile(rb"(.)\1*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: times (epoch seconds, rising) and values of equal length.

    `style` "" takes `s1`, `s2`, … by position; `gap` is the silence in seconds that breaks the line
    (None: found from the sampling itself), `key` the recorded series it is, where it is one.
    """

    name: str
    at: Sequence[float]
    value: Sequence[float]
    style: str = ""
    gap: float | None = None
    key: SeriesKey | None = None

    @classmethod
    def of(cls, series: Series, name: str = "", style: str = "") -> Line:
        """The whole of a series as a line, named after its metric unless told otherwise."""
        at, value = series.between(-math.inf, math.inf)
        return cls(name or series.key.name, at, value, style, key=series.key)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A level drawn across the chart."""

    value: float
    style: str = "warn"
    label: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """An event on the time axis: `▾` at its instant."""

    at: float
    label: str = ""
    style: str = "accent"


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the parts of one picture share."""

    columns: Grid
    scale: Scale
    width: int  # cells of the plot
    height: int
    look: Look


def chart(
    lines: Sequence[Line],
    size: Size,
    window: Window,
    look: Look,
    *,
    unit: str = "1",
    thresholds: Sequence[Threshold] = (),
    marks: Sequence[Mark] = (),
    band: Band | None = None,
    cursor: float | None = None,
    log: bool = False,
    low: float | None = None,
    high: float | None = None,
) -> Rows:
    """Lines over time with a value axis in `unit`, a time axis in `look.tz`, and a legend for several.

    Every dot column shows minimum and maximum of its samples. `cursor` (epoch seconds) draws a line
    and reads exact values in the legend row. `low` and `high` fix the value axis.
    """
    if size.width < _LEAST_WIDTH or size.height < _LEAST_HEIGHT:
        return fill([_one_row(lines, size.width, unit)], size)
    styled = [_with_style(item, i) for i, item in enumerate(lines)]
    axis_rows = 2 if size.height >= 10 else 1
    told = size.height >= 4 and (len(lines) > 1 or cursor is not None)
    legend = _legend(styled, size.width, axis_rows, unit, look, cursor, window.end) if told else []
    height = size.height - axis_rows - len(legend)
    scale, ticks = _scale(styled, window, height, unit, thresholds, log, low, high)
    texts = labels(ticks, unit)
    gutter = min(max(6, *(cell_width(text) for text in texts)), size.width // 3)
    width = size.width - gutter - 1
    columns = grid(window, width * 2, group=2)
    frame = _Frame(columns, scale, width, height, look)
    plot = _plot(styled, frame, thresholds, band, cursor)
    rows: Rows = legend + _with_axis(plot, frame, ticks, texts, gutter)
    rows += _time_axis(frame, gutter, marks, axis_rows)
    return rows


def _with_style(item: Line, index: int) -> Line:
    return item if item.style else Line(item.name, item.at, item.value, f"s{index % 8 + 1}", item.gap)


def _one_row(lines: Sequence[Line], width: int, unit: str) -> Row:
    """What is left when there is no room: names and newest values."""
    parts = [
        f"{inert(item.name)} {fmt.value(item.value[-1] if item.value else None, unit)}" for item in lines
    ]
    return line(width, "  ".join(parts))


def _scale(
    lines: Sequence[Line],
    span: Window,
    height: int,
    unit: str,
    thresholds: Sequence[Threshold],
    log: bool,
    low: float | None,
    high: float | None,
) -> tuple[Scale, list[float]]:
    lowest, highest = _extremes(lines, span, positive=log)
    for threshold in thresholds:
        # a level far above the data would flatten it; it appears once the data comes near
        if highest < threshold.value <= 2 * highest:
            highest = threshold.value
    if log:
        return log_scale(low or lowest, high or highest)
    return value_scale(lowest, highest, max(1, min(6, height // 3)), unit, low, high)


def _extremes(lines: Sequence[Line], span: Window, positive: bool) -> tuple[float, float]:
    found = [extremes(item.at, item.value, span) for item in lines]
    if positive:  # a logarithmic axis has no place for zero
        found = [pair and (max(pair[0], pair[1] * 1e-6), pair[1]) for pair in found if pair and pair[1] > 0]
    known = [pair for pair in found if pair]
    if not known:
        return (0.001, 1.0) if positive else (0.0, 1.0)
    return min(low for low, _ in known), max(high for _, high in known)


def _plot(
    lines: Sequence[Line],
    frame: _Frame,
    thresholds: Sequence[Threshold],
    band: Band | None,
    cursor: float | None,
) -> Rows:
    canvas = Canvas(frame.width, frame.height)
    found = False
    for index in range(len(lines) - 1, -1, -1):  # the first line lies on top
        item = lines[index]
        buckets = reduce(item.at, item.value, frame.columns, item.gap)
        found = found or bool(buckets)
        _paint(canvas, buckets, frame, index + 1)
    if not found:
        return message(Size(frame.width, frame.height), "no data in this window")
    return _cells(canvas, lines, frame, thresholds, band, cursor)


def _paint(canvas: Canvas, buckets: dict[int, Bucket], frame: _Frame, owner: int) -> None:
    """One line: a bar from minimum to maximum in each column, joined to the one before."""
    place = frame.scale.placer(frame.height * 4)
    before = level = -1  # column and dot row where the line stands
    for column, bucket in buckets.items():
        top = bottom = last = place(bucket.high)
        if bucket.low != bucket.high:
            bottom, last = place(bucket.low), place(bucket.last)
        if before >= 0 and not bucket.after_gap:
            if before == column - 1:
                top, bottom = min(top, level), max(bottom, level)
            else:
                _join(canvas, (before, level), (column, place(bucket.first)), owner)
        canvas.bar(column, top, bottom, owner)
        before, level = column, last


def _join(canvas: Canvas, start: tuple[int, int], end: tuple[int, int], owner: int) -> None:
    """The dots between two columns that have samples and are neither neighbours nor parted by a gap."""
    (column, level), (last, target) = start, end
    previous = level
    for x in range(column + 1, last):
        y = level + round((target - level) * (x - column) / (last - column))
        canvas.bar(x, min(previous, y), max(previous, y), owner)
        previous = y


def _cells(
    canvas: Canvas,
    lines: Sequence[Line],
    frame: _Frame,
    thresholds: Sequence[Threshold],
    band: Band | None,
    cursor: float | None,
) -> Rows:
    """Dots to styled rows: one span for each run of one owner."""
    styles = ["", *(item.style for item in lines), *(t.style for t in thresholds), STYLE, "cursor"]
    rows = canvas.texts(frame.look.ascii_)
    if len(lines) > 1 and (frame.look.ascii_ or not frame.look.colour):
        _letter(canvas, rows, frame, len(lines))
    _levels(canvas, rows, frame, thresholds, len(lines) + 1)
    if band is not None:
        middle = frame.columns.step
        shade(
            rows,
            canvas,
            band,
            lambda x: frame.columns.start(2 * x) + middle,
            frame.scale,
            owner=len(styles) - 2,
            ascii_=frame.look.ascii_,
        )
    if cursor is not None:
        _upright(canvas, rows, frame, cursor, len(styles) - 1)
    return [_runs(row, owner, styles, len(styles) - 1) for row, owner in zip(rows, canvas.owner, strict=True)]


def _letter(canvas: Canvas, rows: list[str], frame: _Frame, count: int) -> None:
    """Names lines where colour cannot: everywhere in ASCII, else a letter every few cells.

    The cells are chosen by absolute time, so letters scroll with their line.
    """
    first = frame.columns.first // 2
    shift = max(1, _LETTER_EVERY // count)
    for y, owners in enumerate(canvas.owner):
        if not any(owners):
            continue
        cells = list(rows[y])
        for x, owner in enumerate(owners):
            if owner and (frame.look.ascii_ or (first + x - owner * shift) % _LETTER_EVERY == 0):
                cells[x] = LETTERS[(owner - 1) % 26]
        rows[y] = "".join(cells)


def _levels(
    canvas: Canvas, rows: list[str], frame: _Frame, thresholds: Sequence[Threshold], base: int
) -> None:
    dash = "-" if frame.look.ascii_ else "╌"
    for index, threshold in enumerate(thresholds):
        if not frame.scale.low <= threshold.value <= frame.scale.high:
            continue
        y = _cell_row(threshold.value, frame)
        owners = canvas.owner[y]
        free = [x for x, owner in enumerate(owners) if not owner]
        cells = list(rows[y])
        for x in free:
            cells[x] = dash
            owners[x] = base + index
        rows[y] = "".join(cells)


def _upright(canvas: Canvas, rows: list[str], frame: _Frame, cursor: float, owner: int) -> None:
    x = frame.columns.index(cursor) // 2
    if not 0 <= x < frame.width:
        return
    bar = "|" if frame.look.ascii_ else "│"
    for y, row in enumerate(rows):
        if row[x] == " ":
            rows[y] = row[:x] + bar + row[x + 1 :]
        canvas.owner[y][x] = owner


def _runs(row: str, owners: bytearray, styles: Sequence[str], cursor: int) -> Row:
    """Spans of one owner each; blank cells join whatever stands before them, but not the cursor."""
    top = max(owners, default=0)
    if top == cursor:
        runs = _EXACT_RUN
    elif owners.count(top) + (owners.count(0) if top else 0) == len(owners):
        return (Span(row, styles[top]),)
    else:
        runs = _RUN
    return tuple(
        Span(row[run.start() : run.end()], styles[owners[run.start()]]) for run in runs.finditer(owners)
    )


def _cell_row(value: float, frame: _Frame) -> int:
    return frame.scale.placer(frame.height * 4)(value) // 4


def _with_axis(plot: Rows, frame: _Frame, ticks: Sequence[float], texts: Sequence[str], gutter: int) -> Rows:
    at = {_cell_row(tick, frame): text for tick, text in zip(ticks, texts, strict=True)}
    tick, wall = ("+", "|") if frame.look.ascii_ else ("┤", "│")
    edges = [Span(" " * gutter + wall, "axis")] * len(plot)
    for y, text in at.items():
        edges[y] = Span(fit(text, gutter, "right") + tick, "axis")
    return [(edge, *row) for edge, row in zip(edges, plot, strict=True)]


def _time_axis(frame: _Frame, gutter: int, marks: Sequence[Mark], rows: int) -> Rows:
    ticks = time_ticks(frame.columns, 2, frame.look.tz)
    words = [" "] * frame.width
    for tick in ticks:
        words[tick.cell : tick.cell + len(tick.text)] = tick.text
    below: Row = (Span(" " * (gutter + 1) + "".join(words), "axis"),)
    if rows == 1:
        return [_marked(list(below[0].text), frame, gutter + 1, marks)]
    return [_marked(_rule(frame, gutter, ticks), frame, gutter + 1, marks), below]


def _rule(frame: _Frame, gutter: int, ticks: Sequence[TimeTick]) -> list[str]:
    corner, dash, tick = ("+", "-", "+") if frame.look.ascii_ else ("└", "─", "┬")
    rule = [" "] * gutter + [corner] + [dash] * frame.width
    for item in ticks:
        rule[gutter + 1 + item.cell] = tick
    return rule


def _marked(cells: list[str], frame: _Frame, left: int, marks: Sequence[Mark]) -> Row:
    """An axis row with the event marks that fall into the window."""
    styles = ["axis"] * len(cells)
    for mark in marks:
        x = frame.columns.index(mark.at) // 2
        if 0 <= x < frame.width:
            cells[left + x] = "^" if frame.look.ascii_ else "▾"
            styles[left + x] = mark.style
    spans: list[Span] = []
    start = 0
    for style, group in groupby(styles):
        length = sum(1 for _ in group)
        spans.append(Span("".join(cells[start : start + length]), style))
        start += length
    return tuple(spans)


def value_at(item: Line, at: float) -> float | None:
    """The sample nearest to an instant; None where the line has a gap there or does not reach."""
    if not item.at:
        return None
    index = bisect_left(item.at, at)
    if index == len(item.at) or (index and at - item.at[index - 1] <= item.at[index] - at):
        index -= 1
    following = index + 1 if at > item.at[index] else index
    if following in gap_ends(item.at, item.gap):
        return None
    usual = item.gap or (
        2 * (item.at[-1] - item.at[0]) / max(1, len(item.at) - 1) if len(item.at) > 1 else 60.0
    )
    value = item.value[index]
    return value if abs(item.at[index] - at) <= usual and value - value == 0 else None


def _legend(
    lines: Sequence[Line],
    width: int,
    most: int,
    unit: str,
    look: Look,
    cursor: float | None,
    end: float,
) -> Rows:
    """Names with their values: the newest, or with a cursor its instant and the values there.

    In one row where they fit, else in `most` at most, without columns.
    """
    named = look.ascii_ or not look.colour
    head = [Span(fmt.stamp(cursor, look.tz)[5:] + "  ", "accent bold")] if cursor is not None else []
    parts: list[tuple[Span, str, str]] = []
    for index, item in enumerate(lines):
        sign = LETTERS[index % 26] if named else "━"
        stop = bisect_left(item.at, end + 1e-9) if end != math.inf else len(item.at)
        newest = item.value[stop - 1] if stop else None
        amount = newest if cursor is None else value_at(item, cursor)
        parts.append((Span(f"{sign} ", item.style), inert(item.name), fmt.value(amount, unit)))
    one: list[Span] = [*head]
    for sign_, name, value in parts:
        one += [sign_, Span(f"{name} {fit(value, 9)} ")]
    if cell_width("".join(span.text for span in one).rstrip()) <= width:
        return [line(width, *one)]
    rows: Rows = []
    row = head
    for sign_, name, value in parts:
        more = [*([Span("  ")] if row and row != head else []), sign_, Span(f"{name} {value}")]
        if len(rows) + 1 < most and row_width([*row, *more]) > width:
            rows, row, more = [*rows, line(width, *row)], [], more[-2:]
        row = [*row, *more]
    return [*rows, line(width, *row)]


__all__ = ["Line", "Mark", "Threshold", "Window", "chart", "value_at"]
