"""The line-API base of all data widgets: rows in, changed lines out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.filter import LineFilter
from textual.geometry import Region
from textual.geometry import Size as Cells
from textual.strip import Strip
from textual.widget import Widget

from perftui.draw.ascii import ascii_row, ascii_rows
from perftui.draw.palette import Palette, palette
from perftui.draw.rows import Look, Row, Rows, Size
from perftui.draw.text import message, row_width
from perftui.widgets.guard import BUGS, failed

_DEFAULT_LOOK = Look()
NO_GROUND = Style.null()


def strip_of(row: Row, colours: Palette, muted: bool = False, ground: Style = NO_GROUND) -> Strip:
    """A row as Textual draws it, on a background of its own where `ground` has one."""
    return _strip(row, colours, muted, row_width(row), ground)


@lru_cache(maxsize=64)
def _strip(row: Row, colours: Palette, muted: bool, width: int, ground: Style) -> Strip:
    return Strip(
        [Segment(text, _on(ground, colours.style(words, muted))) for text, words in row if text], width
    )


@lru_cache(maxsize=1024)
def _on(ground: Style, style: Style) -> Style:
    return ground + style


class LineWidget(Widget):
    """A widget drawn from `rows(size, look)`; only lines that differ from the last picture are refreshed.

    Subclasses override `rows` and call `redraw` when their data changed. The picture is drawn again
    by itself when the size or the look changes. Nothing is drawn while the widget has no size.
    """

    DEFAULT_CSS = """
    LineWidget { width: 1fr; height: 1fr; }
    """
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None, focusable: bool = False) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.can_focus = focusable
        self._rows: Rows = []
        self._muted_from = 1 << 30  # first row drawn muted
        self._drawn_with: tuple[Look, Cells] | None = None
        self._painted: dict[int, tuple[Row, bool, Strip]] = {}
        self._painted_on: tuple[object, ...] = ()

    def rows(self, size: Size, look: Look) -> Rows:
        """The picture: rows for exactly `size`. Pure apart from the widget's own state."""
        raise NotImplementedError

    @property
    def colours(self) -> Palette:
        """The application's palette, dark when it has none."""
        found: Any = getattr(self.app, "palette", None)
        return found if isinstance(found, Palette) else palette("dark")

    @property
    def look(self) -> Look:
        """How to draw, as the application says."""
        found: Any = getattr(self.app, "look", None)
        return found if isinstance(found, Look) else _DEFAULT_LOOK

    @property
    def drawn(self) -> Rows:
        """The rows on screen, for tests and text export."""
        return self._rows

    def let_go(self) -> None:
        """Forget the picture; it is drawn again when somebody looks."""
        self._rows, self._drawn_with = [], None
        self._painted.clear()

    def redraw(self) -> None:
        """Draw again and refresh the lines that changed."""
        if not self.is_attached or self.size.area == 0:
            self._drawn_with = None
            return
        before, muted_before = self._rows, self._muted_from
        self._draw()
        if len(before) != len(self._rows) or muted_before != self._muted_from:
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, self._rows, strict=True)) if old != new]
        if changed:
            self.refresh(*_bands(changed, self.size.width))

    @property
    def is_current(self) -> bool:
        """Whether the picture on screen was drawn for this size and look."""
        return self._drawn_with is not None and self._drawn_with == (self.look, self.size)

    def replace_row(self, y: int, row: Row) -> None:
        """Put one row into the picture and refresh its line if it differs."""
        row = ascii_row(row) if self.look.ascii_ else row
        if self._rows[y] != row:
            self._rows[y] = row
            self.refresh(Region(0, y, self.size.width, 1))

    def _draw(self) -> None:
        size, look = self.size, self.look
        self._drawn_with = (look, size)
        cells = Size(size.width, size.height)
        try:
            rows = self.rows(cells, look)
        except BUGS as error:
            rows = message(cells, failed(error, self.id or type(self).__name__))
        self._rows = ascii_rows(rows) if look.ascii_ else rows

    def on_resize(self, event: events.Resize) -> None:
        """A new size is a new picture."""
        self.redraw()

    @property
    def ground(self) -> Style:
        """The background under every span that has none; null where the terminal's own shows."""
        return self._ground_on(*self.background_colors)

    def _ground_on(self, below: Color, own: Color) -> Style:
        if not self.colours.background:
            return NO_GROUND
        return Style.from_color(bgcolor=(below + own).rich_color)

    def render_line(self, y: int) -> Strip:
        """One line of the picture, drawn now if size or look changed since."""
        if not self.is_current:
            self._draw()
        return self._line(y, self.ground)

    def _line(self, y: int, ground: Style) -> Strip:
        if y >= len(self._rows):
            return Strip.blank(self.size.width, ground)
        return _strip(self._rows[y], self.colours, y >= self._muted_from, self.size.width, ground)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines as the compositor takes them: finished ones are kept until their row changes.

        Textual's own cache runs every line through every filter on each update; most of the cost of
        a chart that changes in its last column was there. Borders, padding and opacity are its job.
        """
        if self.styles.gutter or self.opacity != 1:
            return super().render_lines(crop)
        if not self.is_current:
            self._draw()
        below, own = self.background_colors  # asked once: it walks up to the screen
        filters, ground = tuple(self.get_line_filters()), self._ground_on(below, own)
        key = (self.colours, self.size, ground, filters)
        if key != self._painted_on:
            self._painted.clear()
            self._painted_on = key
        strips = [self._finished(y, ground, filters, own) for y in crop.line_range]
        if crop.column_span != (0, self.size.width):
            strips = [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def _finished(self, y: int, ground: Style, filters: Sequence[LineFilter], below: Color) -> Strip:
        row = self._rows[y] if y < len(self._rows) else ()
        muted = y >= self._muted_from
        kept = self._painted.get(y)
        if kept is not None and kept[0] == row and kept[1] == muted:
            return kept[2]
        strip = self._line(y, ground)
        for each in filters:
            strip = strip.apply_filter(each, below)
        self._painted[y] = (row, muted, strip)
        return strip


def let_go(hidden: Widget) -> None:
    """Forget all pictures at and below a widget that is not on screen any more.

    A line costs some 5 kB with Textual's caches in it and around it, those of blank grounds too, and a
    console has 26 tabs of some five layers.
    """
    for widget in hidden.walk_children(Widget, with_self=True):
        widget._styles_cache.clear()  # noqa: SLF001 - Textual itself forgets only when something changes
        if isinstance(widget, LineWidget):
            widget.let_go()


def _bands(lines: Sequence[int], width: int) -> list[Region]:
    """Neighbouring lines as one region: the compositor works by region."""
    bands: list[Region] = []
    for y in lines:
        if bands and bands[-1].bottom == y:
            bands[-1] = Region(0, bands[-1].y, width, bands[-1].height + 1)
        else:
            bands.append(Region(0, y, width, 1))
    return bands
