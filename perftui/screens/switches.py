"""Switches of a running console: colours, mouse, read-only, environment, configuration."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from perftui.analysis.promduration import show_duration
from perftui.draw.format import stamp
from perftui.draw.ghost import Ghost
from perftui.model.errors import PerftuiError
from perftui.screens import colours
from perftui.screens.work import begin
from perftui.widgets.chart import ChartPanel

if TYPE_CHECKING:
    from perftui.app import PerftuiApp


class Switches:
    """What `:theme`, `:mouse`, `:readonly`, `:env` and `:reload` turn."""

    def __init__(self, app: PerftuiApp) -> None:
        self.app = app

    def theme(self, name: str) -> None:
        """Change colours now; unknown names are told."""
        if name not in colours.theme_names():
            self.app.toast(f"themes: {', '.join(colours.theme_names())}", "warn")
            return
        self.app.use_palette(name)
        for screen in self.app.screen_stack:
            screen.refresh(layout=True)
        self.app.base.fresh = True
        self.app.base.tick()

    def mouse(self, on: bool) -> None:
        """Follow the mouse, or leave it to the terminal's own selection."""
        self.app.mouse_on = on
        codes = (1000, 1003, 1015, 1006)
        self.app.write_control("".join(f"\x1b[?{code}{'h' if on else 'l'}" for code in codes))
        self.app.toast("the console follows the mouse" if on else "the mouse selects text of the terminal")

    def bands(self, on: bool) -> None:
        """Shade on every chart what its first line lets expect, or no longer."""
        ChartPanel.bands = on
        self.app.base.fresh = True
        self.app.base.tick()
        self.app.toast("charts show the band their first line lets expect" if on else "bands are off")

    def ghost(self, span: float) -> None:
        """Draw behind every chart what it showed `span` seconds ago, 0: no longer."""
        ChartPanel.ghost = Ghost(span, self.app.session.history.series) if span else None
        self.app.base.fresh = True
        self.app.base.tick()
        self.app.toast(self._said_of_ghost(span) if span else "no ghost any more")

    def _said_of_ghost(self, span: float) -> str:
        """What is drawn, or where history begins when it does not go back that far."""
        past, words = self.app.session.past, f"{show_duration(span)} ago"
        if past is None:
            return f"nothing is remembered here: charts have nothing {words}"
        gap = past.around(self.app.session.clock.now().at - span)
        if gap.start is None and gap.end is not None:
            first = stamp(gap.end, self.app.look.tz)
            return f"nothing was recorded {words}: history begins {first}"
        return f"charts show behind their lines what was {words}"

    def read_only(self, on: bool) -> None:
        """Refuse every change; leaving it asks for the environment's name."""
        if on:
            self._set_read_only(True)
            return
        name = str(self.app.session.env.name)
        if self.app.session.env.read_only:
            self.app.toast(f"{name} is read-only by configuration", "warn")
            return
        self.app.deeds.ask(
            "Leave read-only mode",
            f"type {name} to allow changes",
            lambda _text: self._set_read_only(False),
            check=lambda text: "" if text == name else f"that is not {name}",
        )

    def _set_read_only(self, on: bool) -> None:
        try:
            self.app.session.read_only = on
        except PerftuiError as error:
            self.app.toast(str(error), "warn")
            return
        self.app.toast("read-only: every change is refused" if on else "changes are allowed")
        self.app.base.chrome()

    def environment(self, name: str) -> None:
        """Go to another environment: a new session, and no selection survives."""
        if name == self.app.session.env.name:
            self.app.toast(f"this is {name}")
        elif self.app.running():
            self.app.toast("an action runs: cancel it or wait before changing the environment", "warn")
        else:
            self._begin_change(name)

    async def _change(self, name: str) -> None:
        try:
            session = self.app.session_factory(name)
        except PerftuiError as error:
            self.app.toast(str(error), "crit")
            return
        await self.app.change_session(session)
        if ChartPanel.ghost is not None:
            ChartPanel.ghost = Ghost(ChartPanel.ghost.span, session.history.series)
        ChartPanel.instant = None
        self.app.toast(f"environment {name}")

    def reload(self) -> None:
        """Read the configuration again and say what changed; a broken one leaves the old in force."""
        again = self.app.options.reload
        if again is None:
            self.app.toast("this console was started without a configuration", "warn")
            return
        if self.app.running():
            self.app.toast("an action runs: cancel it or wait before reading the configuration", "warn")
            return
        try:
            changed = again()
        except PerftuiError as error:
            self.app.toast(f"the old configuration stays: {error}", "crit")
            return
        if not changed:
            self.app.toast("configuration read: nothing changed")
            return
        self.app.toast(f"configuration changed: {', '.join(changed)}")
        self._begin_change(str(self.app.session.env.name))

    def _begin_change(self, name: str) -> None:
        begin(self.app, partial(self._change, name), "environment")
