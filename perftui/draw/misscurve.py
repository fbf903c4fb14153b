"""What a cache of each size would hit: one line over the logarithm of sizes, its error, now and a cursor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from perftui.analysis.misscurves import Advice, advice, at
from perftui.draw import format as fmt
from perftui.draw.axis import Scale, labels, value_scale
from perftui.draw.band import ASCII_SHADE, SHADE, STYLE
from perftui.draw.braille import Canvas
from perftui.draw.clean import cell_width, fit
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill, line, message
from perftui.model.misscurve import MissCurve, Point

LEAST = Size(24, 6)
_LABEL = 11  # cells from one size's label to the next


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things lie: cells of the plot, its sizes from end to end, its ratios."""

    width: int
    height: int
    first: float
    last: float
    scale: Scale

    def size_at(self, share: float) -> float:
        """Entries at a share of the width."""
        return self.first * math.exp(math.log(self.last / self.first) * share)

    def cell(self, entries: float) -> int:
        """The cell a size lies in."""
        share = math.log(max(entries, 1e-9) / self.first) / math.log(self.last / self.first)
        return min(self.width - 1, max(0, int(share * (self.width - 1) + 0.5)))


@dataclass(frozen=True, slots=True)
class Price:
    """What a GB (10^9 bytes) costs, and in what; 0: nothing is told in money."""

    per_gb: float = 0.0
    currency: str = ""

    def of(self, bytes_: float) -> str:
        """` 0.16` for so many bytes; nothing without a price."""
        if not self.per_gb or not bytes_:
            return ""
        money = bytes_ / 1e9 * self.per_gb
        return f" {money:,.2f}" if money >= 1 else f" {money:.3g}"


