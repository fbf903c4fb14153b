"""The visible screen as text, cell for cell what the terminal shows."""

from __future__ import annotations

from typing import Any

from textual.app import App


def text_of(app: App[Any]) -> str:
    """Cells of the screen in front as lines, trailing blanks cut."""
    from perftui.widgets.output import strips_of

    return "\n".join(strip.text.rstrip() for strip in strips_of(app))
