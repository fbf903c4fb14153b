"""A bare application with one widget in it."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widget import Widget

from perftui.draw.palette import Palette, palette
from perftui.draw.rows import Look


class Bench(App[None]):
    """One widget, full screen, in a theme."""

    CSS = "Screen { layout: vertical; }"

    def __init__(self, *widgets: Widget, theme: str = "dark", look: Look | None = None) -> None:
        super().__init__()
        self.palette: Palette = palette(theme)
        self.look = look or Look()
        self.heard: list[object] = []
        self._bench = widgets

    def compose(self) -> ComposeResult:
        yield from self._bench
