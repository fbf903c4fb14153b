"""What the shell itself does for each global command and each word typed in the palette."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from textual.widget import Widget

from perftui.analysis.promduration import parse_duration
from perftui.draw.ghost import WEEK
from perftui.screens import chrome
from perftui.screens.commands import SCREENS
from perftui.screens.live import LiveScreen

if TYPE_CHECKING:
    from perftui.app import PerftuiApp

VERBS: Mapping[str, str] = {
    "theme": "NAME  colours: dark, light, high-contrast, colour-blind, mono, terminal",
    "readonly": "[off]  refuse every change; leaving it asks for the environment's name",
    "mouse": "[on|off]  let the terminal select text, or the console follow the mouse",
    "sort": "sort the focused table by the next column",
    "columns": "choose the columns of the focused table",
    "window": "longer|shorter  time window of the focused chart",
    "bands": "[off]  shade on every chart what its first line lets expect",
    "ghost": "[1d|off]  behind every chart what it showed a week (or another span) ago",
    "filter": "TEXT  keep matching rows of the focused table",
    "env": "NAME  go to another environment",
    "reload": "read the configuration again",
    "at": "TIME  show another instant: 14:02, -20m, yesterday 09:30, words of an event",
    "record": "[FILE|stop]  write what the systems show into a file, or end it",
    "live": "back to what is now",
    "copy": "file|path  the selection to a file instead of the clipboard, or the path of the last file",
    "grafana": "[push]  copy the link of this tab in Grafana, or push dashboards and what happened of late",
    "self": "what perftui itself costs: CPU, memory, bytes to the terminal, and of each backend",
    "cancel": "cancel the running action",
    "freeze": "stop drawing on this screen, or go on",
    "help": "keys and figures of this tab",
    "quit": "leave",
}


class ShellVerbs:
    """Global commands by id, palette verbs by word."""

    def __init__(self, app: PerftuiApp) -> None:
        self.app = app
        self.said: list[str] = []
        self.begun = ""  # a key that waits for the one after it, on whichever screen that comes
        self._acts: dict[str, Callable[[], None]] = {
            "tab.previous": lambda: self._tab(-1),
            "tab.next": lambda: self._tab(+1),
            "alert.newest": self.newest,
            "panel.next": lambda: self._focus(+1),
            "panel.previous": lambda: self._focus(-1),
            "open": self.open,
            "close": self.close,
            "jump": self.jump,
            "help": self.help,
            "palette": self.palette,
            "filter": self.filter,
            "menu": self.menu,
            "mark": self.mark,
            "freeze": self.freeze,
            "time.back": lambda: app.travel.step(-1),
            "time.on": lambda: app.travel.step(+1),
            "time.far-back": lambda: app.travel.step(-10),
            "time.far-on": lambda: app.travel.step(+10),
            "time.go": app.travel.ask,
            "time.live": app.travel.live,
            "time.pin": app.travel.pin,
            "undo": app.deeds.undo,
            "retry": self.retry,
            "copy.cell": lambda: self._copy("copy_cell"),
            "copy.row": lambda: self._copy("copy_row"),
            "export": self.export,
            "snapshot": app.takeaway.snapshot,
            "environment": self.environment,
            "repaint": app.repaint,
            "suspend": app.action_suspend_process,
            "quit": app.leave,
            "quit-or-copy": self.copy_or_quit,
        }

    @property
    def screen(self) -> LiveScreen:
        """The screen in front, dialogs aside."""
        return self.app.base

    def do(self, id_: str) -> None:
        """Do a global command; unknown ids do nothing."""
        head, _, number = id_.partition(".")
        if head == "screen" and number.isdigit():
            self.app.switch_mode(SCREENS[int(number) - 1])
        elif head == "tab" and number.isdigit():
            if int(number) <= len(self.screen.words):
                self.screen.open_tab(int(number) - 1)
        elif id_ in self._acts:
            self._acts[id_]()

    # -- moving about

    def _tab(self, by: int) -> None:
        self.screen.open_tab(self.screen.index + by)

    def _focus(self, by: int) -> None:
        screen = self.screen
        if by > 0:
            screen.focus_next()
        else:
            screen.focus_previous()

    def open(self) -> None:
        """Open what the cursor of the focused widget is on."""
        self.screen.reader.ask_widget("open")

    def newest(self) -> None:
        """Go to the alerts when one is open, else to where findings are listed."""
        self.app.go("overview.alerts" if chrome.open_alerts(self.app) else "optimization.recommendations")

    def close(self) -> None:
        """Drop the filter, else show what runs."""
        widget: Any = self.screen.focused
        setter = getattr(widget, "set_filter", None)
        if callable(setter) and widget.filter_text:
            setter("")
        elif self.app.running():
            self.app.show_progress()

    def jump(self) -> None:
        """Labels on panels and tabs."""
        from perftui.screens.dialogs.jump import JumpDialog

        self.app.push_screen(JumpDialog(self.screen))

    # -- looking

    def help(self) -> None:
        """Help of the tab in front, then all keys."""
        from perftui.screens.dialogs.help import HelpDialog

        self.app.push_screen(HelpDialog(self.screen))

    def palette(self) -> None:
        """Find anything by name."""
        from perftui.screens.dialogs.palette import PaletteDialog

        self.app.push_screen(PaletteDialog(self.screen))

    def filter(self) -> None:
        """A line at the bottom that filters the focused table as one types."""
        target: Any = self.filter_target()
        if target is None:
            self.app.toast("nothing here can be filtered", "warn")
        elif hasattr(target, "edit_filter"):
            target.edit_filter()
        else:
            self.app.deeds.ask("Filter", "keep what contains", target.set_filter)

    def filter_target(self) -> Widget | None:
        """The focused widget if it filters, else the first on the tab that does."""
        tab = self.screen.tab
        widgets: list[Widget | None] = [self.screen.focused, *(tab.query("*") if tab is not None else ())]
        for widget in widgets:
            if widget is not None and callable(getattr(widget, "set_filter", None)):
                return widget
        return None

    def menu(self) -> None:
        """Everything that can be done to the selection."""
        from perftui.screens.dialogs.menu import open_menu

        open_menu(self.screen)

    def mark(self) -> None:
        """Mark the row where rows can be marked, else freeze."""
        if not self.screen.reader.ask_widget("mark"):
            self.freeze()

    def freeze(self) -> None:
        """Stop drawing on this screen, or go on."""
        self.screen.set_frozen(self.screen.frozen_at is None)

    def retry(self) -> None:
        """Read every backend behind the tab now."""
        names = sorted({name for f in self.screen.frames.values() for name in f.health})
        self.app.deeds.retry(names)
        self.app.toast(f"reading {', '.join(names)} now" if names else "no backend behind this tab")

    def environment(self) -> None:
        """Pick another environment."""
        from perftui.screens.dialogs.environment import open_environments

        open_environments(self.app)

    # -- taking along

    def _copy(self, method: str) -> None:
        from perftui.screens.copying import as_text

        tab = self.screen.tab
        source = getattr(self.screen.focused, method, None)
        value: Any = source() if callable(source) else None
        if value in (None, "") and tab is not None:
            value = tab.selection
        if value in (None, "") or value == {}:
            self.app.toast("nothing is selected", "warn")
            return
        self.app.takeaway.copy(as_text(value))

    def copy_or_quit(self) -> None:
        """Copy what the mouse selected, else leave."""
        text = self.app.screen.get_selected_text()
        if text:
            self.app.takeaway.copy(text)
            self.app.screen.clear_selection()
        else:
            self.app.leave()

    def export(self) -> None:
        """Write the focused table to a file."""
        from perftui.screens.dialogs.export import open_export

        open_export(self.screen)

    # -- words

    def words(self) -> dict[str, str]:
        """Every verb of the palette with its help: the shell's, then the tab's."""
        tab = self.screen.tab
        return {**VERBS, **(tab.verbs if tab is not None else {})}

    def say(self, text: str) -> None:
        """Do what was typed: a verb and its words."""
        verb, *rest = text.split()
        words = tuple(rest)
        self.said = [*(said for said in self.said if said != text), text][-20:]
        tab = self.screen.tab
        if tab is not None and verb in tab.verbs and tab.on_verb(verb, words):
            return
        act = getattr(self, f"say_{verb}", None)
        if callable(act):
            cast("Callable[[tuple[str, ...]], None]", act)(words)
        elif not self._other_tab(verb, words):
            self.app.toast(f"no command is called {verb!r}; `:` lists them", "warn")

    def _other_tab(self, verb: str, words: tuple[str, ...]) -> bool:
        """A verb of another tab already made on this screen."""
        tabs = self.screen.tabs.values()
        return any(verb in tab.verbs and tab.on_verb(verb, words) for tab in tabs)

    def say_theme(self, words: tuple[str, ...]) -> None:
        """`:theme light`."""
        self.app.switches.theme(words[0] if words else "")

    def say_readonly(self, words: tuple[str, ...]) -> None:
        """`:readonly`, `:readonly off`."""
        self.app.switches.read_only(words[:1] != ("off",))

    def say_bands(self, words: tuple[str, ...]) -> None:
        """`:bands`, `:bands off`."""
        self.app.switches.bands("off" not in words)

    def say_ghost(self, words: tuple[str, ...]) -> None:
        """`:ghost`, `:ghost 1d`, `:ghost off`."""
        try:
            span = 0.0 if "off" in words else parse_duration(words[0]) if words else WEEK
        except ValueError as error:
            self.app.toast(str(error), "warn")
            return
        self.app.switches.ghost(span)

    def say_mouse(self, words: tuple[str, ...]) -> None:
        """`:mouse off`."""
        self.app.switches.mouse(words[0] != "off" if words else not self.app.mouse_on)

    def say_sort(self, _words: tuple[str, ...]) -> None:
        """`:sort`."""
        self.screen.reader.ask_widget("sort")

    def say_columns(self, _words: tuple[str, ...]) -> None:
        """`:columns`."""
        self.screen.reader.ask_widget("columns")

    def say_window(self, words: tuple[str, ...]) -> None:
        """`:window longer`."""
        self.screen.reader.ask_widget("window.shorter" if words[:1] == ("shorter",) else "window.longer")

    def say_filter(self, words: tuple[str, ...]) -> None:
        """`:filter user:`."""
        setter = getattr(self.filter_target(), "set_filter", None)
        if callable(setter):
            setter(" ".join(words))

    def say_env(self, words: tuple[str, ...]) -> None:
        """`:env lab`."""
        if words:
            self.app.switches.environment(words[0])
        else:
            self.environment()

    def say_at(self, words: tuple[str, ...]) -> None:
        """`:at 14:02`."""
        if words:
            self.app.travel.go(" ".join(words))
        else:
            self.app.travel.ask()

    def say_record(self, words: tuple[str, ...]) -> None:
        """`:record`, `:record incident.ptr`, `:record stop`."""
        self.app.travel.record(words[0] if words else "")

    def say_live(self, _words: tuple[str, ...]) -> None:
        """`:live`."""
        self.app.travel.live()

    def say_reload(self, _words: tuple[str, ...]) -> None:
        """`:reload`."""
        self.app.switches.reload()

    def say_copy(self, words: tuple[str, ...]) -> None:
        """`:copy file`, `:copy path`."""
        if words[:1] == ("path",):
            self.app.takeaway.copy(self.app.takeaway.last_path)
            return
        self.app.takeaway.to_file_next = True
        self._copy("copy_row")

    def say_grafana(self, words: tuple[str, ...]) -> None:
        """`:grafana`, `:grafana push`."""
        from perftui.screens.leaving import grafana_link, push_to_grafana

        if words[:1] == ("push",):
            push_to_grafana(self.screen)
            return

        url = grafana_link(self.screen)
        if url:
            self.app.takeaway.copy(url)
        else:
            self.app.toast('no Grafana is configured: add [grafana] url = "https://…"', "warn")

    def say_self(self, _words: tuple[str, ...]) -> None:
        """`:self`."""
        from perftui.screens.dialogs.price import PriceDialog

        self.app.push_screen(PriceDialog())

    def say_cancel(self, _words: tuple[str, ...]) -> None:
        """`:cancel`."""
        self.app.cancel_running()

    def say_freeze(self, _words: tuple[str, ...]) -> None:
        """`:freeze`."""
        self.freeze()

    def say_help(self, _words: tuple[str, ...]) -> None:
        """`:help`."""
        self.help()

    def say_quit(self, _words: tuple[str, ...]) -> None:
        """`:quit`."""
        self.app.leave()
