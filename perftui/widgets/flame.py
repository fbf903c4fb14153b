"""A flame graph that turns keys and clicks into steps; where the reader stands is the screen's to keep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from perftui.draw.flame import FlameRect, flame, rect_at
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import message
from perftui.widgets.panel import Panel

Layout = Callable[[int, int, int], Sequence[FlameRect]]
"""(width in cells, first depth, number of depths) -> bars, so that only what is seen is laid out."""


class FlamePanel(Panel):
    """Bars of a profile. A move inside the picture repaints the rows of both bars and nothing else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "step('child')", "Into the heaviest child", show=False, id="flame.child"),
        Binding("up", "step('parent')", "To the caller", show=False, id="flame.parent"),
        Binding("left", "step('left')", "Sibling left", show=False, id="flame.left"),
        Binding("right", "step('right')", "Sibling right", show=False, id="flame.right"),
        Binding(
            "shift+left", "step('left-any')", "Sibling left, also slivers", show=False, id="flame.leftany"
        ),
        Binding(
            "shift+right", "step('right-any')", "Sibling right, also slivers", show=False, id="flame.rightany"
        ),
        Binding("enter", "step('zoom')", "Zoom in", show=False, id="flame.zoom"),
        Binding("escape,backspace", "step('unzoom')", "Zoom out", show=False, id="flame.unzoom"),
    ]

    class Stepped(Message):
        """A key asks for a step: child parent left right left-any right-any zoom unzoom."""

        def __init__(self, panel: FlamePanel, word: str) -> None:
            super().__init__()
            self.panel, self.word = panel, word

    class Picked(Message):
        """A bar was clicked; `zoom` on a double click."""

        def __init__(self, panel: FlamePanel, id_: int, zoom: bool) -> None:
            super().__init__()
            self.panel, self.id, self.zoom = panel, id_, zoom

    def __init__(
        self,
        title: str = "",
        *,
        note: str = "",
        empty: str = "no profile yet",
        hint: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(title, note=note, id=id, classes=classes, focusable=True)
        self.empty, self.hint = empty, hint
        self._layout_of: Layout | None = None
        self._selected: int | None = None
        self._depth = 0
        self._hits: Collection[int] = ()
        self._up = False
        self._first = 0
        self._bars: Sequence[FlameRect] = ()
        self._laid: tuple[Layout | None, int, int, int] | None = None
        self._zoomed = False

    def set_flame(
        self,
        layout: Layout | None,
        *,
        selected: int | None = None,
        depth: int = 0,
        hits: Collection[int] = (),
        up: bool = False,
        zoomed: bool = False,
    ) -> None:
        """Draw this layout with the bar `selected` (at `depth`) in sight.

        Hand over the same function object while the bars are the same: they are then not laid out
        again. `up` puts the root at the bottom; `zoomed` lets escape zoom out instead of leaving.
        """
        self._layout_of, self._selected, self._depth = layout, selected, depth
        self._hits, self._up, self._zoomed = hits, up, zoomed
        self.redraw()

    @property
    def page(self) -> int:
        """Depths that fit."""
        return max(1, self.size.height - (1 if self._title else 0))

    def body(self, size: Size, look: Look) -> Rows:
        """The visible depths."""
        if self._layout_of is None:
            return message(size, self.empty, self.hint)
        if self._depth < self._first:
            self._first = self._depth
        elif self._depth >= self._first + size.height:
            self._first = self._depth - size.height + 1
        wanted = (self._layout_of, size.width, self._first, size.height)
        if self._laid != wanted:
            self._bars = self._layout_of(size.width, self._first, size.height)
            self._laid = wanted
        return flame(
            self._bars, size, look, first=self._first, selected=self._selected, hits=self._hits, up=self._up
        )

    def scroll_rows(self, by: int) -> None:
        """Look further down or up without moving the selection out of sight."""
        first = max(0, self._first + by)
        self._first = min(max(first, self._depth - self.page + 1), max(0, self._depth))
        self.redraw()

    def action_step(self, word: str) -> None:
        """A key's step."""
        if self._layout_of is not None:
            if self._up and word in ("child", "parent"):
                word = "parent" if word == "child" else "child"
            self.post_message(self.Stepped(self, word))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape belongs to the graph only while it is zoomed."""
        if action == "step" and parameters == ("unzoom",) and not self._zoomed:
            return False
        return super().check_action(action, parameters)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel looks deeper."""
        event.stop()
        self.scroll_rows(-3 if self._up else 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel looks up again."""
        event.stop()
        self.scroll_rows(3 if self._up else -3)

    def on_click(self, event: events.Click) -> None:
        """A click selects, a second one zooms."""
        row = event.y - (1 if self._title else 0)
        depth = self._first + (self.page - 1 - row if self._up else row)
        found = rect_at(self._bars, depth, event.x)
        if row >= 0 and found is not None:
            self.post_message(self.Picked(self, found.id, event.chain == 2))
