"""Shares of a whole as tiles whose areas they are, each with its interval in figures and as a paler end.

A tile is told apart by its frame, so it needs no colour: name on top, share and interval below, then a bar as
wide as the upper end of the interval, solid up to the lower one. Tiles are laid out squarified (Bruls,
Huizing, van Wijk, Squarified Treemaps, 2000); a cell counts as twice as high as wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from perftui.draw import format as fmt
from perftui.draw.clean import cell_width, fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, message

ASPECT = 2.0
NARROWEST, WIDE = 9, 15  # cells of a tile that tells something, and of one that does in two rows
LITTLE = 0.05  # what may be left to a line below
SOLID, PALE = "▓", "░"


@dataclass(frozen=True, slots=True)
class Tile:
    """One part: its name, its share and the half-width of that share's interval, and more to say of it."""

    name: str
    share: float
    error: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Rect:
    """Where a tile is, in cells."""

    x: int
    y: int
    width: int
    height: int


def treemap(tiles: Sequence[Tile], size: Size, look: Look, *, selected: str | None = None) -> Rows:
    """The tiles, largest first; those too small for one are told together, in the last or a line below.

    The selected one has an arrow and is lit.
    """
    known = sorted((tile for tile in tiles if tile.share > 0), key=lambda tile: -tile.share)
    if not known or size.width < NARROWEST or size.height < 1:
        return message(size, "nothing to show")
    shown, below = gathered(known, size)
    rest = [(Span(f"  {below.name}, {_words(below)} together", "muted"),)] if below else []
    size = Size(size.width, size.height - len(rest))
    places = layout([tile.share for tile in shown], size)
    drawn = [
        (rect, _tile(tile, rect, f"s{number % 8 + 1}", look, here=tile.name == selected))
        for number, (tile, rect) in enumerate(zip(shown, places, strict=True))
    ]
    drawn.sort(key=lambda pair: pair[0].x)
    rows: list[Row] = []
    for y in range(size.height):
        here = [rows_[y - rect.y] for rect, rows_ in drawn if rect.y <= y < rect.y + rect.height]
        rows.append(tuple(span for part in here for span in part))
    return fill([*rows, *rest], Size(size.width, size.height + len(rest)))


def gathered(tiles: Sequence[Tile], size: Size) -> tuple[list[Tile], Tile | None]:
    """As many of the largest tiles as can be read, the rest as the last of them; if little, beside them."""
    whole = sum(tile.share for tile in tiles)
    lower = Size(size.width, size.height - 1)
    for kept in range(len(tiles), 0, -1):
        shown, rest = list(tiles[:kept]), tiles[kept:]
        if not rest:
            if _legible(shown, size):
                return shown, None
            continue
        # Errors of parts are added up: how far they go together is not known.
        share, error = sum(tile.share for tile in rest), sum(tile.error for tile in rest)
        more = Tile(f"{fmt.count(len(rest))} more", share, min(error, share))
        if _legible([*shown, more], size):
            return [*shown, more], None
        if share < LITTLE * whole and _legible(shown, lower):
            return shown, more
    return list(tiles[:1]), None


def _legible(tiles: Sequence[Tile], size: Size) -> bool:
    if size.height < 1:
        return False
    rects = layout([tile.share for tile in tiles], size)
    return all(r.width >= NARROWEST and r.height >= (2 if r.width >= WIDE else 3) for r in rects)


def layout(shares: Sequence[float], size: Size) -> list[Rect]:
    """A rectangle for each share, largest first, that together fill the size."""
    whole = sum(shares)
    width, height = float(size.width), size.height * ASPECT
    areas = [share / whole * width * height for share in shares]
    out: list[tuple[float, float, float, float]] = []
    x = y = 0.0
    at = 0
    while at < len(areas):
        room_w, room_h = width - x, height - y
        short = max(0.0, min(room_w, room_h))
        count = 1
        while at + count < len(areas) and _worst(areas[at : at + count + 1], short) <= _worst(
            areas[at : at + count], short
        ):
            count += 1
        some = areas[at : at + count]
        thick = sum(some) / short if short else 0.0
        along = y if room_w >= room_h else x
        for area in some:
            long = area / thick if thick else 0.0
            out.append((x, along, thick, long) if room_w >= room_h else (along, y, long, thick))
            along += long
        x, y = (x + thick, y) if room_w >= room_h else (x, y + thick)
        at += count
    return [_rounded(*one) for one in out]


def _worst(areas: Sequence[float], short: float) -> float:
    """The worst aspect ratio of a row of these along a side."""
    total = sum(areas)
    ratios = [short * short * area / total**2 for area in areas]
    return max(max(ratio, 1 / ratio) if ratio else math.inf for ratio in ratios)


def _rounded(x: float, y: float, width: float, height: float) -> Rect:
    left, right = round(x), round(x + width)
    top, bottom = round(y / ASPECT), round((y + height) / ASPECT)
    return Rect(left, top, right - left, bottom - top)


def _tile(tile: Tile, rect: Rect, hue: str, look: Look, *, here: bool) -> Rows:
    """A frame at the top and the left; those at the right and the bottom are the neighbours'."""
    corner, edge, dash = ("+", "|", "-") if look.ascii_ else ("┌", "│", "─")
    share = _words(tile)
    name, room = inert(tile.name, 200), max(0, rect.width - 2)
    if rect.height == 1:
        words = f"{name} {share}"
        name = words if cell_width(words) < room else name
    label = fit(name, min(cell_width(name), room))
    sign = (">" if look.ascii_ else "▸") if here else dash
    rest = max(0, room - cell_width(label) - 1)
    title = (
        Span(corner + sign, hue),
        Span(label + " " * (cell_width(label) < room), "cursor" if here else "title"),
    )
    rows: Rows = [(*title, Span(dash * rest, hue))]
    inner = max(0, rect.width - 1)
    texts = (
        [share] if cell_width(share) <= inner else [share.partition(" ±")[0], f"± {fmt.ratio(tile.error)}"]
    )
    texts += [tile.text] if tile.text and rect.height > len(texts) + 2 else []
    rows += [(Span(edge, hue), Span(fit(text, inner), "text")) for text in texts[: rect.height - 1]]
    solid, pale = ends(tile, max(0, inner - 1))
    bar = (Span(edge, hue), Span(SOLID * solid, hue), Span(PALE * pale, hue))
    blank = Span(" " * (inner - solid - pale))
    return rows + [(*bar, blank)] * (rect.height - len(rows))


def _words(tile: Tile) -> str:
    return fmt.ratio(tile.share) + (f" ± {fmt.ratio(tile.error)}" if tile.error else "")


def ends(tile: Tile, cells: int) -> tuple[int, int]:
    """Cells up to the lower end of its interval, and from there to the upper one, which takes them all."""
    low, high = max(0.0, tile.share - tile.error), min(1.0, tile.share + tile.error)
    solid = round(low / high * cells) if high else 0
    return solid, cells - solid
