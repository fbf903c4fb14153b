"""The world in outline with places on it, and the same places as a list where there is no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from perftui.draw.braille import Canvas
from perftui.draw.clean import cell_width, cut, inert
from perftui.draw.coast import COASTS
from perftui.draw.palette import glyph, state_span, state_style
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.table import Column, table
from perftui.draw.text import message

NORTH, SOUTH = 78.0, -58.0  # latitudes shown
LIST_BELOW = 60  # cells of width under which the list says more than the map
_WEIGHTS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Place:
    """Something somewhere: degrees north and east, `size` 0…1, a state word, and a figure in words."""

    name: str
    lat: float
    lon: float
    size: float = 0.0
    state: str = "ok"
    figure: str = ""


def worldmap(places: Sequence[Place], size: Size, look: Look, *, cursor: str | None = None) -> Rows:
    """Coasts in dots and places as state glyph, size and name; the worst states win a contested cell."""
    if size.width < LIST_BELOW or size.height < 10:
        return place_list(places, size, look)
    rows = [list(text) for text in coast(size, look.ascii_)]
    styles = [["grid"] * size.width for _ in rows]
    rank = {"ok": 0, "live": 0, "waiting": 1, "late": 2, "warn": 3, "crit": 4, "lost": 5}
    taken: set[tuple[int, int]] = set()
    for place in sorted(places, key=lambda p: (p.name != cursor, -rank.get(p.state, 2), -p.size)):
        x, y = cell_of(place, size)
        if (x, y) in taken:
            continue
        style = "cursor" if place.name == cursor else state_style(place.state)
        label = cut(_label(place, look), size.width - x)
        free = not any((cx, y) in taken for cx in range(x, x + cell_width(label) + 1))
        _put(rows[y], styles[y], x, label if free else glyph(place.state, look), style)
        taken |= {(cx, y) for cx in range(x, x + (cell_width(label) if free else 1))}
    return [_joined(cells, row) for cells, row in zip(rows, styles, strict=True)]


def _label(place: Place, look: Look) -> str:
    weight = str(min(9, round(place.size * 9))) if look.ascii_ else _WEIGHTS[min(7, round(place.size * 7))]
    return glyph(place.state, look) + weight + inert(place.name, 16)


def _put(cells: list[str], styles: list[str], x: int, text: str, style: str) -> None:
    at = x
    for char in text:
        wide = cell_width(char)
        if at + wide > len(cells) or wide == 0:
            break
        cells[at : at + wide] = [char, *[""] * (wide - 1)]
        styles[at : at + wide] = [style] * wide
        at += wide


def _joined(cells: list[str], styles: list[str]) -> Row:
    spans: list[Span] = []
    for char, style in zip(cells, styles, strict=True):
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + char, style)
        else:
            spans.append(Span(char, style))
    return tuple(spans)


def cell_of(place: Place, size: Size) -> tuple[int, int]:
    """Column and row of a place (equirectangular)."""
    x = int((place.lon + 180) / 360 * size.width)
    y = int((NORTH - place.lat) / (NORTH - SOUTH) * size.height)
    return min(max(0, x), size.width - 1), min(max(0, y), size.height - 1)


@lru_cache(maxsize=8)
def coast(size: Size, ascii_: bool = False) -> tuple[str, ...]:
    """The outline of the continents in braille (or `.'`), drawn once a size."""
    canvas = Canvas(size.width, size.height)
    wide, high = size.width * 2 - 1, size.height * 4 - 1
    for line in COASTS:
        dots = [
            ((lon + 180) / 360 * wide, (NORTH - lat) / (NORTH - SOUTH) * high)
            for lon, lat in zip(line[::2], line[1::2], strict=True)
        ]
        for start, end in pairwise(dots):
            _stroke(canvas, start, end, (wide, high))
    return tuple(canvas.texts(ascii_))


def _stroke(
    canvas: Canvas, start: tuple[float, float], end: tuple[float, float], bounds: tuple[int, int]
) -> None:
    steps = max(1, round(max(abs(end[0] - start[0]), abs(end[1] - start[1]))))
    for step in range(steps + 1):
        x = round(start[0] + (end[0] - start[0]) * step / steps)
        y = round(start[1] + (end[1] - start[1]) * step / steps)
        if 0 <= x <= bounds[0] and 0 <= y <= bounds[1]:
            canvas.bar(x, y, y, 1)


def place_list(places: Sequence[Place], size: Size, look: Look) -> Rows:
    """The places as a table, the worst state first."""
    if not places:
        return message(size, "no places yet")
    order = ("lost", "crit", "refused", "warn", "late", "waiting", "ok", "live", "off")

    def state_cell(word: str) -> tuple[str, str]:
        span = state_span(word, look)
        return span.text, span.style

    columns = [
        Column("name", "Place", width=12, grow=True),
        Column("state", "State", state_cell, width=10),
        Column("figure", "Figure", width=14, align="right", priority=2),
        Column("lat", "Lat", lambda v: f"{v:.1f}", width=6, align="right", priority=4),
        Column("lon", "Lon", lambda v: f"{v:.1f}", width=6, align="right", priority=4),
    ]
    ranked = sorted(places, key=lambda p: (order.index(p.state) if p.state in order else 5, -p.size, p.name))
    return table(columns, ranked, size, look)
