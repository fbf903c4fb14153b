"""What happened, on one axis: a lane a kind, moments as signs and spans as bars."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby

from perftui.analysis.buckets import Grid, Window, grid
from perftui.draw.axis import time_ticks
from perftui.draw.clean import fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill

NAMES = 10


@dataclass(frozen=True, slots=True)
class Item:
    """One happening in epoch seconds; `end` None: a moment; `open_`: it still lasts."""

    key: Hashable
    start: float
    end: float | None = None
    open_: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind: its name, the sign of a moment (with one for plain terminals) and its style."""

    name: str
    items: Sequence[Item]
    sign: str = "●"
    plain: str = "*"
    style: str = "s1"


def lanes(
    rows: Sequence[Lane], size: Size, window: Window, look: Look, *, cursor: float | None = None
) -> Rows:
    """One row a lane and a time axis; more than one moment in a cell shows how many (`+`: over nine).

    `cursor` is an instant, marked through all lanes.
    """
    width = max(1, size.width - NAMES - 1)
    columns = grid(window, width)
    lit = columns.index(cursor) if cursor is not None else -1
    drawn: Rows = [_lane(lane, columns, lit, look) for lane in rows[: max(0, size.height - 1)]]
    cells = [" "] * width
    for tick in time_ticks(columns, 1, look.tz):
        cells[tick.cell : tick.cell + len(tick.text)] = tick.text
    drawn.append((Span(" " * (NAMES + 1)), Span("".join(cells), "axis")))
    return fill(drawn, size)


def _lane(lane: Lane, columns: Grid, lit: int, look: Look) -> Row:
    rest = "." if look.ascii_ else "·"
    cells: list[tuple[str, str]] = [(rest, "faint")] * columns.count
    moments: dict[int, int] = {}
    for item in lane.items:
        if item.end is None and not item.open_:
            place = columns.index(item.start)
            moments[place] = moments.get(place, 0) + 1
        else:
            _bar(cells, item, columns, lane.style, look)
    sign = lane.plain if look.ascii_ else lane.sign
    for place, number in moments.items():
        if 0 <= place < columns.count:
            text = sign if number == 1 else str(number) if number < 10 else "+"
            cells[place] = (text, f"{lane.style} bold")
    if 0 <= lit < columns.count:
        cells[lit] = (cells[lit][0], "cursor")
    name = Span(fit(inert(lane.name), NAMES) + " ", "muted")
    spans = (
        Span("".join(text for text, _ in group), style)
        for style, group in groupby(cells, key=lambda cell: cell[1])
    )
    return (name, *spans)


def _bar(cells: list[tuple[str, str]], item: Item, columns: Grid, style: str, look: Look) -> None:
    """At least one cell; an arrow where it goes on outside."""
    first = columns.index(item.start)
    last = columns.count if item.open_ else columns.index(item.end or item.start)
    if first >= columns.count or last < 0:
        return
    sign, left, right = ("=", "<", ">") if look.ascii_ else ("━", "◂", "▸")
    for place in range(max(0, first), min(last, columns.count - 1) + 1):
        cells[place] = (sign, style)
    if first < 0:
        cells[0] = (left, style)
    if last >= columns.count:
        cells[-1] = (right, style)
