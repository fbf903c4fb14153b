"""Alerting of one environment, put together: the ruler that evaluates and the desk where people act."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from perftui.analysis.promql import Shelf
from perftui.model.alerts import AlertsReport, AlertState, RuleGroup, Silence
from perftui.model.anomaly import Watch
from perftui.model.errors import Unsupported
from perftui.model.event import Event
from perftui.model.finding import Finding
from perftui.model.frame import Frame
from perftui.model.metrics import GENERATION_2, Answer
from perftui.model.notify import NoticesReport, Notification, Paint, Picture, Telling
from perftui.model.reading import Look, Reading
from perftui.model.selfwatch import Pressed
from perftui.runtime.alertbook import Book
from perftui.runtime.alerts import Ruler
from perftui.runtime.backtester import Backtester
from perftui.runtime.clock import Clock
from perftui.runtime.explainer import ExplainingDesk
from perftui.runtime.groupruler import Evaluator, GroupRuler, Points
from perftui.runtime.links import Links
from perftui.runtime.loading import bring, load
from perftui.runtime.localseries import LocalSeries
from perftui.runtime.memory import Memory
from perftui.runtime.nodeseries import NodeSeries
from perftui.runtime.notify import Notifier
from perftui.runtime.observer import Observer
from perftui.runtime.oddities import Oddities
from perftui.runtime.outbox import Outbox
from perftui.runtime.rings import Rings
from perftui.runtime.sights import Sights
from perftui.runtime.store import Store
from perftui.runtime.topic import Topic

KEPT: Final = 86400.0  # seconds of what recording rules and alerts write
NAME = "alerts"  # of the topic, and of the desk where a backend's name would stand


class Alerting:
    """`desk` is for people (and has the power `AlertDesk`); `ruler` runs where backends are polled."""

    def __init__(
        self, memory: Memory, group: RuleGroup, kinds: Mapping[str, str], clock: Clock, topic: Topic[Frame]
    ) -> None:
        self._memory = memory
        self._group = group
        self._kinds = kinds
        self._clock = clock
        self._topic = topic
        self._book = Book(memory.store)
        self._outbox = Outbox(memory.store)
        self.ruler: Ruler | None = None
        self._rings = Rings()  # the session's, and its observers, once there is a ruler
        self._observers: dict[str, Observer] = {}
        self.looks: Callable[[], Mapping[str, Look]] = dict  # at backends, where they are read here
        self.notifier: Notifier | None = None
        self._local: LocalSeries | None = None
        self._links: Links | None = None
        self.paint: Paint | None = None  # given by who can draw
        self.desk = ExplainingDesk(
            group, kinds, clock, self._book, memory.history, self._changed, self._outbox
        )
        self.desk.happened = memory.events.load
        self.hosts = NodeSeries(lambda: self.desk.shelf.groups)

    def told_as(self, telling: Telling) -> ExplainingDesk:
        """The desk, which from now on knows who is told."""
        self.desk.telling = telling
        return self.desk

    def rule(
        self,
        rings: Rings,
        looks: Callable[[], Mapping[str, Look]],
        observers: dict[str, Observer],
        note: Callable[[Event], None],
        power: Callable[[str, str], Any] | None = None,
    ) -> Ruler:
        """A ruler over what a session sees; its owner runs and closes it.

        `power` gives a backend that can do what is asked, by its name and the name of a port.
        """
        self._rings, self._observers, self.looks = rings, observers, looks
        written = Shelf(seconds=KEPT)
        local = LocalSeries(
            self._kinds, history=self._memory.history, rings=rings, looks=looks, written=written
        )
        files = GroupRuler(self.desk.shelf, written, partial(_asked, local, power), self._memory.store.env)
        self._local = local
        self.desk.look_through(local, files)
        self.ruler = Ruler(
            self._group,
            Sights(rings, self._kinds, looks, lambda: _findings(observers)),
            self._clock,
            self._book,
            self._memory.leases,
            env=self._memory.store.env,
            told=self._publish,
            note=note,
            files=files,
            days=self.desk.days,
        )
        return self.ruler

    @property
    def store(self) -> Store:
        """Where alerts, their history and messages are."""
        return self._memory.store

    @property
    def pressed(self) -> Pressed | None:
        """When detail of history went last before its time."""
        return self._memory.history.pressed

    @property
    def backtester(self) -> Backtester:
        """Rules over what was recorded."""
        dialect = self._local.speech.dialect if self._local is not None else GENERATION_2
        return Backtester(self._memory.history, self._kinds, dialect)

    async def watch(
        self, what: Watch, topic: Callable[[str], Topic[Frame]], keep: Callable[[Reading], None]
    ) -> None:
        """Remember links by `keep`, and judge series for unusual values until cancelled.

        The ruler sees findings and distances of it.
        """
        if self._memory.looks_on:
            return
        self._links = Links(keep)
        if not what.series:
            return
        engine = (await bring("perftui.engines.anomaly:AnomalyEngine"))(what)
        made = Oddities(
            engine,
            self._rings,
            self._memory.history,
            self._clock,
            topic(engine.stem),
            self._kinds,
            keep,
            self._silences,
            lambda: self.ruler.thresholds if self.ruler else {},
            self.desk.days,
            self._group.rules,
        )
        self._observers[engine.stem] = made
        await made.run()

    def _silences(self) -> tuple[Silence, ...]:
        report = self._topic.value.report if self._topic.value is not None else None
        return report.silences if isinstance(report, AlertsReport) else ()

    async def notify(self, topic: Topic[Frame]) -> None:
        """Tell people, and `topic` how that goes, until cancelled."""
        telling: Telling = self.desk.telling
        post = (await bring(telling.post) if telling.ways or telling.beats else load(telling.post))()
        if telling.ways or telling.beats:
            await post.ready()  # the first message must not wait for a client to be made

        def publish(report: NoticesReport) -> None:
            topic.publish(Frame(topic.name, report.at, report, {}, seen=report.at))

        self.notifier = Notifier(
            telling,
            post,
            self._outbox,
            self._memory.leases,
            self._clock,
            publish,
            lambda: topic.value is None or topic.level > 0,
            enter=self.desk.acknowledged_at,
            paint=self._painted,
        )
        try:
            await self.notifier.run()
        finally:
            await post.close()

    async def _painted(self, what: Notification) -> Picture | None:
        return await self.paint(what) if self.paint is not None else None

    def _changed(self) -> None:
        if self.ruler is not None:
            self.ruler.wake()

    def said(self) -> str:
        """What the last evaluation came to."""
        report = self._topic.value.report if self._topic.value is not None else None
        if not isinstance(report, AlertsReport):
            return ""
        states = [alert.state for alert in report.alerts]
        firing, pending = states.count(AlertState.FIRING), states.count(AlertState.PENDING)
        return f"{len(report.rules)} rules evaluated: {firing} firing, {pending} pending"

    def _publish(self, report: AlertsReport) -> None:
        frame = Frame(NAME, report.at, report, {}, history=self._memory.history, seen=report.evaluated)
        self._topic.publish(frame)
        if self._links is not None:
            self._links.note(self.looks(), report.at)
        if self.notifier is not None:
            self.notifier.look(report)


def _asked(local: Evaluator, power: Callable[[str, str], Any] | None, source: str) -> Evaluator:
    """Who answers the expressions of rules: our own series, or the server that `source` names."""
    if not source:
        return local
    if power is None:
        raise Unsupported(f"{source} is asked where backends are read: perftui run")

    async def ask(expression: str, at: float) -> Points:
        answer: Answer = await power(source, "PromQuerier").instant(expression, at)
        return answer.vector

    return ask


def _findings(observers: Mapping[str, Observer]) -> Iterable[Finding]:
    """The newest live findings of every engine."""
    for stem, observer in observers.items():
        frame = observer.topic.value
        if frame is not None and not frame.stale and stem != "optimization":
            yield from frame.findings
