"""Building rows: padding, clipping, putting blocks beside each other, small still layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from perftui.draw.clean import cell_width, cut, fit
from perftui.draw.rows import Row, Rows, Size, Span

Piece = Span | str | tuple[str, str]


def span_of(piece: Piece) -> Span:
    """A span from a span, a plain string or a (text, style) pair."""
    if isinstance(piece, str):
        return Span(piece)
    return piece if isinstance(piece, Span) else Span(*piece)


def row_width(row: Iterable[Span]) -> int:
    """Cells a row occupies."""
    return sum(cell_width(span.text) for span in row)


def clip(row: Iterable[Span], width: int) -> Row:
    """The row in at most `width` cells; a span that is cut ends in `…`."""
    return tuple(_clipped(row, width)[0])


def _clipped(row: Iterable[Span], width: int) -> tuple[list[Span], int]:
    """The spans that fit, and the cells they leave."""
    out: list[Span] = []
    room = width
    for span in row:
        if not span.text:
            continue
        need = cell_width(span.text)
        if need > room:
            if room > 0:
                out.append(Span(fit(span.text, room), span.style))
                room = width - row_width(out)
            break
        out.append(span)
        room -= need
    return out, room


def pad(row: Iterable[Span], width: int, style: str = "") -> Row:
    """The row in exactly `width` cells, filled up with `style`."""
    clipped, room = _clipped(row, width)
    if room > 0:
        if clipped and clipped[-1].style == style:
            clipped[-1] = Span(clipped[-1].text + " " * room, style)
        else:
            clipped.append(Span(" " * room, style))
    return tuple(clipped)


def line(width: int, *pieces: Piece) -> Row:
    """One row of exactly `width` cells from spans, strings and (text, style) pairs."""
    return pad([span_of(piece) for piece in pieces], width)


def split(width: int, left: Sequence[Piece], right: Sequence[Piece]) -> Row:
    """One row with `left` at its start and `right` at its end; the left part gives way."""
    tail = clip([span_of(piece) for piece in right], width)
    room = width - row_width(tail)
    head = pad([span_of(piece) for piece in left], max(0, room - 1)) if room > 0 else ()
    gap = (Span(" "),) if room > 0 else ()
    return (*head, *gap, *tail)


def restyle(row: Iterable[Span], style: str) -> Row:
    """The row's text in one style, as one span."""
    return (Span("".join(span.text for span in row), style),)


def fill(rows: Iterable[Row], size: Size) -> Rows:
    """Exactly `size.height` rows of exactly `size.width` cells: cut and filled up with blanks."""
    out = [pad(row, size.width) for row, _ in zip(rows, range(size.height), strict=False)]
    blank = (Span(" " * size.width),)
    return out + [blank] * (size.height - len(out))


def beside(blocks: Sequence[tuple[Sequence[Row], int]], gap: int = 1) -> Rows:
    """Blocks (rows, width) next to each other with `gap` blank cells between, as high as the highest."""
    height = max((len(rows) for rows, _ in blocks), default=0)
    between = (Span(" " * gap),) if gap else ()
    out: Rows = []
    for y in range(height):
        row: Row = ()
        for index, (rows, width) in enumerate(blocks):
            row += (between if index else ()) + pad(rows[y] if y < len(rows) else (), width)
        out.append(row)
    return out


def stack(*blocks: Iterable[Row]) -> Rows:
    """Blocks one below the other."""
    return [row for block in blocks for row in block]


def wrap(text: str, width: int, style: str = "") -> Rows:
    """`text` broken at blanks into rows of at most `width` cells; longer words are cut."""
    out: list[str] = []
    current = ""
    for word in text.split():
        candidate = f"{current} {word}" if current else word
        if cell_width(candidate) <= width:
            current = candidate
            continue
        if current:
            out.append(current)
        current = cut(word, width)
    if current:
        out.append(current)
    return [(Span(text, style),) for text in out]


def pairs(items: Sequence[tuple[str, Piece]], size: Size, columns: int = 1, gap: int = 2) -> Rows:
    """Label and value pairs, values right-aligned, filled column by column."""
    columns = max(1, columns)
    per = -(-len(items) // columns) if items else 0
    width = max(1, (size.width - gap * (columns - 1)) // columns)
    blocks = [
        ([_pair(label, span_of(value), width) for label, value in items[i * per : (i + 1) * per]], width)
        for i in range(columns)
    ]
    return fill(beside(blocks, gap), size)


def _pair(label: str, value: Span, width: int) -> Row:
    tail = cut(value.text, width)
    room = width - cell_width(tail)
    head = fit(label, room - 1) + " " if room > 0 else ""
    return (Span(head, "muted"), Span(tail, value.style))


def message(size: Size, title: str, hint: str = "") -> Rows:
    """An empty state: what would be here, and the one line that brings it, in the middle."""
    width = max(1, size.width - 4)
    body = [*wrap(title, width), *wrap(hint, width, "muted")]
    top = max(0, (size.height - len(body)) // 2)
    rows: Rows = [()] * top
    for row in body:
        indent = " " * max(0, (size.width - row_width(row)) // 2)
        rows.append((Span(indent), *row))
    return fill(rows, size)
