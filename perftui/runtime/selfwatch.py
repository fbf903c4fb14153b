"""Looks after the alerting itself: rules, channels, the clock, and the room for history."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from perftui.draw import format as fmt
from perftui.model.alerts import AlertsReport, AlertState
from perftui.model.event import Event
from perftui.model.frame import Frame, SeriesReader
from perftui.model.reading import Look
from perftui.model.selfwatch import SOURCE, Broken, WatchReport
from perftui.runtime.alerting import Alerting
from perftui.runtime.clock import Clock
from perftui.runtime.observer import BUGS, Observer
from perftui.runtime.topic import Topic

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two looks
SKEW = 2.0  # seconds
JUMP = 300.0  # seconds the wall clock and the monotonic one may part before that is an event


class SelfWatch(Observer):
    """An observer with a clock of its own. `lonely` says whether no agent would go on after us."""

    def __init__(
        self,
        engine: Any,
        alerting: Alerting,
        alerts: Topic[Frame],
        history: SeriesReader,
        clock: Clock,
        topic: Topic[Frame],
        note: Callable[[Event], None],
        lonely: Callable[[], bool],
    ) -> None:
        super().__init__(engine, {}, history, clock, hold=False, topic=topic)
        self._judge = engine  # the same by what only it can do
        self._alerting = alerting
        self._alerts = alerts
        self._note = note
        self._lonely = lonely
        self._broken: dict[str, float] = {}
        self._since: dict[str, float] = {}  # clocks that stand apart
        self._apart: float | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self.tick()
            except BUGS:  # costs this round, never the console
                log.exception("own watch")
            await asyncio.sleep(EVERY)

    def tick(self) -> None:
        """One look."""
        self._clocks()
        self._judge.seen = self._look(self._clock.wall())
        self.topic.publish(self.observe())

    def _report(self, now: float, looks: Mapping[str, Look]) -> tuple[Any, str]:
        return self._judge.observe(now, looks, self._history), ""  # looked already: no backend is needed

    def _clocks(self) -> None:
        """A clock that was set, or a host that slept, is an event: what is dated around it is doubtful."""
        apart = self._clock.wall() - self._clock.monotonic()
        before, self._apart = self._apart, apart
        if before is not None and abs(apart - before) > JUMP:
            by, way = abs(apart - before), "forward" if apart > before else "back"
            said = "times around it are in doubt; time nobody watched is no pending time of a rule"
            title = f"the clock went {way} by {by:.0f} s: it was set, or the host slept"
            self._note(Event(self._clock.wall(), "note", "clock", title, said, SOURCE))

    def _look(self, now: float) -> WatchReport:
        frame = self._alerts.value
        report = frame.report if frame is not None else None
        known = report if isinstance(report, AlertsReport) else None
        firing = [a for a in known.alerts if a.state is AlertState.FIRING] if known else []
        notifier = self._alerting.notifier
        channels = notifier.standing() if notifier is not None else ()
        return WatchReport(
            now,
            tuple(self._rules(known, now)) if known else (),
            tuple(Broken(one.name, one.failing, one.said) for one in channels if one.failing is not None),
            tuple(a for a in known.alerts if a.flapping) if known else (),
            tuple(firing),
            bool(channels) and self._lonely(),
            self._alerting.pressed,
            tuple(self._skewed(now)),
        )

    def _skewed(self, now: float) -> Iterable[Broken]:
        """Backends whose clocks stand apart from ours, since when they do."""
        looks = self._alerting.looks().items()
        ahead = {name: look.reading.ahead for name, look in looks if look.reading is not None}
        apart = {name: by for name, by in ahead.items() if by is not None and abs(by) > SKEW}
        self._since = {name: self._since.get(name, now) for name in apart}
        for name, by in apart.items():
            way = "ahead of" if by > 0 else "behind"
            yield Broken(name, self._since[name], f"{fmt.duration(abs(by)).strip()} {way}")

    def _rules(self, report: AlertsReport, now: float) -> Iterable[Broken]:
        """Those whose evaluations fail, since when they do without a good one between."""
        failing = {one.rule.name: one for one in report.rules if one.error}
        self._broken = {name: self._broken.get(name, now) for name in failing}
        for name, one in failing.items():
            yield Broken(name, self._broken[name], one.error, one.rule.place)
