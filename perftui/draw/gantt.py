"""Work over time as bars on one axis: spans of a trace, steps of a run."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from perftui.analysis.buckets import Window
from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, restyle


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `start` and `end` in seconds on any clock, `depth` indents its name.

    `heavy` draws it as part of the critical path; `note` stands at the end of the row (default: its
    duration).
    """

    key: Hashable
    name: str
    start: float
    end: float
    style: str = "s1"
    depth: int = 0
    heavy: bool = False
    failed: bool = False
    note: str = ""


def gantt(
    bars: Sequence[Bar],
    size: Size,
    window: Window,
    look: Look,
    *,
    cursor: Hashable | None = None,
    offset: int = 0,
) -> Rows:
    """A ruler of offsets and one row a bar; bars outside the window leave an arrow at its edge."""
    note = min(10, size.width // 5)
    names = max(8, min(40, size.width // 3))
    width = max(1, size.width - names - note - 2)
    rows: Rows = [_ruler(window, names, width, look)]
    for item in bars[offset : offset + max(0, size.height - 1)]:
        row = _bar_row(item, (names, width, note), window, look)
        rows.append(restyle(row, "cursor") if item.key == cursor else row)
    return fill(rows, size)


def _bar_row(item: Bar, widths: tuple[int, int, int], window: Window, look: Look) -> Row:
    names, width, note = widths
    sign = "x " if item.failed and look.ascii_ else "✗ " if item.failed else ""
    name = fit(" " * min(item.depth, names // 2) + sign + inert(item.name), names)
    text = item.note or fmt.duration(item.end - item.start)
    return (
        Span(name + " ", "crit bold" if item.failed else ""),
        Span(bar_cells(item, width, window, look), "crit" if item.failed else item.style),
        Span(" " + fit(text, note, "right"), "muted"),
    )


def bar_cells(item: Bar, width: int, window: Window, look: Look) -> str:
    """The bar in `width` cells: at least one cell long, arrows where it leaves the window."""
    span = window.span or 1.0
    first = (item.start - window.start) / span * width
    last = (item.end - window.start) / span * width
    left, right = ("<", ">") if look.ascii_ else ("◂", "▸")
    if last < 0:
        return left + " " * (width - 1)
    if first >= width:
        return " " * (width - 1) + right
    begin = min(max(0, int(first)), width - 1)
    length = max(1, min(width, round(last)) - begin)
    sign = ("=" if item.heavy else "-") if look.ascii_ else ("━" if item.heavy else "─")
    body = sign * length
    if first < 0:
        body = left + body[1:]
    if round(last) > width:
        body = body[:-1] + right
    return " " * begin + body + " " * (width - begin - length)


def _ruler(window: Window, names: int, width: int, look: Look) -> Row:
    cells = [" "] * width
    tick = "|" if look.ascii_ else "╵"
    for part in range(4):
        at = part * width // 4
        text = tick + fmt.duration(window.span * part / 4)
        if cell_width(text) < width // 4 or part == 0:
            cells[at : at + len(text)] = list(text)[: width - at]
    return (Span(" " * (names + 1) + "".join(cells), "axis"),)
