"""The one table of what keys do, from which footer, help, palette and `perftui keys` are made."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from perftui.model.risk import Risk
from perftui.screens.reserved import RESERVED, SOFT

SCREENS: tuple[str, ...] = (
    "overview",
    "cache",
    "cdn",
    "database",
    "scaling",
    "profiling",
    "optimization",
)

_ACRONYMS = {"api": "API", "cdn": "CDN", "cpu": "CPU"}


def screen_title(word: str) -> str:
    """A screen's or tab's word as a title."""
    return _ACRONYMS.get(word, word.replace("_", " ").capitalize())


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the console can do, and the key that does it.

    `key` is what the operator presses (`p`, `ctrl+e`, `g 1` for a sequence), `also` are further keys.
    `scope` is `global`, a screen or `screen.tab`. `action` names the action it leads to, `power` the
    port a backend must have for the key to appear, `footer` says whether the footer may show it.
    """

    id: str
    key: str
    title: str
    help: str
    scope: str = "global"
    action: str = ""
    power: str = ""
    risk: Risk = Risk.READS
    also: tuple[str, ...] = ()
    footer: bool = True

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key of this command, the first one first."""
        return (self.key, *self.also)


def _global(id_: str, key: str, title: str, help_: str, *also: str, footer: bool = False) -> Command:
    return Command(id_, key, title, help_, also=also, footer=footer)


GLOBAL: tuple[Command, ...] = (
    *(
        _global(f"screen.{n}", str(n), screen_title(name), f"Show the {name} screen.")
        for n, name in enumerate(SCREENS, 1)
    ),
    _global("tab.previous", "[", "Previous tab", "Show the tab to the left."),
    _global("tab.next", "]", "Next tab", "Show the tab to the right.", footer=True),
    *(_global(f"tab.{n}", f"g {n}", f"Tab {n}", f"Show tab {n} of this screen.") for n in range(1, 10)),
    _global("alert.newest", "g a", "Newest finding", "Go to the newest and worst finding."),
    _global("move.down", "j", "Down", "Move the cursor down.", "down"),
    _global("move.up", "k", "Up", "Move the cursor up.", "up"),
    _global("move.left", "h", "Left", "Move the cursor of a chart or table left.", "left"),
    _global("move.right", "l", "Right", "Move the cursor of a chart or table right.", "right"),
    _global("move.page-down", "pagedown", "Page down", "Move down one page."),
    _global("move.page-up", "pageup", "Page up", "Move up one page."),
    _global("move.top", "g g", "Top", "Move to the first row.", "home"),
    _global("move.bottom", "G", "Bottom", "Move to the last row.", "end"),
    _global("panel.next", "tab", "Next panel", "Focus the next panel."),
    _global("panel.previous", "shift+tab", "Previous panel", "Focus the panel before."),
    _global("open", "enter", "Open", "Open what the cursor is on.", footer=True),
    _global("close", "escape", "Close", "Close, go back, cancel; clears a filter."),
    _global("jump", ";", "Jump", "Put a letter on every panel and tab; pressing it goes there."),
    _global("help", "?", "Help", "Help of this tab, then all keys.", footer=True),
    _global("palette", ":", "Command", "Find any command, tab or verb by name.", "ctrl+p", footer=True),
    _global("filter", "/", "Filter", "Keep the rows that match what you type.", footer=True),
    _global("filter.next", "n", "Next match", "Go to the next match while a filter is on."),
    _global("filter.previous", "N", "Previous match", "Go to the match before while a filter is on."),
    _global("menu", "a", "Actions", "Everything that can be done to the selection.", "ctrl+x", footer=True),
    _global("mark", "space", "Mark", "Mark the row in a table with bulk actions, else freeze."),
    _global("freeze", "ctrl+f", "Freeze", "Stop drawing new figures on this screen, or go on."),
    _global("time.back", ",", "Step back", "Show the reading before this one, on every screen."),
    _global("time.on", ".", "Step on", "Show the reading after this one; after the last: now."),
    _global("time.far-back", "<", "10 back", "Show what was read ten readings before."),
    _global("time.far-on", ">", "10 on", "Show what was read ten readings later."),
    _global("time.go", "@", "Go to a time", "Show another instant: 14:02, -20m, yesterday 09:30, an event."),
    _global("time.live", "L", "Live", "Back to what is now; in a recording: play."),
    _global(
        "time.pin",
        "C",
        "Compare",
        "Pin this instant: charts and tables tell what differs from it; again: no more.",
    ),
    _global("undo", "u", "Undo", "Undo the last action that can be undone."),
    _global("retry", "ctrl+r", "Read now", "Read now; retry a refused or lost link."),
    _global("copy.cell", "y", "Copy", "Copy the cell under the cursor."),
    _global("copy.row", "Y", "Copy row", "Copy the selected row as JSON."),
    _global("export", "e", "Export", "Write the table, samples of the past, a PDF report or a post-mortem."),
    _global("snapshot", "E", "Picture", "Write this screen as SVG and text."),
    _global("environment", "ctrl+e", "Environment", "Go to another environment."),
    _global("sort", "s", "Sort", "Sort the focused table by the next column."),
    _global("sort.reverse", "S", "Reverse", "Reverse the sort order."),
    _global("columns", "o", "Columns", "Choose the columns of the focused table."),
    _global("window.shorter", "+", "Zoom in", "Shorten the time window of the focused chart."),
    _global("window.longer", "-", "Zoom out", "Lengthen the time window of the focused chart."),
    _global("repaint", "ctrl+l", "Repaint", "Draw the whole screen again."),
    _global("suspend", "ctrl+z", "Suspend", "Put the console to sleep; `fg` wakes it."),
    _global("quit", "q", "Quit", "Leave; asks only while an action runs.", "ctrl+q", footer=True),
    _global("quit-or-copy", "ctrl+c", "Quit", "Copy the selected text, else leave."),
)


def screen_commands(screen: str) -> tuple[Command, ...]:
    """What `perftui/screens/<screen>/keys.py` declares; empty when there is no such file."""
    name = f"perftui.screens.{screen}.keys"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return ()
    keys: tuple[Command, ...] = module.KEYS
    return keys


def every_command() -> tuple[Command, ...]:
    """The whole registry: global commands, then each screen's."""
    return (*GLOBAL, *(c for screen in SCREENS for c in screen_commands(screen)))


