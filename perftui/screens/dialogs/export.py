"""Writing the focused table to a file: format first, then the name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from perftui.screens.copying import picture_name

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen


def open_export(screen: LiveScreen) -> None:
    """Ask for the format and the file's name, then write."""
    app = screen.console_app
    table = screen.tab.export_rows() if screen.tab is not None else None
    if table is None:
        app.toast("nothing here can be exported; E writes a picture", "warn")
        return
    count = len(table[1])

    def named(form: str) -> None:
        name = f"{picture_name(app.session.env.name, screen.tab_name, datetime.now(UTC))}.{form}"
        prompt = f"{count} rows as {form.upper()}; a name without folder goes into the export folder"
        app.deeds.ask("Export", prompt, lambda text: app.takeaway.export(form, text), name)

    app.deeds.choose("Export", [("csv", "CSV, with header"), ("json", "JSON, one object a row")], named)
