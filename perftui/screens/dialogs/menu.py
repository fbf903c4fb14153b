"""Everything that can be done to the selection, with its key and its risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perftui.model.action import Risk
from perftui.screens.commands import Command
from perftui.widgets.footer import key_label

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen

_SHELL = (
    "copy.cell",
    "copy.row",
    "export",
    "snapshot",
    "filter",
    "sort",
    "columns",
    "retry",
    "undo",
    "freeze",
)


def open_menu(screen: LiveScreen) -> None:
    """List the tab's own commands, then what the shell offers, then cancelling what runs."""
    app = screen.console_app
    commands = [c for c in screen.reader.commands() if c.scope != "global"]
    commands += [c for c in app.keymap.commands(screen.tab_name) if c.id in _SHELL]
    by_id = {c.id: c for c in commands}
    options = [(c.id, label(c, screen.reader.reason(c))) for c in by_id.values()]
    options += [(f"cancel {run.id}", f"Cancel: {run.title} on {run.target}") for run in app.running()]

    def chosen(value: str) -> None:
        if value in by_id:
            screen.run_command(by_id[value])
        else:
            app.session.conductor.cancel(value.removeprefix("cancel "))

    app.deeds.choose(f"Actions on {screen.tab_name}", options, chosen)


def label(command: Command, reason: str = "") -> str:
    """One line of menu and palette: title, key, risk, and why it does not work now."""
    risk = "" if command.risk is Risk.READS else f"  {command.risk.value}"
    why = f"  ({reason})" if reason else ""
    return f"{command.title:<28} {key_label(command.key):<8}{risk}{why}"
