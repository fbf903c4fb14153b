"""Counts by the hour, and the part of each that was of use: bars that need no colour."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw import format as fmt
from perftui.draw.clean import fit
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, message

GUTTER = 6


def partof(pairs: Sequence[tuple[int, int]], hour: int, size: Size, look: Look) -> Rows:
    """A bar for each pair of a whole and its part, the newest at the right, with hours of the day below.

    `hour` is the newest one's, counted from the epoch. What little there is of a count fills a cell at least.
    Where there is no room for all, the newest are drawn.
    """
    width, height = size.width - GUTTER - 1, size.height - 1
    most = max((whole for whole, _ in pairs), default=0)
    if width < 1 or height < 1 or not most:
        return message(size, "nothing in the last day")
    shown = pairs[-min(len(pairs), width) :]
    each = max(1, width // len(shown))
    bar = max(1, each - 1)
    heights = [(_cells(whole, most, height), _cells(part, most, height)) for whole, part in shown]
    rows: Rows = []
    for level in range(height, 0, -1):
        label = fmt.count(most) if level == height else "0" if level == 1 and height > 1 else ""
        edge = fit(label, GUTTER, "right") + ("|" if look.ascii_ else "│")
        rows.append((Span(edge, "axis"), *(_cell(level, *pair, bar, each, look) for pair in heights)))
    rows.append(_hours(len(shown), hour, each))
    return fill(rows, size)


def _cells(count: int, most: int, height: int) -> int:
    return max(1, round(count / most * height)) if count > 0 else 0


def _cell(level: int, whole: int, part: int, bar: int, each: int, look: Look) -> Span:
    if level <= part:
        return Span(("#" if look.ascii_ else "█") * bar + " " * (each - bar), "s1")
    if level <= whole:
        return Span((":" if look.ascii_ else "░") * bar + " " * (each - bar), "warn")
    return Span(" " * each)


def _hours(shown: int, hour: int, each: int) -> Row:
    """An hour of the day below every third bar, or fewer where they would touch."""
    every = next(n for n in (3, 6, 12, 24) if n * each >= 3 or n == 24)
    text = ""
    for place in range(shown):
        of_day = (hour - shown + 1 + place) % 24
        if of_day % every == 0 and len(text) <= place * each:
            text = text.ljust(place * each) + f"{of_day:02}"
    return (Span(" " * (GUTTER + 1)), Span(text[: shown * each].ljust(shown * each), "axis"))
