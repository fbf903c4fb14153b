"""A cluster's hash slots as cells: whose they are, which nobody serves, which cells owners share."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill

Owned = tuple[tuple[int, int], int]
"""First and last slot, and the number of who holds them; -1: nobody."""

NOBODY = "!"
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
    gutter = len(str(total - 1)) + 1
    width = size.width - gutter
    if width < 1 or size.height < 1:
        return fill([], size)
    each = -(-total // (width * size.height))
    while total % each:  # whole cells: the last is as large as the first
        each += 1
    cells = [_cell(ranges, first, first + each) for first in range(0, total, each)]
    rows: Rows = []
    for begin in range(0, len(cells), width):
        head = Span(f"{begin * each:>{gutter - 1}} ", "axis")
        rows.append((head, *_row(cells[begin : begin + width], look)))
    return fill(rows, size)


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


def _row(cells: Sequence[tuple[int, bool]], look: Look) -> Row:
    spans: list[Span] = []
    for owner, shared in cells:
        if owner < 0:
            text, word = NOBODY, "crit reverse"
        elif look.colour and not look.ascii_:
            text, word = "▒" if shared else "█", style(owner)
        else:
            text, word = "/" if shared else mark(owner), style(owner)
        if spans and spans[-1].style == word:
            spans[-1] = Span(spans[-1].text + text, word)
        else:
            spans.append(Span(text, word))
    return tuple(spans)
