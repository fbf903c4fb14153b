"""From a key press to a command: sequences, the effective map, and who gets to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events

from perftui.draw.rows import Row
from perftui.model.moment import TimeState
from perftui.screens.commands import Command
from perftui.widgets.footer import Hint, footer

if TYPE_CHECKING:
    from perftui.screens.live import LiveScreen

PREFIX = "g"
AGAIN_S = 0.01  # between looks whether a tab is there that keys wait for
_NAMES = {" ": "space"}
_MOVES: dict[str, tuple[str, tuple[int, ...]]] = {
    "move.down": ("cursor_move", (1,)),
    "move.up": ("cursor_move", (-1,)),
    "move.left": ("column_move", (-1,)),
    "move.right": ("column_move", (1,)),
    "move.page-down": ("cursor_page", (1,)),
    "move.page-up": ("cursor_page", (-1,)),
    "move.top": ("cursor_home", ()),
    "move.bottom": ("cursor_end", ()),
    "filter.next": ("find_next", (1,)),
    "filter.previous": ("find_next", (-1,)),
    "sort": ("sort_next", ()),
    "sort.reverse": ("sort_reverse", ()),
    "columns": ("choose_columns", ()),
    "window.shorter": ("zoom", (1,)),
    "window.longer": ("zoom", (-1,)),
    "open": ("action_open", ()),
    "mark": ("toggle_mark", ()),
}
"""Commands the focused widget does itself, and the method it is asked with."""

_NOW = ("undo", "retry", "overview.note")
"""Global commands that reach a live system."""

_TAB_FIRST = ("open", "close", "mark")


_OPTION_DIGITS = dict(zip("¡™£¢∞§¶•ªº", "1234567890", strict=True))


def key_name(event: events.Key) -> str:
    """The key as the registry writes it: `p`, `?`, `space`, `ctrl+e`, `pagedown`."""
    if event.is_printable and event.character:
        return _NAMES.get(event.character, event.character)
    return event.key


def alt_of(event: events.Key) -> tuple[str, str | None] | None:
    """Key and character that came right behind an escape, when the terminal's reader made one key of both.

    Textual reads escape and a letter as `alt+letter`, escape and a digit as what macOS types for them.
    """
    if event.key.startswith("alt+"):
        return event.key.removeprefix("alt+"), event.character
    digit = _OPTION_DIGITS.get(event.character or "")
    return (digit, digit) if digit else None


class KeyReader:
    """Reads keys for one screen; `g` waits for the key after it."""

    def __init__(self, screen: LiveScreen) -> None:
        self.screen = screen
        self._early: list[events.Key] = []  # pressed before what they are for was there

    def take(self, event: events.Key) -> bool:
        """Press the key, or keep it while the tab is still being made; False when it means nothing."""
        if not self._early and self._ready:
            return self.press(event)
        self._early.append(event)
        if len(self._early) == 1:
            self.screen.set_timer(AGAIN_S, self._typed_ahead)
        return True

    @property
    def _ready(self) -> bool:
        """Whether the tab in front has all its parts."""
        tab = self.screen.tab
        return self.screen.is_mounted and (tab is None or tab.is_mounted)

    def _typed_ahead(self) -> None:
        """Press the keys that came early, in order; what one of them opens gets the rest."""
        screen = self.screen
        while self._early and self._ready and screen.is_current:
            self.press(self._early.pop(0))
        if self._early and screen.is_current and screen.is_attached:
            screen.set_timer(AGAIN_S, self._typed_ahead)
            return
        rest, self._early = self._early, []
        for event in rest:
            screen.app.post_message(events.Key(event.key, event.character))

    def press(self, event: events.Key) -> bool:
        """Do what the key stands for on the tab in front; False when it stands for nothing."""
        name = key_name(event)
        table = self.screen.console_app.keymap.table(self.screen.tab_name)
        verbs = self.screen.console_app.verbs
        if verbs.begun:
            name, verbs.begun = f"{verbs.begun} {name}", ""
        elif name == PREFIX and PREFIX not in table:
            verbs.begun = PREFIX
            return True
        command = table.get(name)
        if command is None:
            return False
        self.do(command)
        return True

    def do(self, command: Command) -> None:
        """Offer the command to the tab, the focused widget, then the shell."""
        if self.screen.session.clock.now().state is TimeState.REPLAY and self._plays(command):
            return
        reason = self.reason(command)
        if reason:
            self.screen.toast(f"{command.title}: {reason}", "warn")
            return
        tab = self.screen.tab
        own = command.scope != "global" or command.id in _TAB_FIRST
        if own and tab is not None and tab.on_command(command.id):
            return
        if command.id in _MOVES and command.id != "mark":
            self.ask_widget(command.id)
        else:
            self.screen.console_app.verbs.do(command.id)

    def _plays(self, command: Command) -> bool:
        """What keys mean in a recording: space plays and pauses, `n` goes to the next alert."""
        app = self.screen.console_app
        if command.id == "mark":
            app.session.clock.toggle()
            app.revisit()
        elif command.id == "filter.next" and not getattr(self.screen.focused, "filter_text", ""):
            app.travel.next_alert()
        else:
            return False
        return True

    def ask_widget(self, id_: str) -> bool:
        """Have the focused widget do it; False when it cannot."""
        method, values = _MOVES[id_]
        act = getattr(self.screen.focused, method, None)
        if callable(act):
            act(*values)
        return callable(act)

    # -- what works now

    def reason(self, command: Command) -> str:
        """Why the command cannot be done now, or ''."""
        time = self.screen.session.clock.now().state
        if time is TimeState.PAST and (command.power or command.id in _NOW):
            return "what is shown is past: L returns to now"
        if time is TimeState.REPLAY and (command.power or command.id in _NOW):
            return "this is a recording"
        if not command.action or not command.power:
            return ""
        tab = self.screen.tab
        source = tab.source_for(command.power) if tab is not None else ""
        if not source:
            return f"no connected system can do this ({command.power})"
        able, why = self.screen.session.can(command.action, source)
        return "" if able else why

    def shown(self, command: Command) -> bool:
        """Whether the key exists here at all: some backend has the power it needs."""
        return not command.power or bool(self.screen.session.sources(command.power))

    def commands(self) -> list[Command]:
        """Commands of the tab in front that exist here, its own first."""
        found = self.screen.console_app.keymap.commands(self.screen.tab_name)
        return [c for c in found if self.shown(c)]

    def footer(self, width: int) -> Row:
        """The last row for the tab in front."""
        hints = [Hint(c.key, c.title, self.reason(c)) for c in self.commands() if c.footer]
        return footer(hints, width)
