"""The visible screen as text and as SVG, cell for cell what the terminal shows."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*", re.DOTALL)


def text_of(app: App[Any]) -> str:
    """Cells of the screen in front as lines, trailing blanks cut."""
    from perftui.widgets.output import strips_of

    return "\n".join(strip.text.rstrip() for strip in strips_of(app))


def svg_of(app: App[Any], title: str) -> str:
    """The screen in front as SVG without references to the network."""
    return _FONT_FACE.sub("", app.export_screenshot(title=title, simplify=True))
