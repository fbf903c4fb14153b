"""A heat map whose cells can be read one by one."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from perftui.draw.heatmap import Heat, heatmap
from perftui.draw.rows import Look, Rows, Size
from perftui.widgets.panel import Panel


class HeatmapPanel(Panel):
    """A heat map; arrows move a cursor that stays with its instant while the picture scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1, 0)", "Cursor back", show=False, id="heatmap.back"),
        Binding("right", "move(1, 0)", "Cursor on", show=False, id="heatmap.on"),
        Binding("up", "move(0, 1)", "Bucket above", show=False, id="heatmap.up"),
        Binding("down", "move(0, -1)", "Bucket below", show=False, id="heatmap.down"),
        Binding("escape", "cursor_off", "Cursor off", show=False, id="heatmap.off"),
    ]

    class Moved(Message):
        """The cursor covers [start, end) and one bucket; all None: taken away."""

        def __init__(
            self, panel: HeatmapPanel, start: float | None, end: float | None, row: int | None
        ) -> None:
            super().__init__()
            self.panel, self.start, self.end, self.row = panel, start, end, row

    def __init__(
        self,
        title: str = "",
        *,
        unit: str = "s",
        note: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(title, note=note, id=id, classes=classes, focusable=True)
        self.unit = unit
        self._heat = Heat((), (), ())
        self._at: float | None = None  # where the cursor's column begins
        self._row = 0

    def set_heat(self, heat: Heat) -> None:
        """Draw this."""
        self._heat = heat
        self.redraw()

    @property
    def cursor(self) -> tuple[int, int] | None:
        """Column and row under the cursor in the data, None when there is none."""
        columns = len(self._heat.counts)
        if self._at is None or not columns:
            return None
        column = sum(1 for start in self._heat.times[:columns] if start <= self._at + 1e-6) - 1
        return max(0, column), min(self._row, self._heat.height - 1)

    def body(self, size: Size, look: Look) -> Rows:
        """The map."""
        return heatmap(self._heat, size, look, unit=self.unit, cursor=self.cursor)

    def cursor_move(self, down: int) -> None:
        """Move by buckets, as the keys of all tables do."""
        self.go(0, -down)

    def column_move(self, by: int) -> None:
        """Move by columns."""
        self.go(by, 0)

    def go(self, by: int, up: int) -> None:
        """Move by columns and buckets; the first move puts the cursor on the newest column."""
        heat, here = self._heat, self.cursor
        if not heat.counts:
            return
        if here is None:
            here, by, up = (len(heat.counts) - 1, heat.height // 2), 0, 0
        column = min(max(0, here[0] + by), len(heat.counts) - 1)
        self._row = min(max(0, here[1] + up), heat.height - 1)
        self._at = heat.times[column]
        self.redraw()
        self.post_message(self.Moved(self, heat.times[column], heat.times[column + 1], self._row))

    def action_move(self, by: int, up: int) -> None:
        """Arrows."""
        self.go(by, up)

    def action_cursor_off(self) -> None:
        """Take the cursor away."""
        self._at = None
        self.redraw()
        self.post_message(self.Moved(self, None, None, None))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape belongs to the map only while it has a cursor."""
        if action == "cursor_off" and self._at is None:
            return False
        return super().check_action(action, parameters)
