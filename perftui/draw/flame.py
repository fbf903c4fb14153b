"""Flame graphs in cells: one row a depth, names in their bars, never wider than their parent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple
from zlib import crc32

from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, cut, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span

_HUES = 8


class FlameRect(NamedTuple):
    """One bar, in cells. `share` is of the whole profile; `id` is the caller's.

    `gathered` > 1: a heap of that many frames too narrow to draw. `group` chooses the hue
    (a package, a file); `pale` marks what is not one's own code.
    """

    depth: int
    x: int
    width: int
    name: str
    share: float
    id: int
    gathered: int = 1
    group: str = ""
    pale: bool = False


def flame(
    rects: Iterable[FlameRect],
    size: Size,
    look: Look,
    *,
    first: int = 0,
    selected: int | None = None,
    hits: Collection[int] = (),
    up: bool = False,
) -> Rows:
    """Rows for depths `first` … `first + size.height - 1`, root on top unless `up`.

    The selected bar is reverse with an arrow, matches are lit with `*`; bars that overlap or leave
    the picture are cut.
    """
    by_depth: dict[int, list[FlameRect]] = {}
    for rect in rects:
        if first <= rect.depth < first + size.height:
            by_depth.setdefault(rect.depth, []).append(rect)
    rows: Rows = []
    for depth in range(first, first + size.height):
        bars = sorted(by_depth.get(depth, ()), key=lambda r: r.x)
        rows.append(_row(bars, size.width, look, selected, hits))
    return rows[::-1] if up else rows


def _row(bars: list[FlameRect], width: int, look: Look, selected: int | None, hits: Collection[int]) -> Row:
    spans: list[Span] = []
    at = 0
    for turn, rect in enumerate(bars):
        start = max(at, rect.x)
        end = min(width, rect.x + rect.width)
        if end <= start:
            continue
        if start > at:
            spans.append(Span(" " * (start - at)))
        spans.append(_bar(rect, end - start, turn, look, selected, hits))
        at = end
    if at < width:
        spans.append(Span(" " * (width - at)))
    return tuple(spans)


def _bar(
    rect: FlameRect, width: int, turn: int, look: Look, selected: int | None, hits: Collection[int]
) -> Span:
    here, hit = rect.id == selected and rect.gathered == 1, rect.id in hits and rect.gathered == 1
    text = fit(_label(rect, width, here, hit, look), width)
    if rect.gathered > 1:
        return Span(text, "faint")
    if here:
        return Span(text, "cursor bold")
    if hit:
        return Span(text, "hit")
    if not look.colour:
        return Span(text, "text reverse" if turn % 2 == 0 else "text underline")
    return Span(text, "muted reverse" if rect.pale else f"{hue(rect.group or rect.name)} reverse")


def _label(rect: FlameRect, width: int, here: bool, hit: bool, look: Look) -> str:
    """Name, clipped, and the share where both fit; edges are kept apart by the leading sign."""
    if rect.gathered > 1:
        dot = "." if look.ascii_ else "·"
        return f"{dot}{rect.gathered}" if width > len(str(rect.gathered)) else dot * width
    sign = (">" if look.ascii_ else "▸") if here else "*" if hit else "|" if look.ascii_ else "▏"
    if width < 3:
        return sign
    name = inert(rect.name, 200)
    share = " " + fmt.ratio(rect.share)
    room = width - 1 - cell_width(share)
    if cell_width(name) <= room:
        return sign + fit(name, room) + share
    return sign + cut(name, width - 1)


def hue(group: str) -> str:
    """The series style of a group: the same in every run and on every machine."""
    return f"s{crc32(group.encode(errors='replace')) % _HUES + 1}"


def rect_at(rects: Iterable[FlameRect], depth: int, x: int) -> FlameRect | None:
    """The bar under a cell."""
    return next((r for r in rects if r.depth == depth and r.x <= x < r.x + r.width), None)
