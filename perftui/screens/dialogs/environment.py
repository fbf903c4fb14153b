"""Choosing another environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perftui.app import PerftuiApp


def open_environments(app: PerftuiApp) -> None:
    """List the configured environments; the chosen one opens in place of this."""
    now = str(app.session.env.name)
    names = app.options.environments or (now,)
    options = [(name, f"{name} (this one)" if name == now else name) for name in names]
    app.deeds.choose("Environment", options, app.switches.environment)
