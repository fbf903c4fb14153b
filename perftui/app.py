"""The console: seven screens over one session. It knows keys, colours and time, and no domain word."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.binding import BindingType
from textual.screen import Screen

from perftui.draw.palette import TRUE_COLOUR, Palette
from perftui.draw.rows import Look, Row
from perftui.model.errors import PerftuiError
from perftui.model.frame import Frame
from perftui.runtime.pace import STEPS, Pace
from perftui.screens import alarm, chrome, colours
from perftui.screens.commands import SCREENS, Keymap, keymap
from perftui.screens.hands import Hands
from perftui.screens.keys import alt_of
from perftui.screens.live import LiveScreen, all_tabs, load_tab, screen_class
from perftui.screens.work import begin
from perftui.widgets.header import header
from perftui.widgets.output import DiffApp, MeteredDriver
from perftui.widgets.rowbox import RowBox
from perftui.widgets.toast import Toasts, toast_rows

if TYPE_CHECKING:
    from perftui.model.action import Receipt
    from perftui.model.alerts import Alert
    from perftui.session import Session

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
TOAST_WIDTH = 60
LEAVE, RECORDED = 0.4, 5.0  # seconds to let go; a recording is made whole first


@dataclass(frozen=True, slots=True)
class Options:
    """How the console is shown. `screen` is a screen or `screen.tab`, `keys` the `[keys]` table.

    `reload` reads the configuration again, so that `session_factory` builds on the new one, and
    returns what changed in words (empty: nothing); it raises ConfigError and then changes nothing.
    """

    env: str = ""
    screen: str = "overview"
    theme: str = "dark"
    mono: bool = False
    ascii_: bool = False
    mouse: bool = True
    diff: bool = True
    ring: str = "none"  # when an alert opens: none, bell or desktop
    tz: str = "UTC"
    keys: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[str, ...] = ()
    export_dir: str = ""
    config_name: str = "[keys]"
    reload: Callable[[], Sequence[str]] | None = None
    colours: int | None = None  # what the terminal shows; None: ask it
    settled: Callable[[], None] | None = None  # told once everything is loaded


class PerftuiApp(Hands, DiffApp):
    """The console over the session that `session_factory(env)` makes; it is started after the first paint."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {s: screen_class(s) for s in SCREENS}
    CSS = """
    * { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """

    def __init__(
        self,
        session_factory: Callable[[str], Session],
        options: Options | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.options = options or Options()
        surroundings = dict(os.environ if environment is None else environment)
        colourless = self.options.mono or colours.wants_no_colour(surroundings)
        screen, _, self._first_tab = self.options.screen.partition(".")
        self.DEFAULT_MODE = screen if screen in SCREENS else SCREENS[0]  # type: ignore[misc]
        super().__init__(driver_class=MeteredDriver)
        self.colourless = colourless
        self.diffing = self.options.diff
        self.session_factory = session_factory
        self.session: Session = session_factory(self.options.env)
        self.started = False
        self.findings: Frame | None = None
        self.compares = False  # whether an instant was ever pinned
        self.keymap: Keymap = keymap(self.options.keys, self.options.config_name)
        self.pace = Pace()
        self.toasts = Toasts()
        self.mouse_on = self.options.mouse
        shown = self.options.colours
        self.depth = colours.colours_of(self.console.color_system) if shown is None else shown
        ascii_ = self.options.ascii_ or colours.wants_ascii(surroundings)
        self.look = Look(colour=not colourless, ascii_=ascii_, tz=self.options.tz)
        self.palette: Palette = self.use_palette(self.options.theme)

    # -- life

    def on_mount(self) -> None:
        """Paint first; then start the session, the one timer, and listen to signals."""
        self._listen()
        self.app_resume_signal.subscribe(self, self._woken)
        if self._first_tab:
            self.go(self.options.screen)
        self.set_interval(STEPS[0], self.tick)
        for problem in self.keymap.problems:
            self.toast(problem, "warn")
        self.call_after_refresh(self._begin)

    def _woken(self, _app: object) -> None:
        """Back from the shell: nothing on the terminal is ours any more."""
        self.repaint()

    def _begin(self) -> None:
        begin(self, partial(self._live, self.session), "session", "session")

    async def _live(self, session: Session) -> None:
        """Start the session, follow it, and keep an eye on its findings."""
        self.started = True
        session.terminal = lambda: self.meter.bytes if self.meter is not None else None
        self.base.follow()
        await session.start()
        begin(self, partial(alarm.follow, self, session), "alarm", "session")
        if not self.is_headless:
            begin(self, self._fetch_tabs, "tabs", "tabs")
        if self.options.settled is not None:
            self.options.settled()
        await self._tell_unfinished(session)
        async for frame in session.watch("findings"):
            self.findings = frame if not session.clock.past else self.findings

    async def _fetch_tabs(self) -> None:
        """Import what keys may lead to, in a thread, so that the first visit is like the second."""
        for name in all_tabs():
            await asyncio.to_thread(load_tab, name)
        for module in ("help", "palette"):
            await asyncio.to_thread(import_module, f"perftui.screens.dialogs.{module}")

    async def _tell_unfinished(self, session: Session) -> None:
        """What an earlier console began and never ended: the operator must look before acting."""
        if session.clock.past:
            return
        try:
            entries = await session.conductor.unfinished()
        except PerftuiError as error:
            self.toast(str(error), "crit")
            return
        for entry in entries:
            self.toast(f"unfinished: {entry.action} on {entry.target} by {entry.user}: look first", "warn")

    def on_worker_state_changed(self, event: Any) -> None:
        """A worker that died says so, one that was sent away does not; the console goes on."""
        error = event.worker.error
        if error is not None and not isinstance(error, asyncio.CancelledError):
            self.toast(f"{event.worker.name}: {type(error).__name__}: {error}", "crit")

    async def on_event(self, event: events.Event) -> None:
        """Escape and a letter in one read look like Alt: nothing here needs Alt, so both keys are meant."""
        meant = alt_of(event) if isinstance(event, events.Key) and not event.is_forwarded else None
        if meant is not None:
            self.post_message(events.Key("escape", "\x1b"))
            second = events.Key(*meant)
            self.call_after_refresh(self.post_message, second)  # once escape has closed what it closes
        else:
            await super().on_event(event)

    def _listen(self) -> None:
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.exit_by_signal, number)

    def crashed(self, error: BaseException | None, trace: str) -> str:
        """One screen after a crash: what happened, where to read more; values stay out of it."""
        from perftui.config import paths

        log = paths.state_dir() / "crash.log"
        try:
            paths.write_private(log, trace)
            where = f"Details: {log}"
        except OSError as failure:
            where = f"{trace}\n(cannot write {log}: {failure})"
        kind = type(error).__name__
        return f"perftui stopped: {kind}, a fault of its own. Actions under way are in the audit.\n{where}"

    def exit_by_signal(self, number: int) -> None:
        """Leave at once, restored, with 128 + signal."""
        self.exit(128 + number, return_code=128 + number)

    async def on_unmount(self) -> None:
        """Let go of everything the session holds, within a bound."""
        try:
            await asyncio.wait_for(self.session.close(), LEAVE if len(self.session.keeping) < 2 else RECORDED)
        except TimeoutError:
            self.log.warning("the session did not close in time")

    def leave(self) -> None:
        """Quit; asks only while an action runs."""
        if not self.running():
            self.exit(0)
            return
        names = ", ".join(run.title for run in self.running())
        options = [("stay", "stay"), ("leave", f"cancel {names} and leave")]
        self.deeds.choose("An action is running", options, lambda v: self.exit(0) if v == "leave" else None)

    # -- where we are

    @property
    def base(self) -> LiveScreen:
        """The screen in front, dialogs aside."""
        return cast("LiveScreen", self.screen_stack[0])

    def go(self, name: str) -> None:
        """Go to `screen` or `screen.tab`; unknown tabs are told."""
        stem, _, word = name.partition(".")
        if stem not in SCREENS:
            self.toast(f"no screen is called {stem!r}", "warn")
            return
        if self.current_mode != stem:
            self.switch_mode(stem)
        if word and word in self.base.words:
            self.base.open_tab(self.base.words.index(word))
        elif word:
            self.toast(f"{stem} has no tab {word!r}; it has {', '.join(self.base.words)}", "warn")

    def revisit(self) -> None:
        """Time stands elsewhere now: everything in sight shows what was shown then."""
        self.findings = self.session.at(self.session.clock.now(), "findings")
        self.base.revisit()

    # -- drawing

    def tick(self) -> None:
        """The one timer: draw what is new at the pace the link takes."""
        now = chrome.seconds()
        self.toasts.prune(now)
        if not self.pace.due(now) or not self.screen_stack:
            return
        if self.session.clock.past and self.travel.moves():
            self.revisit()
        meter = self.meter
        behind = meter is not None and (not meter.idle or bool(self.shadow.dirty))
        with self.batch_update():
            self.base.tick()
        rate = meter.rate if meter is not None else 0.0
        self.pace.drew(now, chrome.seconds() - now, behind, rate)
        self.link_limit = self.pace.limit()
        self._retitle()

    def _retitle(self) -> None:
        title = chrome.title(self)
        if title != self.title:
            self.title = title
            self.write_control(f"\x1b]2;{title}\x07")

    def header_row(self, screen: LiveScreen, width: int, alerts: Sequence[Alert]) -> Row:
        """The first row of `screen`."""
        return header(chrome.status(self, screen, alerts), width, self.look)

    def small_row(self, screen: LiveScreen) -> Row:
        """What is said when the terminal is too small."""
        return chrome.small_row(self, screen.size.width)

    def drawer_row(self, width: int) -> Row | None:
        """The row of running actions, None when nothing runs."""
        return chrome.drawer_row(self, width)

    def toast(self, text: str, severity: str = "info") -> None:
        """Say something for six seconds; severity is info, warn or crit."""
        self.toasts.add(text, chrome.seconds(), severity)
        if self.is_running and self.screen_stack:
            self.place_toasts(self.base)

    def place_toasts(self, screen: LiveScreen) -> None:
        """Put the notices above the footer at the right edge."""
        if not screen.is_mounted:
            return
        box = screen.query_one("#toasts", RowBox)
        width = min(TOAST_WIDTH, screen.size.width)
        rows = toast_rows(self.toasts.items, width, self.look)
        box.display = bool(rows)
        if rows:
            box.styles.width, box.styles.height = width, len(rows)
            box.styles.offset = (screen.size.width - width, screen.size.height - 1 - len(rows))
            box.show(rows)

    def text(self) -> str:
        """The visible screen's cells as lines, trailing blanks cut."""
        from perftui.widgets.picture import text_of

        return text_of(self)

    # -- colours

    def use_palette(self, name: str) -> Palette:
        """Take a theme's colours, as this terminal can show them."""
        chosen = colours.choose(name, self.depth, self.colourless)
        theme = colours.theme_of(chosen)
        self.register_theme(theme)
        self.theme = theme.name
        self.palette = chosen
        return chosen

    # -- the rest of what verbs ask for

    def running(self) -> Sequence[Any]:
        """What the conductor runs now, oldest first."""
        return tuple(self.session.conductor.running) if self.started else ()

    def repaint(self) -> None:
        """Send the whole picture again."""
        self.forget_terminal()
        self.screen.refresh()

    def show_progress(self) -> None:
        """Details of what runs, with cancel."""
        from perftui.screens.dialogs.progress import ProgressDialog

        self.push_screen(ProgressDialog())

    def show_receipt(self, title: str, receipt: Receipt, error: str) -> None:
        """What was done, what failed and what was left alone."""
        from perftui.screens.dialogs.receipt import ReceiptDialog

        self.push_screen(ReceiptDialog(title, receipt, error))

    def drop(self, dialog: Screen[Any]) -> None:
        """Take a dialog away that nobody waits for any more."""
        if dialog in self.screen_stack and dialog is self.screen:
            self.pop_screen()

    def cancel_running(self) -> None:
        """Ask every running action to stop."""
        for run in self.running():
            self.session.conductor.cancel(run.id)

    async def change_session(self, session: Session) -> None:
        """Stand on another session: every screen is made anew, nothing selected survives."""
        old, stem = self.session, self.base.stem
        self.workers.cancel_group(self, "session")
        self.started, self.findings = False, None
        self.session = session
        for name in [n for n in SCREENS if n != stem]:
            await self.remove_mode(name)
            self.add_mode(name, self.MODES[name])
        await self.base.start_over()
        await old.close()
        self._begin()


async def render(
    session: Session,
    tab: str,
    size: tuple[int, int] = (120, 40),
    theme: str = "dark",
    *,
    deadline: float = 5.0,
    ascii_: bool = False,
) -> tuple[str, str]:
    """The tab of a session not yet started, as (SVG, text), without a terminal.

    Waits until every topic of the tab has a report or an error, at most `deadline` seconds.
    """
    from perftui.screens.pictures import svg_of

    options = Options(screen=tab, theme=theme, mono=theme == "mono", ascii_=ascii_, colours=TRUE_COLOUR)
    app = PerftuiApp(lambda _env: session, options, environment={"TERM": "xterm-256color"})
    async with app.run_test(size=size) as pilot:
        async with _within(deadline):
            while not (app.started and app.base.has_news()):
                await pilot.pause(0.05)
        app.base.tick()
        await pilot.pause()
        app.base.tick()
        await pilot.pause()
        return svg_of(app, tab), app.text()


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Give up waiting after a time, without an error."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        return
