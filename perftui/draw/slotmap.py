"""A cluster's hash slots as cells: whose they are, which nobody serves, how many keys or how much traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from perftui.draw.heatmap import shade
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line

Owned = tuple[tuple[int, int], int]
"""First and last slot, and the number of who holds them; -1: nobody."""

NOBODY, UNKNOWN = "!", "?"
HEAT, HEAT_ASCII = " ·░▒▓█", " .:+%#"
HEAT_STYLES = ("", "h1", "h2", "h3", "h4", "h5")
HEAT_WORDS = ("<2%", "<10%", "<30%", "<60%")
"""What the shades but the darkest are parts of: the hottest cell."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_COLOURS = 8


def mark(index: int) -> str:
    """The letter of the nth owner; those beyond the letters share `+`."""
    return _LETTERS[index] if 0 <= index < len(_LETTERS) else "+"


def style(index: int) -> str:
    """The colour of the nth owner."""
    return f"s{index % _COLOURS + 1}"


def slotmap(ranges: Sequence[Owned], size: Size, look: Look, *, total: int = 16_384) -> Rows:
    """The slots row by row, as many a cell as fit; each row begins with its first slot.

    `ranges` are in order and without gaps. A slot nobody serves shows in its cell however few there are; a
    cell that two owners share is drawn lighter.
    """

    def glyph(first: int, end: int) -> Span:
        return _glyph(*_cell(ranges, first, end), look)

    return _cells(glyph, size, total, 1)


def slotheat(
    ranges: Sequence[Owned],
    values: Sequence[float],
    size: Size,
    look: Look,
    *,
    text: Callable[[float], str],
    total: int = 16_384,
) -> Rows:
    """The same with each cell as dark as its part of the hottest one; below them what the shades mean.

    `values` are of as many slots each, negative where nothing is known; `text` writes what a cell has.
    """
    group = total // len(values)
    below = Size(size.width, size.height - 1)
    each, _ = _each(below, total, group)
    sums = [_sum(values, first // group, (first + each) // group) for first in range(0, total, each)]
    top = max(sums, default=0.0)
    glyphs = HEAT_ASCII if look.ascii_ else HEAT

    def glyph(first: int, end: int) -> Span:
        if _cell(ranges, first, end)[0] < 0:
            return Span(NOBODY, "crit reverse")
        value = sums[first // each]
        level = shade(value / top) if top > 0 else 0
        return Span(UNKNOWN, "muted") if value < 0 else Span(glyphs[level], HEAT_STYLES[level])

    rows = _cells(glyph, below, total, group)
    if top <= 0:
        legend = line(size.width, ("      nothing to show: no figure, or none above 0", "muted"))
    else:
        first = sums.index(top) * each
        legend = line(size.width, *_legend(f"{text(top)} in slots {first}-{first + each - 1}", glyphs))
    return [*rows, legend][: size.height]


def _legend(top: str, glyphs: str) -> list[Span]:
    spans = [Span("      ")]
    for level, word in enumerate(HEAT_WORDS, 1):
        spans += [Span(glyphs[level], HEAT_STYLES[level]), Span(f" {word}  ", "muted")]
    return [*spans, Span(glyphs[-1], HEAT_STYLES[-1]), Span(f" up to {top}", "muted")]


def _each(size: Size, total: int, least: int) -> tuple[int, int]:
    """Slots a cell, and cells a row; a cell has whole groups of `least`, the last as many as the first."""
    width = size.width - len(str(total - 1)) - 1
    each = max(least, -(-total // max(1, width * size.height)))
    while total % each or each % least:
        each += 1
    return each, width


def _cells(glyph: Callable[[int, int], Span], size: Size, total: int, least: int) -> Rows:
    gutter = len(str(total - 1)) + 1
    if size.width <= gutter or size.height < 1:
        return fill([], size)
    each, width = _each(size, total, least)
    rows: Rows = []
    for begin in range(0, total, each * width):
        head = Span(f"{begin:>{gutter - 1}} ", "axis")
        firsts = range(begin, min(total, begin + each * width), each)
        rows.append((head, *_joined([glyph(first, first + each) for first in firsts])))
    return fill(rows, size)


def _joined(cells: Sequence[Span]) -> Row:
    """Neighbours of one style as one span."""
    groups = groupby(cells, key=lambda cell: cell.style)
    return tuple(Span("".join(cell.text for cell in group), word) for word, group in groups)


def _sum(values: Sequence[float], first: int, end: int) -> float:
    """Of those that are known; negative where none is."""
    known = [value for value in values[first:end] if value >= 0]
    return sum(known) if known else -1.0


def _cell(ranges: Sequence[Owned], first: int, end: int) -> tuple[int, bool]:
    """The owner of most slots of a cell and whether others have some; -1 when one slot is nobody's."""
    held: dict[int, int] = {}
    for (low, high), owner in ranges:
        inside = min(high + 1, end) - max(low, first)
        if inside > 0:
            held[owner] = held.get(owner, 0) + inside
    if -1 in held:
        return -1, False
    return max(held, key=lambda owner: held[owner]), len(held) > 1


def _glyph(owner: int, shared: bool, look: Look) -> Span:
    if owner < 0:
        return Span(NOBODY, "crit reverse")
    if look.colour and not look.ascii_:
        return Span("▒" if shared else "█", style(owner))
    return Span("/" if shared else mark(owner), style(owner))
