"""The miss ratio curves of several namespaces, one at a time, with a cursor that changes the size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.binding import Binding, BindingType

from perftui.analysis.misscurves import advice
from perftui.draw.misscurve import Price, misscurve, nothing
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import message
from perftui.model.misscurve import MissCurve
from perftui.widgets.panel import Panel


class MissCurvePanel(Panel):
    """Left and right move the size, escape takes it back; up and down go to another namespace."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "column_move(-1)", "Smaller", show=False, id="curve.smaller"),
        Binding("right", "column_move(1)", "Larger", show=False, id="curve.larger"),
        Binding("up", "cursor_move(-1)", "Namespace before", show=False, id="curve.before"),
        Binding("down", "cursor_move(1)", "Next namespace", show=False, id="curve.next"),
        Binding("escape", "cursor_off", "Cursor off", show=False, id="curve.off"),
    ]

    def __init__(self, title: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(title, id=id, focusable=True)
        self._heading = title
        self._curves: Mapping[str, MissCurve] | None = None
        self._error = ""
        self.namespace = ""
        self.cursor: int | None = None  # entries
        self.price = Price()

    def set_curves(self, curves: Mapping[str, MissCurve] | None, error: str = "") -> None:
        """Draw these; None: nobody answered yet. An error leaves what was."""
        self._curves, self._error = curves, error
        if self.namespace not in (curves or {}):
            busiest = max(curves or {}, key=lambda name: (curves or {})[name].seen, default="")
            self.namespace, self.cursor = busiest, None
        curve = self.curve
        self.title = f"{self._heading} of {self.namespace}" if curve else self._heading
        self.note = "" if curve is None else _note(curve, len(curves or {}))
        self.redraw()

    @property
    def curve(self) -> MissCurve | None:
        """The one in front."""
        return (self._curves or {}).get(self.namespace)

    def body(self, size: Size, look: Look) -> Rows:
        """The curve, or why there is none."""
        if self.curve is not None:
            return misscurve(self.curve, size, look, cursor=self.cursor, price=self.price)
        if self._curves is None:
            return message(size, self._error or "asking the nodes")
        return nothing(size)

    def column_move(self, by: int) -> None:
        """To the next point of the curve, from the present size at first."""
        curve = self.curve
        if curve is None:
            return
        sizes = [point.entries for point in curve.points]
        here = curve.room if self.cursor is None else self.cursor
        beyond = [size for size in sizes if (size - here) * by > 0]
        self.cursor = (min(beyond) if by > 0 else max(beyond)) if beyond else here
        self.redraw()

    def cursor_move(self, by: int) -> None:
        """To another namespace, in the order of names."""
        names = sorted(self._curves or {})
        if names:
            self.namespace = names[(names.index(self.namespace) + by) % len(names)]
            self.cursor = None
            self.set_curves(self._curves, self._error)

    def action_column_move(self, by: int) -> None:
        """Left and right."""
        self.column_move(by)

    def action_cursor_move(self, by: int) -> None:
        """Up and down."""
        self.cursor_move(by)

    def action_cursor_off(self) -> None:
        """Back to the present size."""
        self.cursor = None
        self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape belongs to the curve only while it has a cursor."""
        if action == "cursor_off" and self.cursor is None:
            return False
        return super().check_action(action, parameters)


def _note(curve: MissCurve, namespaces: int) -> str:
    """`half costs 3.1, double brings 0.8 points · 2 nodes · 3 namespaces`."""
    said = advice(curve)
    parts = [
        f"half costs {100 * said.half_costs:.1f}, double brings {100 * said.double_brings:.1f} points",
        "1 node" if curve.nodes == 1 else f"{curve.nodes} nodes",
    ]
    return " · ".join(parts + ([f"{namespaces} namespaces"] if namespaces > 1 else []))
