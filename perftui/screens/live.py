"""A screen that follows what its front tab shows, and nothing more."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widget import Widget

from perftui.draw.rows import Look, Size
from perftui.draw.text import message
from perftui.model.action import Receipt
from perftui.model.frame import Frame
from perftui.screens import alarm, chrome
from perftui.screens.commands import SCREENS, Command, screen_title
from perftui.screens.keys import KeyReader
from perftui.screens.news import WithNews
from perftui.screens.notice import all_down, empty_text, hides, lost_row, past_row, problem_row
from perftui.screens.tab import Tab, Table, focusables
from perftui.screens.work import begin
from perftui.widgets.guard import BUGS, failed
from perftui.widgets.header import tab_row
from perftui.widgets.lines import let_go
from perftui.widgets.rowbox import RowBox

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.session import Session

SMALLEST = (80, 24)


def tab_words(screen: str) -> tuple[str, ...]:
    """The words of a screen's tabs in order, without importing one."""
    tabs: tuple[str, ...] = import_module(f"perftui.screens.{screen}").TABS
    return tuple(entry.partition(":")[0].rpartition(".")[2] for entry in tabs)


def all_tabs() -> tuple[str, ...]:
    """`screen.tab` of every tab of every screen, in key order."""
    return tuple(f"{screen}.{word}" for screen in SCREENS for word in tab_words(screen))


def load_tab(name: str) -> type[Tab]:
    """The class of the tab `screen.tab`; KeyError when there is none of that name."""
    screen, _, word = name.partition(".")
    for entry in import_module(f"perftui.screens.{screen}").TABS:
        module, _, cls = entry.partition(":")
        if module.rpartition(".")[2] == word:
            return cast("type[Tab]", getattr(import_module(module), cls))
    raise KeyError(name)


