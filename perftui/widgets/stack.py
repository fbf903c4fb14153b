"""Rates on top of each other as a widget."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.analysis.buckets import Window
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.stack import Layer, stack
from perftui.widgets.panel import Panel


class StackPanel(Panel):
    """The last `seconds` of some layers."""

    seconds = 900.0

    def __init__(self, title: str = "", *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(title, note="15 m", id=id)
        self._layers: Sequence[Layer] = ()
        self._at = 1.0

    def set_layers(self, layers: Sequence[Layer], at: float) -> None:
        """Show these up to `at`, epoch seconds."""
        self._layers, self._at = layers, at
        self.redraw()

    def body(self, size: Size, look: Look) -> Rows:
        """The picture."""
        return stack(self._layers, Window.last(self.seconds, self._at), size, look)
