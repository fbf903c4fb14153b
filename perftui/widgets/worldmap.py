"""Places on the world, or in a list."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.map import Place, place_list, worldmap
from perftui.draw.rows import Look, Rows, Size
from perftui.widgets.panel import Panel


class WorldMapPanel(Panel):
    """The map where there is room for one, the list otherwise or when asked for."""

    def __init__(
        self,
        title: str = "",
        *,
        note: str = "",
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(title, note=note, id=id, classes=classes, focusable=True)
        self._places: Sequence[Place] = ()
        self._as_list = False
        self._chosen: str | None = None

    def set_places(self, places: Sequence[Place], chosen: str | None = None) -> None:
        """Show these places, `chosen` lit."""
        self._places, self._chosen = tuple(places), chosen
        self.redraw()

    def toggle_view(self) -> None:
        """Map or list."""
        self._as_list = not self._as_list
        self.redraw()

    def body(self, size: Size, look: Look) -> Rows:
        """The picture."""
        if self._as_list:
            return place_list(self._places, size, look)
        return worldmap(self._places, size, look, cursor=self._chosen)
