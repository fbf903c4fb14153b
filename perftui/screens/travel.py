"""Going to another instant: every screen shows what it showed then, and nothing can be done there."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perftui.analysis.instant import SHAPES, instant
from perftui.draw.clean import inert
from perftui.draw.format import stamp, zone
from perftui.model.errors import PerftuiError
from perftui.model.event import Events
from perftui.model.moment import TimeState
from perftui.screens.work import begin

if TYPE_CHECKING:
    from perftui.app import PerftuiApp
    from perftui.session import Session

REACH = 8  # events that a typed word may mean


class Travel:
    """What `,` `.` `<` `>` `@` and `L` do."""

    def __init__(self, app: PerftuiApp) -> None:
        self.app = app
        self._recorder: Any = None
        self.pinned: float | None = None  # the instant that everything is compared with

    @property
    def session(self) -> Session:
        """The session travelled in."""
        return self.app.session

    def step(self, by: int) -> None:
        """Go `by` readings on (or back)."""
        past = self._past()
        if past is None:
            return
        topics = [topic for topic in self.app.base.frames if "." not in topic]
        more = [topic for topic in past.topics() if topic not in topics]
        found = past.step([*topics, *more], self.session.clock.now().at, by)
        if found is not None:
            self.show(found)
        elif past.late:
            self.app.toast("the store has not answered yet: press again in a moment", "warn")
        elif by > 0 and self.session.clock.now().state is TimeState.PAST:
            self.live()
        else:
            self.app.toast("nothing was recorded before" if by < 0 else "nothing is there after this")

    def moves(self) -> bool:
        """Whether another picture is due: a recording plays, or what a slow store was asked for has come."""
        past = self.session.past
        return self.session.clock.playing or (past is not None and past.answered())

    def ask(self) -> None:
        """Ask for an instant, an alert or an event."""
        if self._past() is not None:
            self.app.deeds.ask("Go to", f"{SHAPES}, or words of an event", self.go, check=self._wrong)

    def go(self, text: str) -> None:
        """Go to a typed instant; see `reach`."""
        if self._past() is None:
            return
        try:
            at = self._instant(text)
        except ValueError as error:
            self._choose_event(text, str(error))
            return
        self.reach(at)

    def reach(self, at: float) -> None:
        """Go to an instant; where nothing was read, offer what is nearest instead."""
        past = self._past()
        if past is None:
            return
        gap = past.around(at)
        if gap.start is not None and past.shown(at - gap.start, at):
            self.show(at)
            return
        known = [t for t in gap if t is not None]
        if not known:
            self.app.toast("nothing was recorded yet", "warn")
            return
        options = [(repr(t), self._words(t)) for t in known]
        self.app.deeds.choose(f"Nothing was read at {self._words(at)}", options, self._chosen)

    def live(self) -> None:
        """Back to what is now."""
        if self.session.clock.past:
            self.session.clock.unfreeze()
            self.app.revisit()

    def show(self, at: float) -> None:
        """Let every screen show an instant."""
        self.session.clock.travel(at)
        self.app.revisit()

    def next_alert(self) -> None:
        """Go to the next alert after this instant."""
        past = self._past()
        at = past.next_event("alert", self.session.clock.now().at) if past is not None else None
        if at is None:
            self.app.toast("no alert after this")
        else:
            self.show(at)

    def pin(self) -> None:
        """Compare with this instant from now on, or no more."""
        if self.pinned is not None:
            self.pinned = None
            self.app.toast("no longer compared")
        elif self._past() is not None:
            self.app.compares, self.pinned = True, self.session.clock.now().at
            self.app.toast(
                f"pinned {self._words(self.pinned)}: charts and tables are compared with it, C ends it"
            )
        self.app.revisit()

    # -- recording

    def record(self, name: str) -> None:
        """Begin a recording in a new file, or end the one under way."""
        session = self.session
        if session.clock.now().state is TimeState.REPLAY:
            self.app.toast("this is a recording already", "warn")
        elif name == "stop" or self._recorder is not None:
            begin(self.app, self._end, "record")
        else:
            folder = Path(self.app.options.export_dir or ".")
            stem = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            path = Path(name) if name else folder / f"perftui-{session.env.name}-{stem}.session"
            begin(self.app, partial(self._begin, path), "record")

    async def _begin(self, path: Path) -> None:
        from perftui.replay import recorder

        try:
            self._recorder = made = recorder(self.session, path)
            await made.begin()
        except PerftuiError as error:
            self._recorder = None
            self.app.toast(str(error), "crit")
            return
        self.app.toast(f"recording into {path}; `:record stop` ends it")

    async def _end(self) -> None:
        made, self._recorder = self._recorder, None
        if made is None:
            self.app.toast("nothing is being recorded", "warn")
            return
        await made.close({}, 5.0)
        self.app.toast(f"recorded: perftui replay {made.path}")

    # -- words

    def _past(self) -> Any:
        """What is remembered (`runtime/rewind.py`), None with a word where nothing is."""
        past = self.session.past
        if past is None:
            self.app.toast("nothing is remembered here", "warn")
        return past

    def _now(self) -> float:
        return self.session.clock.latest()

    def _instant(self, text: str) -> float:
        return instant(text, self._now(), zone(self.app.look.tz))

    def _wrong(self, text: str) -> str:
        """Why a typed text leads nowhere, or ''."""
        try:
            self._instant(text)
        except ValueError as error:
            return "" if self._events(text) else str(error)
        return ""

    def _words(self, at: float) -> str:
        return stamp(at, self.app.look.tz)

    def _chosen(self, value: str) -> None:
        self.show(float(value))

    def _events(self, text: str) -> list[tuple[str, str]]:
        """Events that hold all typed words, newest first, as choices."""
        words = text.lower().split()
        past = self.session.past
        report = past.events(self._now()) if past is not None else Events(())
        found = [e for e in reversed(report.events) if words and all(w in e.title.lower() for w in words)]
        tz = self.app.look.tz
        return [(repr(e.at), f"{stamp(e.at, tz)} {e.kind} {inert(e.title, 120)}") for e in found[:REACH]]

    def _choose_event(self, text: str, error: str) -> None:
        options = self._events(text)
        if options:
            self.app.deeds.choose(f"Events with {inert(text, 40)!r}", options, self._chosen)
        else:
            self.app.toast(error, "warn")