def in_scope(command: Command, tab: str) -> bool:
    """Whether `command` works on the tab `screen.tab`."""
    return command.scope in ("global", tab, tab.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Keymap:
    """The effective map: the registry with the operator's own keys in place of the defaults.

    `problems` are sentences about unknown ids and clashes, for the operator.
    """

    remaps: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def commands(self, tab: str) -> tuple[Command, ...]:
        """Commands of the tab, narrowest scope first so that its own keys win over soft defaults."""
        own = screen_commands(tab.partition(".")[0]) if tab else ()
        found = [self.effective(c) for c in (*own, *GLOBAL) if in_scope(c, tab)]
        return tuple(sorted(found, key=lambda c: (c.scope == "global", c.scope != tab)))

    def effective(self, command: Command) -> Command:
        """The command with the operator's key, if one is set; a remapped key replaces all defaults."""
        key = self.remaps.get(command.id)
        return replace(command, key=key, also=()) if key else command

    def table(self, tab: str) -> dict[str, Command]:
        """Key → command on this tab."""
        table: dict[str, Command] = {}
        for command in self.commands(tab):
            for key in command.keys:
                table.setdefault(key, command)
        return table


def keymap(remaps: Mapping[str, str], where: str = "[keys]") -> Keymap:
    """The effective map for the operator's `[keys]` table; wrong entries are left out and reported."""
    known = {c.id: c for c in every_command()} if remaps else {}
    problems: list[str] = []
    good: dict[str, str] = {}
    for id_, key in remaps.items():
        if id_ not in known:
            problems.append(f"{where}: no command is called {id_!r}{_nearest(id_, known)}")
        else:
            good[id_] = key
    for id_ in list(good):
        other = _taken(known[id_], good, known)
        if other:
            problems.append(f"{where}: {good.pop(id_)!r} for {id_} is already the key of {other}")
    return Keymap(good, tuple(problems))


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _taken(command: Command, remaps: Mapping[str, str], known: Mapping[str, Command]) -> str:
    """Id of another command that answers to the wanted key where this one works, or ''."""
    for other in known.values():
        if other.id == command.id or not _meet(command.scope, other.scope):
            continue
        keys = (remaps[other.id],) if other.id in remaps else other.keys
        if remaps[command.id] in keys and other.id not in SOFT:
            return other.id
    return ""


def _meet(one: str, two: str) -> bool:
    """Whether two scopes can be in front at the same time."""
    if "global" in (one, two) or one == two:
        return True
    return one.startswith(f"{two}.") or two.startswith(f"{one}.")


def clashes(commands: Sequence[Command]) -> list[str]:
    """Sentences about every broken rule of the registry; empty when all is well.

    A tab never takes a reserved key, no two commands that can be in front together share a key, and
    every command has id, title and help.
    """
    own = [c for c in commands if c.scope != "global"]
    out = [f"{c.id}: no {name}" for c in commands for name in ("title", "help") if not getattr(c, name)]
    out += [f"{c.id}: {key!r} is reserved" for c in own for key in c.keys if key in RESERVED]
    for at, one in enumerate(commands):
        for two in commands[at + 1 :]:
            out += _pair_clashes(one, two)
    return out


def _pair_clashes(one: Command, two: Command) -> list[str]:
    if one.id == two.id:
        return [f"{one.id}: declared twice"] if _meet(one.scope, two.scope) else []
    if not _meet(one.scope, two.scope) or one.id in SOFT or two.id in SOFT:
        return []
    shared = set(one.keys) & set(two.keys)
    return [f"{one.id} and {two.id} both want {key!r}" for key in sorted(shared)]