class LiveScreen(WithNews, Screen[None]):
    """Header, tabs, body and footer; only the tab in front is watched and drawn."""

    DEFAULT_CSS = """
    LiveScreen { layout: vertical; background: $background; color: $foreground; overflow: hidden; }
    LiveScreen { layers: default toast; }
    LiveScreen #body { width: 1fr; height: 1fr; }
    LiveScreen #banner, LiveScreen #notice, LiveScreen #drawer { display: none; }
    LiveScreen.-empty #body { height: 0; }
    LiveScreen #toasts { position: absolute; layer: toast; display: none; }
    LiveScreen #small, LiveScreen #empty { display: none; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS: ClassVar[str | None] = None
    stem: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self.words = tab_words(self.stem)
        self.index = 0
        self.tabs: dict[str, Tab] = {}
        self.frames: dict[str, Frame] = {}
        self.frozen_at: float | None = None
        self.comparing = False  # another instant is being drawn, to be compared with
        self.reader = KeyReader(self)
        self._kept_focus: dict[str, Widget] = {}

    # -- what it stands on

    @property
    def console_app(self) -> PerftuiApp:
        """The application, by its own type."""
        return cast("PerftuiApp", self.app)

    @property
    def session(self) -> Session:
        """The session behind the console."""
        return self.console_app.session

    @property
    def look(self) -> Look:
        """How to draw now."""
        return self.console_app.look

    @property
    def tab_name(self) -> str:
        """`screen.tab` of the tab in front; the screen alone when it has none."""
        return f"{self.stem}.{self.words[self.index]}" if self.words else self.stem

    @property
    def tab(self) -> Tab | None:
        """The tab in front, once it is made."""
        return self.tabs.get(self.tab_name)

    def compose(self) -> ComposeResult:
        """Header, tab row, banner, notice, body, drawer, footer; toasts float above."""
        yield RowBox(id="header")
        yield RowBox(id="tabs")
        yield RowBox(id="banner")
        yield RowBox(id="notice")
        with Container(id="body"):  # the front tab comes with its screen: one layout, one painting less
            if self.words:
                yield self._made()
        yield RowBox(id="empty")
        yield RowBox(id="small")
        yield RowBox(id="drawer")
        yield RowBox(id="footer")
        yield RowBox(id="toasts")

    def on_mount(self) -> None:
        """Show the frame of the picture at once, filled with what is known."""
        self.open_tab(self.index)

    def on_screen_resume(self) -> None:
        """Come back to the front: follow again what the tab shows."""
        self.follow()
        self.fresh = True
        self.tick()
        self._shown()

    def on_screen_suspend(self) -> None:
        """Go to the back: a dialog keeps the feeds, another screen does not."""
        if self.console_app.base is not self:
            self.workers.cancel_group(self, "feeds")
            let_go(self)

    # -- tabs

    def open_tab(self, index: int) -> None:
        """Bring a tab to the front, making it the first time."""
        if not self.words:
            self.chrome()
            return
        index %= len(self.words)
        self.keep_focus()
        self.index = index
        self.frozen_at = None
        if not self.query("#body"):
            return  # not mounted yet: `on_mount` opens what `index` says
        body = self.query_one("#body", Container)
        if self.tab is None:
            body.mount(self._made())
        for name, tab in self.tabs.items():
            tab.display = name == self.tab_name
        self.follow()
        self.fresh = True
        self.call_after_refresh(self._arrived, self.tab_name)

    def _made(self) -> Tab:
        self.tabs[self.tab_name] = made = load_tab(self.tab_name)()
        return made

    def keep_focus(self) -> None:
        """Remember which panel of the tab in front has the keys."""
        if self.focused is not None and self.tab is not None:
            self._kept_focus[self.tab_name] = self.focused

    def _arrived(self, name: str) -> None:
        """The tab is mounted: give it the focus and its first picture."""
        if name != self.tab_name or self.tab is None:
            return
        self.tick()
        self._refocus()
        self._shown()

    def _refocus(self) -> None:
        """Keys need a panel: the one that had them before on this tab, else the one it names first."""
        if self.tab is None or not self.tab.display:
            return
        target = self._kept_focus.get(self.tab_name)
        if target is None or not target.focusable:
            named = self.tab.query(self.tab.first) if self.tab.first else ()
            target = next((w for w in named if w.focusable), None) or next(iter(focusables(self.tab)), None)
        self.set_focus(target)

    def _shown(self) -> None:
        if self.tab is not None and self.tab.is_mounted and self.console_app.base is self:
            self.tab.on_shown()

    def follow(self) -> None:
        """Watch the topics of the tab in front, and let go of all others."""
        self.workers.cancel_group(self, "feeds")
        topics = load_tab(self.tab_name).topics if self.words else ()
        self._take(topics)
        for topic in topics if self.console_app.started else ():
            begin(self, partial(self._feed, topic), topic, "feeds")

    async def _feed(self, topic: str) -> None:
        async for frame in self.session.watch(topic, glance=load_tab(self.tab_name).glance):
            past = self.session.clock.past
            if past or self.frozen_at is not None or topic not in self.frames:  # or let go of meanwhile
                continue
            first = self.frames[topic].report is None and frame.report is not None
            self.frames[topic] = frame
            self.came(topic)
            if first:
                self.tick()  # a first picture does not wait for its turn

    def _take(self, topics: Iterable[str]) -> None:
        now = self.session.clock.now()
        self.frames = {topic: self.session.at(now, topic) for topic in topics}

    def revisit(self) -> None:
        """Time stands elsewhere now: show what was shown then."""
        self.frozen_at = None
        self._take(tuple(self.frames))
        self.fresh = True
        self.tick()

    def has_news(self) -> bool:
        """Whether every engine the tab draws from has answered, with a report or an error."""
        engines = [frame for topic, frame in self.frames.items() if "." not in topic]
        return self.tab is not None and all(
            f.report is not None or f.error or not f.health or all_down(f) for f in engines
        )

    # -- drawing

    def tick(self) -> None:
        """Draw what is new; called by the application's one timer."""
        self.chrome()
        tab = self.tab
        if not self.fresh or tab is None or not tab.is_mounted or not self.is_attached or not self._whole:
            return
        if not self.frames.keys() >= set(tab.topics):  # the tab may be there before the screen follows it
            return
        news = self.take_news()
        self._toggle("#empty", hidden := hides(mine := tab.own(self.frames)))
        self.set_class(hidden, "-empty")
        tab.display = not hidden
        if hidden:
            lines = self.query_one("#empty", RowBox)
            size = Size(self.size.width, max(1, self.size.height - 3))
            lines.show(message(size, *empty_text(tab.empty, mine, self.session.clock.now())))
        try:
            if self.console_app.compares:
                draw_against = import_module("perftui.screens.compare").draw_against
                draw_against(self, tab, self.console_app.travel.pinned)
                news = None
            tab.show(dict(self.frames), news)
        except BUGS as error:
            self.toast(failed(error, self.tab_name), "crit")
        # A tab that was hidden for want of figures could not take the keys from the tab before it.
        if self.is_current and (self.focused is None or tab not in self.focused.ancestors):
            self._refocus()

    def chrome(self) -> None:
        """Header, tab row, banner, notice, drawer, footer and toasts, each painted only when it changed."""
        if not self.is_mounted or self.size.width == 0 or not self._whole:
            return
        width, app = self.size.width, self.console_app
        small = width < SMALLEST[0] or self.size.height < SMALLEST[1]
        if small:
            self.keep_focus()
        self._toggle("#small", small)
        for name in ("#tabs", "#body", "#footer"):
            self._toggle(name, not small)
        alerts = chrome.open_alerts(app)
        self.query_one("#header", RowBox).show([app.header_row(self, width, alerts)])
        self._maybe("#banner", alarm.banner_row(alerts, self.session.clock.now().at, width, self.look))
        if small:
            self.query_one("#small", RowBox).show([app.small_row(self)])
            return
        words = [screen_title(word) for word in self.words]
        self.query_one("#tabs", RowBox).show([tab_row(words, self.index, width, self.look)])
        problem = problem_row(self.session.problem, width, self.look) if app.started else None
        now = self.session.clock.now()
        frames = self.tab.own(self.frames) if self.tab is not None else self.frames
        past = past_row(frames, now, width, self.look) if self.session.clock.past else None
        self._maybe("#notice", problem or past or lost_row(frames, now.at, width, self.look))
        self._maybe("#drawer", app.drawer_row(width))
        self.query_one("#footer", RowBox).show([self.reader.footer(width)])
        app.place_toasts(self)

    @property
    def _whole(self) -> bool:
        """Whether all parts are there: while the application leaves, the timer outlives some of them."""
        return {"header", "tabs", "body", "footer", "small"} <= {child.id for child in self.children}

    def _maybe(self, name: str, row: Sequence[Any] | None) -> None:
        self._toggle(name, row is not None)
        if row is not None:
            self.query_one(name, RowBox).show([tuple(row)])

    def _toggle(self, name: str, shown: bool) -> None:
        widget = self.query_one(name)
        if widget.display != shown:
            widget.display = shown

    def on_resize(self, _event: events.Resize) -> None:
        """Draw again for the new size once the layout has settled."""
        self.fresh = True
        self.call_after_refresh(self.tick)

    async def start_over(self) -> None:
        """Forget every tab and what was selected on it; the session has changed."""
        self.workers.cancel_group(self, "feeds")
        for tab in self.tabs.values():
            await tab.remove()
        self.tabs, self.frames, self._kept_focus = {}, {}, {}
        self.open_tab(self.index)

    def set_frozen(self, frozen: bool) -> None:
        """Stop taking frames on this screen, or go on with the newest."""
        self.frozen_at = time.time() if frozen else None
        if not frozen:
            self._take(tuple(self.frames))
            self.fresh = True
        self.tick()

    # -- keys

    async def on_key(self, event: events.Key) -> None:
        """Keys nobody on the screen took."""
        if self.reader.take(event):
            event.stop()
            event.prevent_default()

    def run_command(self, command: Command) -> None:
        """Do a command as if its key had been pressed."""
        self.reader.do(command)

    # -- what tabs ask for

    def table_in(self, tab: Tab) -> Table | None:
        """Header and rows of the focused table, else of the first one on the tab."""
        candidates = [self.focused, *tab.query("*")]
        for widget in candidates:
            view: Any = getattr(widget, "view", None)
            if view is not None and hasattr(view, "shown_columns"):
                columns = view.shown_columns
                rows = [tuple(c.datum(view.items[key]) for c in columns) for key in view.order]
                return tuple(c.key for c in columns), rows
        return None

    def perform(
        self,
        action_id: str,
        source: str,
        after: Callable[[Receipt], None] | None,
        params: Mapping[str, Any],
    ) -> None:
        """Plan, ask, run, tell."""
        self.console_app.deeds.perform(action_id, source, after, params)

    def probe(
        self, topic: str, source: str, port: Any, call: Callable[[Any], Awaitable[Any]], deadline: float
    ) -> None:
        """Read once through a power; the past is not asked."""
        if not (self.session.clock.past or self.comparing):
            self.console_app.deeds.probe(topic, source, port, call, deadline)

    def ask(
        self,
        title: str,
        prompt: str,
        then: Callable[[str], None],
        value: str,
        check: Callable[[str], str] | None,
    ) -> None:
        """Ask for one line."""
        self.console_app.deeds.ask(title, prompt, then, value, check)

    def choose(self, title: str, options: Sequence[tuple[str, str]], then: Callable[[str], None]) -> None:
        """Ask for one of several."""
        self.console_app.deeds.choose(title, options, then)

    def toast(self, text: str, severity: str = "info") -> None:
        """Say something for six seconds."""
        self.console_app.toast(text, severity)

    def go(self, name: str) -> None:
        """Go to a tab, on whatever screen it is."""
        self.console_app.go(name)


def screen_class(stem: str) -> type[LiveScreen]:
    """The screen of a stem; each has its own class, so that modes keep them apart."""
    return type(f"{stem.capitalize()}Screen", (LiveScreen,), {"stem": stem})
