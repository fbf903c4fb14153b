"""The command palette: any command, tab, environment, theme or verb by a few of its letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.widgets import Input

from perftui.analysis.fuzzy import find
from perftui.draw.clean import inert
from perftui.draw.rows import Row, Span
from perftui.draw.text import line, split
from perftui.model.action import Risk
from perftui.screens.colours import theme_names
from perftui.screens.dialogs.base import Dialog, line_input
from perftui.screens.live import all_tabs
from perftui.widgets.footer import key_label

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen

MOST = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing the palette finds. `right` shows key and risk."""

    text: str
    right: str
    act: Callable[[], None]


def entries(screen: LiveScreen) -> list[Entry]:
    """Everything that can be named here: what was typed before first, then commands, tabs, the rest."""
    app = screen.console_app
    out = [Entry(f":{said}", "again", partial(app.verbs.say, said)) for said in reversed(app.verbs.said)]
    for command in screen.reader.commands():
        risk = "" if command.risk is Risk.READS else f"{command.risk.value} "
        right = f"{risk}{key_label(command.key)}"
        out.append(Entry(f"{command.title} ({command.id})", right, partial(screen.run_command, command)))
    out += [Entry(f"go {tab}", "tab", partial(app.go, tab)) for tab in all_tabs()]
    out += [Entry(f"theme {name}", "colours", partial(app.switches.theme, name)) for name in theme_names()]
    names = app.options.environments
    out += [Entry(f"env {name}", "environment", partial(app.switches.environment, name)) for name in names]
    if screen.tab is not None:
        out += [Entry(text, right, act) for text, right, act in screen.tab.palette_entries()]
    return out


class PaletteDialog(Dialog[None]):
    """Type to find; a known verb as first word runs with the words after it."""

    title_text = "Command"

    def __init__(self, screen: LiveScreen) -> None:
        super().__init__()
        self.entries = entries(screen)
        self.verbs = screen.console_app.verbs
        self._texts = [entry.text.lower() for entry in self.entries]
        self.query_text = ""
        self.found: list[int] = []
        self.at = 0

    def field(self) -> Input:
        """The line to type into."""
        return line_input(placeholder="a few letters, or a verb: purge, scale, theme, env …")

    def body(self, width: int) -> Sequence[Row]:
        """Help of the verb being typed, then what was found."""
        self.found = find(self.query_text, self._texts, MOST) if self.query_text else list(range(MOST))
        self.found = [i for i in self.found if i < len(self.entries)]
        rows: list[Row] = []
        words = self.verbs.words()
        verb = self.query_text.split(" ")[0].lstrip(":")
        hints = [
            v for v in words if verb and (v == verb or (v.startswith(verb) and " " not in self.query_text))
        ]
        rows += [line(width, Span(f":{v} ", "accent bold"), Span(words[v], "muted")) for v in hints[:4]]
        for place, index in enumerate(self.found):
            entry = self.entries[index]
            style = "cursor" if place == self.at else "text"
            tail = [Span(f"{entry.right} ", style if place == self.at else "muted")]
            rows.append(split(width, [Span(f" {inert(entry.text, 200)}", style)], tail))
        rows += [()] * (MOST + 4 - len(rows))
        return rows

    def pressed(self, key: str) -> bool:
        """Move the cursor; letters go into the field."""
        step = {"down": 1, "up": -1, "pagedown": 6, "pageup": -6, "tab": 1, "shift+tab": -1}.get(key)
        if step is None:
            return False
        self.at = max(0, min(self.at + step, len(self.found) - 1))
        self.fit()
        return True

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find again."""
        event.stop()
        self.query_text = event.value.strip().lower() if event.value.strip() else ""
        self.at = 0
        self.fit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run the verb, else what the cursor is on."""
        event.stop()
        if self.app.screen is not self:
            return  # enter came twice before the first had ended it
        text = event.value.strip().removeprefix(":")
        verb = text.split()[0] if text.split() else ""
        act: Callable[[], None] | None = None
        if verb in self.verbs.words() and (self.at == 0 or not self.found):
            act = partial(self.verbs.say, text)
        elif self.found:
            act = self.entries[self.found[self.at]].act
        elif text:
            act = partial(self.verbs.say, text)
        self.dismiss(None)
        if act is not None:
            self.app.call_after_refresh(act)