def misscurve(
    curve: MissCurve, size: Size, look: Look, *, cursor: int | None = None, price: Price | None = None
) -> Rows:
    """Hit ratio by size with its error shaded; `▾` is the size now, `◆` the recommended one.

    The first row reads the size under the `cursor` (entries; None: the present size), the second says which
    size is recommended, in money too where there is a `price`.
    """
    said, price = advice(curve), price or Price()
    here = at(curve, curve.room if cursor is None else cursor)
    reading = [
        line(size.width, *_reading(curve, here, said.now, price)),
        line(size.width, (_recommended(curve, said, price), "text")),
    ]
    if size.width < LEAST.width or size.height < LEAST.height or len(curve.points) < 2:
        return fill(reading, size)
    lows = [max(0.0, 1 - p.miss_ratio - p.error) for p in curve.points]
    highs = [min(1.0, 1 - p.miss_ratio + p.error) for p in curve.points]
    height = size.height - 4
    scale, ticks = value_scale(min(lows), max(highs), max(1, min(6, height // 3)), "ratio", None, None)
    texts = labels(ticks, "ratio")
    gutter = min(max(6, *(cell_width(text) for text in texts)), size.width // 3)
    ends = curve.points[0].entries, curve.points[-1].entries
    frame = _Frame(size.width - gutter - 1, height, *ends, scale)
    named = dict(zip((_row_of(tick, frame) for tick in ticks), texts, strict=True))
    plot = _plot(curve, frame, look, cursor)
    wall, tick = ("|", "+") if look.ascii_ else ("│", "┤")
    edges = [fit(named.get(y, ""), gutter, "right") + (tick if y in named else wall) for y in range(height)]
    rows = [(Span(edge, "axis"), *row) for edge, row in zip(edges, plot, strict=True)]
    return fill(
        [*reading, *rows, _rule(curve, said, frame, gutter, look), _sizes(curve, frame, gutter)], size
    )


def nothing(size: Size) -> Rows:
    """The empty state: what would be here, and what brings it."""
    return message(
        size,
        "No node publishes a curve yet: would show what half or twice the memory of L1 would hit",
        'attach the library: Cache("shop", l2="redis://HOST:6379/0"), then await cache.get_or_set(key, load)',
    )


def size_text(curve: MissCurve, entries: float) -> str:
    """A size in bytes where those are known, else in entries."""
    return fmt.bytes_(entries * curve.entry_bytes) if curve.entry_bytes else fmt.count(round(entries))


def _recommended(curve: MissCurve, said: Advice, price: Price) -> str:
    """`recommended: 9.6 MiB for 0.04, now 38.1 MiB for 0.16, -0.3 points (EUR a month)`."""

    def told(entries: int, bytes_: float | None) -> str:
        size = fmt.bytes_(bytes_) if bytes_ is not None else f"{fmt.count(entries)} entries"
        money = price.of(bytes_ or 0.0)
        return f"{size} for{money}" if money else size

    if said.entries == curve.room:
        best = f"recommended: stay at {told(said.entries, said.bytes_then)}"
    else:
        change = 100 * (said.now.miss_ratio - said.then.miss_ratio)
        best = f"recommended: {told(said.entries, said.bytes_then)}, now {told(curve.room, said.bytes_now)}"
        best += f", {change:+.1f} points"
    money = f" ({price.currency})" if price.currency and price.of(said.bytes_now or 0.0) else ""
    return best + money + ("; a larger one may bring more" if said.open_end else "")


def _reading(curve: MissCurve, here: Point, now: Point, price: Price) -> tuple[Span, ...]:
    size = curve.entry_bytes * here.entries
    bytes_ = f" {fmt.bytes_(size)}{price.of(size)}" if curve.entry_bytes else ""
    factor = here.entries / curve.room
    hit = f"hit {fmt.ratio(1 - here.miss_ratio)} ± {100 * here.error:.1f} points"
    change = 100 * (now.miss_ratio - here.miss_ratio)
    than = "" if here.entries == now.entries else f", {change:+.1f} to now"
    return (
        Span(f"{fmt.count(here.entries)} entries{bytes_} ({factor:.3g}x)  ", "accent bold"),
        Span(hit + than),
    )


def _row_of(ratio: float, frame: _Frame) -> int:
    return frame.scale.placer(frame.height * 4)(ratio) // 4


def _plot(curve: MissCurve, frame: _Frame, look: Look, cursor: int | None) -> Rows:
    canvas = Canvas(frame.width, frame.height)
    place = frame.scale.placer(frame.height * 4)
    before = place(1 - curve.points[0].miss_ratio)
    for column in range(2 * frame.width):
        level = place(1 - at(curve, frame.size_at(column / max(1, 2 * frame.width - 1))).miss_ratio)
        canvas.bar(column, min(level, before), max(level, before), 1)
        before = level
    cells = [list(row) for row in canvas.texts(look.ascii_)]
    styles = [["s1" if owner else "" for owner in owners] for owners in canvas.owner]
    _shade(curve, frame, look, cells, styles, place)
    if cursor is not None:
        x, bar = frame.cell(cursor), "|" if look.ascii_ else "│"
        for row, style in zip(cells, styles, strict=True):
            row[x], style[x] = (bar if row[x] in {" ", SHADE, ASCII_SHADE} else row[x]), "cursor"
    return [_spans(row, style) for row, style in zip(cells, styles, strict=True)]


def _shade(
    curve: MissCurve,
    frame: _Frame,
    look: Look,
    cells: list[list[str]],
    styles: list[list[str]],
    place: Callable[[float], int],
) -> None:
    """The 95 % interval, where the line itself is not."""
    for x in range(frame.width):
        point = at(curve, frame.size_at(x / max(1, frame.width - 1)))
        top, bottom = (place(1 - point.miss_ratio + by) // 4 for by in (point.error, -point.error))
        for y in range(top, bottom + 1):
            if not styles[y][x]:
                cells[y][x], styles[y][x] = (ASCII_SHADE if look.ascii_ else SHADE), STYLE


def _spans(cells: list[str], styles: list[str]) -> Row:
    out, start = [], 0
    for style, group in groupby(styles):
        stop = start + len(list(group))
        out.append(Span("".join(cells[start:stop]), style))
        start = stop
    return tuple(out)


def _rule(curve: MissCurve, said: Advice, frame: _Frame, gutter: int, look: Look) -> Row:
    corner, dash, now, best = ("+", "-", "^", "*") if look.ascii_ else ("└", "─", "▾", "◆")
    cells, styles = [dash] * frame.width, ["axis"] * frame.width
    for entries, sign in ((said.entries, best), (curve.room, now)):
        x = frame.cell(entries)
        cells[x], styles[x] = sign, "accent bold"
    return (Span(" " * gutter + corner, "axis"), *_spans(cells, styles))


def _sizes(curve: MissCurve, frame: _Frame, gutter: int) -> Row:
    """Sizes below the rule, from the left as many as have room."""
    cells = [" "] * frame.width
    for x in range(0, frame.width, _LABEL):
        text = size_text(curve, frame.size_at(x / max(1, frame.width - 1)))
        if x + cell_width(text) <= frame.width:
            cells[x : x + len(text)] = text
    return (Span(" " * (gutter + 1) + "".join(cells), "axis"),)
