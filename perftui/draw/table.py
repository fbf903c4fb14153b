"""Tables as rows: columns that know their value, their text, and what gives way when it gets narrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perftui.draw.clean import fit, inert
from perftui.draw.rows import Look, Row, Rows, Size, Span
from perftui.draw.text import fill

Cell = str | tuple[str, str]
_GAP_WIDE = 100  # columns of terminal from which two cells part the columns


def plain_text(value: Any) -> str:
    """A value as its own text: `–` for None, made inert."""
    return "–" if value is None else inert(str(value))


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `format` turns the true value into text or (text, style).

    `value` reads it from an item (default: the attribute or mapping entry called `key`). `order` is
    what to sort by where that is not it (default: where it is neither plain nor a tuple of figures, what
    is shown). `priority` 1 is never dropped; the highest number drops first when the width does not do.
    `grow` takes what is left over. `width` is in cells.
    """

    key: str
    title: str
    format: Callable[[Any], Cell] = plain_text
    value: Callable[[Any], Any] | None = None
    width: int = 10
    align: str = "left"
    priority: int = 1
    grow: bool = False
    help: str = ""
    hidden: bool = False
    order: Callable[[Any], Any] | None = None

    def of(self, item: Any) -> Any:
        """The true value in an item."""
        if self.value is not None:
            return self.value(item)
        return item.get(self.key) if isinstance(item, Mapping) else getattr(item, self.key, None)

    def datum(self, item: Any) -> Any:
        """The true value where it is a plain one, else what is shown: what an export writes."""
        value = self.of(item)
        plain = value is None or isinstance(value, str | int | float | bytes)
        return value if plain else self.text(item)

    def rank(self, item: Any) -> Any:
        """What to sort an item by."""
        if self.order is not None:
            return self.order(item)
        value = self.of(item)
        figures = isinstance(value, tuple) and value and all(isinstance(one, int | float) for one in value)
        return value if figures else self.datum(item)

    def cell(self, item: Any) -> tuple[str, str]:
        """What is shown for an item: inert text and style."""
        shown = self.format(self.of(item))
        text, style = (shown, "") if isinstance(shown, str) else shown
        return (text if text.isprintable() else inert(text)), style

    def text(self, item: Any) -> str:
        """What is shown, without its style."""
        return self.cell(item)[0]


Fitted = list[tuple[Column, int]]


def gap_of(width: int) -> int:
    """Cells between columns."""
    return 2 if width >= _GAP_WIDE else 1


def fit_columns(columns: Sequence[Column], width: int) -> Fitted:
    """The columns that fit into `width` cells and the cells each gets, in their order."""
    gap = gap_of(width)
    kept = list(columns)
    while len(kept) > 1 and sum(c.width for c in kept) + gap * (len(kept) - 1) > width:
        last = max(range(len(kept)), key=lambda i: (kept[i].priority, i))
        if kept[last].priority <= 1:
            break
        del kept[last]
    spare = width - sum(c.width for c in kept) - gap * (len(kept) - 1)
    growing = [i for i, c in enumerate(kept) if c.grow] or ([0] if spare < 0 else [])
    widths = [c.width for c in kept]
    for turn, index in enumerate(growing):
        share = spare // len(growing) + (turn < spare % len(growing))
        widths[index] = max(4, widths[index] + share)
    return list(zip(kept, widths, strict=True))


def header_row(
    fitted: Fitted, width: int, look: Look, sort: str | None = None, reverse: bool = False, active: str = ""
) -> Row:
    """Titles, the sorted one with its direction, the active one underlined."""
    down, up = ("v", "^") if look.ascii_ else ("▼", "▲")
    spans: list[Span] = []
    for column, cells in fitted:
        title = column.title
        style = "muted bold"
        if column.key == sort:
            style = "accent bold"
            sign = down if reverse else up
            title = sign + title if column.align == "right" else title + sign
        if column.key == active:
            style += " underline"
        spans.append(Span(fit(title, cells, column.align), style))
    return _spaced(spans, width)


def body_row(fitted: Fitted, item: Any, width: int) -> Row:
    """One item."""
    spans: list[Span] = []
    for column, cells in fitted:
        text, style = column.cell(item)
        spans.append(Span(fit(text, cells, column.align), style))
    return _spaced(spans, width)


def _spaced(spans: Sequence[Span], width: int) -> Row:
    """Spans with the gap between them, neighbours of one style joined."""
    gap = " " * gap_of(width)
    out: list[Span] = []
    for index, span in enumerate(spans):
        text = span.text + gap if index < len(spans) - 1 else span.text
        if out and out[-1].style == span.style and "underline" not in span.style:
            out[-1] = Span(out[-1].text + text, span.style)
        elif "underline" in span.style:
            out += [span, Span(text[len(span.text) :])]
        else:
            out.append(Span(text, span.style))
    return tuple(out)


def sort_items(items: Sequence[Any], column: Column, reverse: bool = False) -> list[Any]:
    """Items by a column's rank, those without one last in either direction; stable."""
    known: list[tuple[Any, Any]] = []
    unknown: list[Any] = []
    for item in items:
        value = column.rank(item)
        if value is None or value != value:  # noqa: PLR0124 - NaN
            unknown.append(item)
        else:
            known.append((value, item))
    try:
        known.sort(key=lambda pair: pair[0], reverse=reverse)
    except TypeError:  # mixed types have no order of their own
        known.sort(key=lambda pair: str(pair[0]), reverse=reverse)
    return [item for _, item in known] + unknown


def table(
    columns: Sequence[Column],
    items: Sequence[Any],
    size: Size,
    look: Look,
    *,
    sort: str | None = None,
    reverse: bool = False,
) -> Rows:
    """A still table: titles and as many items as fit, for cards and text."""
    shown = [c for c in columns if not c.hidden]
    fitted = fit_columns(shown, size.width)
    by = next((c for c in columns if c.key == sort), None)
    ordered = sort_items(items, by, reverse) if by else list(items)
    head = header_row(fitted, size.width, look, sort, reverse)
    return fill([head, *(body_row(fitted, item, size.width) for item in ordered[: size.height - 1])], size)
