"""How a whole is divided: one bar of parts and a legend that needs no colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill

_SHADES = "█▓▒░▚"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its name, its amount (not negative) and its style word."""

    name: str
    value: float
    style: str = ""


def stackedbar(
    parts: Sequence[Part], size: Size, look: Look, *, unit: str = "1", total: float | None = None
) -> Rows:
    """A bar as wide as the size and the legend below it, with amounts and shares.

    `total` above the sum leaves the rest of the bar empty (a limit not yet used up).
    """
    whole = max(total or 0.0, sum(part.value for part in parts))
    cells = allot([part.value for part in parts], whole, size.width)
    bar: Row = tuple(
        Span(_sign(i, look) * n, _style(part, i))
        for i, (part, n) in enumerate(zip(parts, cells, strict=True))
    )
    rest = size.width - sum(cells)
    bar = (*bar, Span(("." if look.ascii_ else "·") * rest, "faint"))
    return fill([bar, *_legend(parts, whole, size.width, look, unit)], size)


def allot(values: Sequence[float], whole: float, width: int) -> list[int]:
    """Cells for each value so that they add up to the rounded share of the whole (largest remainders)."""
    if whole <= 0 or width <= 0:
        return [0] * len(values)
    exact = [max(0.0, value) / whole * width for value in values]
    cells = [int(share) for share in exact]
    missing = min(width, round(sum(exact))) - sum(cells)
    by_rest = sorted(range(len(values)), key=lambda i: exact[i] - cells[i], reverse=True)
    for index in by_rest[: max(0, missing)]:
        cells[index] += 1
    return cells


def _style(part: Part, index: int) -> str:
    return part.style or f"s{index % 8 + 1}"


def _sign(index: int, look: Look) -> str:
    if look.ascii_:
        return _LETTERS[index % 26]
    return "█" if look.colour else _SHADES[index % len(_SHADES)]


def _legend(parts: Sequence[Part], whole: float, width: int, look: Look, unit: str) -> Rows:
    rows: Rows = []
    row: list[Span] = []
    used = 0
    for index, part in enumerate(parts):
        share = fmt.ratio(part.value / whole if whole > 0 else None)
        text = f" {inert(part.name)} {fmt.value(part.value, unit)} ({share})  "
        need = 1 + cell_width(text)
        if row and used + need > width:
            rows.append(tuple(row))
            row, used = [], 0
        row += [Span(_sign(index, look), _style(part, index)), Span(text)]
        used += need
    return [*rows, tuple(row)] if row else rows
