"""Help made from the registry: for the screen, for `perftui keys` and for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from perftui.draw.rows import Row, Span
from perftui.draw.text import wrap
from perftui.model.action import Risk
from perftui.screens.commands import SCREENS, Command, Keymap, screen_commands, screen_title
from perftui.widgets.footer import key_label

KEY_WIDTH = 12


def help_rows(keymap: Keymap, tab: str, width: int) -> list[Row]:
    """Keys of the tab, then those that work everywhere."""
    commands = keymap.commands(tab) if tab else keymap.commands("")
    own = [c for c in commands if c.scope != "global"]
    rows: list[Row] = []
    if own:
        rows += [(Span(f"Keys of {tab}", "title bold"),), *_rows(own, width), ()]
    rows.append((Span("Keys that work everywhere", "title bold"),))
    rows += _rows([c for c in commands if c.scope == "global"], width)
    return rows


def _rows(commands: Sequence[Command], width: int) -> list[Row]:
    rows: list[Row] = []
    for command in commands:
        keys = ", ".join(key_label(key) for key in command.keys)
        risk = "" if command.risk is Risk.READS else f" [{command.risk.value}]"
        lines = wrap(f"{command.title}: {command.help}{risk}", width - KEY_WIDTH)
        for index, row in enumerate(lines):
            head = f"{keys if index == 0 else '':<{KEY_WIDTH}}"
            if len(head) > KEY_WIDTH:
                rows.append((Span(head, "accent bold"),))
                head = " " * KEY_WIDTH
            rows.append((Span(head, "accent bold"), *row))
    return rows


def keys_text(keymap: Keymap, width: int = 80) -> str:
    """Every key of every screen as plain text, as `perftui keys` prints it."""
    out = [f"Everywhere\n{_plain(_rows(keymap.commands(''), width))}"]
    for screen in SCREENS:
        commands = [keymap.effective(c) for c in screen_commands(screen)]
        if commands:
            out.append(f"{screen_title(screen)}\n{_plain(_rows(commands, width))}")
    return "\n\n".join(out) + "\n"


def _plain(rows: Sequence[Row]) -> str:
    return "\n".join("".join(span.text for span in row).rstrip() for row in rows)


def keys_markdown(keymap: Keymap | None = None) -> str:
    """The keys as tables in Markdown, for the documentation."""
    keymap = keymap or Keymap()
    parts = ["# Keys", "", "Made from the registry; `perftui keys` prints the same.", ""]
    parts += ["## Everywhere", "", *_table(keymap.commands(""))]
    for screen in SCREENS:
        commands = [keymap.effective(c) for c in screen_commands(screen)]
        if commands:
            parts += ["", f"## {screen_title(screen)}", "", *_table(commands)]
    return "\n".join(parts) + "\n"


def _table(commands: Sequence[Command]) -> list[str]:
    rows = ["| key | does | id | where | risk |", "|---|---|---|---|---|"]
    for c in commands:
        keys = " ".join(f"`{'&#124;' if key == '|' else key}`" for key in c.keys)
        rows.append(f"| {keys} | {c.title}: {c.help} | `{c.id}` | {c.scope} | {c.risk.value} |")
    return rows
