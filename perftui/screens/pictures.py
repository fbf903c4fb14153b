"""The console's screen as a picture in its own colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perftui.widgets.output import strips_of

if TYPE_CHECKING:
    from perftui.app import PerftuiApp


def svg_of(app: PerftuiApp, name: str) -> str:
    """The visible screen as SVG; its title tells environment and `name`, and PRODUCTION where it is one."""
    from perftui.export import svg

    env = app.session.env
    marked = " PRODUCTION" if env.kind == "production" else ""
    title = f"perftui{marked} {env.name} {name}"
    size = (app.size.width, app.size.height)
    return svg.picture(strips_of(app), size, title, app.palette.foreground, app.palette.background)
