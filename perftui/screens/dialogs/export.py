"""Writing the focused table, or what else a tab offers, to a file: format first, then the name."""

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
    files = screen.tab.export_files() if screen.tab is not None else {}
    if table is None and not files:
        app.toast("nothing here can be exported; E writes a picture", "warn")
        return
    tables = [("csv", "CSV, with header"), ("json", "JSON, one object a row")] if table is not None else []
    forms = [(form, what) for form, (what, _) in files.items()] + tables

    def named(form: str) -> None:
        name = f"{picture_name(app.session.env.name, screen.tab_name, datetime.now(UTC))}.{form}"
        what = files[form][0] if form in files else f"{len(table[1]) if table else 0} rows as {form.upper()}"
        prompt = f"{what}; a name without folder goes into the export folder"
        app.deeds.ask("Export", prompt, lambda text: app.takeaway.export(form, text), name)

    app.deeds.choose("Export", forms, named)
