"""Help of the tab in front, then of everything, in pages that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from perftui.draw.clean import inert
from perftui.draw.rows import Row, Span
from perftui.draw.text import wrap
from perftui.screens.dialogs.base import Dialog
from perftui.screens.helptext import help_rows

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen

_NEXT = ("space", "pagedown", "?", "j", "down")
_BACK = ("pageup", "k", "up")


class HelpDialog(Dialog[None]):
    """Pages of keys; space, PgDn and `?` turn them, escape closes."""

    wide = 80

    def __init__(self, screen: LiveScreen) -> None:
        super().__init__()
        self.about = screen
        self.page = 0
        self.pages = 1
        self.title_text = f"Help: {screen.tab_name}"

    def body(self, width: int) -> Sequence[Row]:
        """The present page, the last row says how to turn."""
        tab = self.about.tab
        intro = wrap((type(tab).__doc__ or "").strip().splitlines()[0], width) if tab is not None else []
        rows = [
            *intro,
            *([()] if intro else []),
            *self._absent(width),
            *help_rows(self.console_app.keymap, self.about.tab_name, width),
        ]
        height = max(3, self.app.size.height - 4)
        self.pages = max(1, -(-len(rows) // height))
        self.page %= self.pages
        shown = rows[self.page * height : (self.page + 1) * height]
        shown += [()] * (height - len(shown) if self.pages > 1 else 0)
        note = f"page {self.page + 1} of {self.pages} · space next · esc close"
        return [*shown, (Span(note, "muted"),)]

    def _absent(self, width: int) -> list[Row]:
        """What this system does not tell, and why."""
        said = self.about.tab.absent if self.about.tab is not None else ()
        rows = [row for text in said for row in wrap(inert(text, 300), width)]
        return [(Span("Not told here", "title bold"),), *rows, ()] if rows else []

    def pressed(self, key: str) -> bool:
        """Turn pages."""
        step = {"space": 1, "pagedown": 1, "?": 1, "j": 1, "down": 1, "pageup": -1, "k": -1, "up": -1}.get(
            key
        )
        if step is None:
            if key == "q":
                self.dismiss(None)
            return key == "q"
        self.page += step
        self.fit()
        return True
