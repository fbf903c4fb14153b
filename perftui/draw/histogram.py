"""How values are spread: bars over buckets, with quantiles marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.draw.chart import Threshold
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, message

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ASCII = " ..::||##"


@dataclass(frozen=True, slots=True)
class Bin:
    """A bucket: values from `low` to `high` were seen `count` times."""

    low: float
    high: float
    count: float


def histogram(
    bins: Sequence[Bin], size: Size, look: Look, *, unit: str = "s", marks: Sequence[Threshold] = ()
) -> Rows:
    """Bars of equal width in the order given (log-spaced buckets look log), edges below.

    `marks` (value and label) point at the bucket that holds them. More buckets than cells are merged.
    """
    gutter = 7
    width = size.width - gutter - 1
    mark_row = 1 if marks and size.height >= 4 else 0
    height = size.height - 1 - mark_row
    if not bins or width < 1 or height < 1:
        return message(size, "no values yet")
    merged = _merged(bins, width)
    each = max(1, width // len(merged))
    peak = max(item.count for item in merged)
    rows: Rows = [_marks(merged, marks, each, gutter, width, look)] if mark_row else []
    for y in range(height):
        label = fmt.number(peak) if y == 0 else "0" if y == height - 1 and height > 1 else ""
        edge = fit(label, gutter, "right") + ("|" if look.ascii_ else "│")
        rows.append((Span(edge, "axis"), Span(_bars(merged, height - 1 - y, height, peak, each, look), "s1")))
    rows.append(_edges(merged, each, gutter, width, unit))
    return fill(rows, size)


def _merged(bins: Sequence[Bin], width: int) -> list[Bin]:
    group = -(-len(bins) // width)
    out: list[Bin] = []
    for start in range(0, len(bins), group):
        part = bins[start : start + group]
        out.append(Bin(part[0].low, part[-1].high, sum(item.count for item in part)))
    return out


def _bars(bins: Sequence[Bin], level: int, height: int, peak: float, each: int, look: Look) -> str:
    """The cells of one row; a bucket that has anything shows at least an eighth."""
    glyphs = _ASCII if look.ascii_ else _EIGHTHS
    cells: list[str] = []
    for item in bins:
        eighths = round(item.count / peak * height * 8) if peak > 0 else 0
        eighths = max(eighths, 1) if item.count > 0 else 0
        part = glyphs[min(8, max(0, eighths - level * 8))]
        cells.append(part * (each - 1) + " " if each >= 4 else part * each)
    return "".join(cells)


def _edges(bins: Sequence[Bin], each: int, gutter: int, width: int, unit: str) -> Row:
    cells = [" "] * width
    free = 0
    for index, item in enumerate(bins):
        text = fmt.value(item.low, unit)
        at = index * each
        if at >= free and at + cell_width(text) <= width:
            cells[at : at + len(text)] = text
            free = at + len(text) + 2
    return (Span(" " * (gutter + 1) + "".join(cells), "axis"),)


def _marks(
    bins: Sequence[Bin], marks: Sequence[Threshold], each: int, gutter: int, width: int, look: Look
) -> Row:
    cells = [" "] * width
    for mark in marks:
        found = next((i for i, b in enumerate(bins) if b.low <= mark.value <= b.high), None)
        if found is None:
            continue
        text = ("v" if look.ascii_ else "▾") + inert(mark.label, 12)
        at = min(found * each + each // 2, max(0, width - len(text)))
        cells[at : at + len(text)] = text[: width - at]
    return (Span(" " * (gutter + 1)), Span("".join(cells), "accent"))
