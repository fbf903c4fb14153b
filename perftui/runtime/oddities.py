"""Feeds detectors from what is sampled anyway, at an even pace, and writes their bands beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from perftui.analysis.alertstate import alert_labels
from perftui.analysis.matchers import matches, parse_selector
from perftui.analysis.occasions import Days
from perftui.model.alerts import FINDING, Rule, Selector, Silence
from perftui.model.anomaly import MARK, SIGMAS, SOURCE, told
from perftui.model.calendar import Occasion
from perftui.model.errors import StoreError
from perftui.model.finding import Severity
from perftui.model.frame import Frame
from perftui.model.reading import Look, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.calendars import Calendars
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.observer import BUGS, Observer
from perftui.runtime.rings import Rings
from perftui.runtime.seasons import PAST, RECENT, Seasons
from perftui.runtime.sights import ENDS
from perftui.runtime.tasks import Crew
from perftui.runtime.teaching import Teacher
from perftui.runtime.topic import Topic

log = logging.getLogger(__name__)

MOST = 60  # series judged; each costs some 60 µs a point and 150 kB with its trees
DEADLINE = 10.0


class Oddities(Observer):
    """An observer with a clock of its own: looks every `watch.every` seconds, whoever watches."""

    def __init__(
        self,
        engine: Any,
        rings: Rings,
        history: History,
        clock: Clock,
        topic: Topic[Frame],
        kinds: Mapping[str, str],
        keep: Callable[[Reading], None],
        silences: Callable[[], Sequence[Silence]] = tuple,
        thresholds: Callable[[], Mapping[str, float]] = dict,
        days: Calendars | None = None,
        rules: Sequence[Rule] = (),
    ) -> None:
        super().__init__(engine, {}, rings, clock, hold=False, topic=topic)
        self._judge = engine  # the same by what only it can do
        self._rings = rings
        self._past = history
        self._kinds = kinds
        self._record = keep
        self._silences = silences
        self._thresholds = thresholds
        self._days = days
        self._rules = tuple(rule for rule in rules if rule.series.name == SIGMAS)
        self._selectors = tuple(parse_selector(text) for text in engine.watch.series)
        self._noted: tuple[Occasion, ...] = ()

    async def run(self) -> None:
        """Judge at whole multiples of the pace until cancelled; what was missed is not made up for."""
        every = self._judge.watch.every
        async with Crew("unusual") as crew:
            if self._judge.watch.learner == "neighbours":
                teacher = Teacher(self._judge, self._past, self._clock, lambda: self._judge.days)
                crew.start("learning", teacher.run())
            seasons = Seasons(self._judge, self._past, self._clock)
            crew.start("seasons", seasons.run())
            while True:
                await asyncio.sleep(every - self._clock.wall() % every)
                try:
                    await self.tick()
                except BUGS:  # costs this round, never the console
                    log.exception("unusual values")

    async def tick(self) -> None:
        """One point of every series that has news."""
        now, every = self._clock.wall(), self._judge.watch.every
        own = self._thresholds()
        if self._days is not None and (await self._days.refresh() or self._noted is not self._days.occasions):
            self._noted = self._days.occasions
            self._judge.days = Days(self._noted)
        hushed = [one.matchers for one in self._silences() if one.runs(now)]
        for key in self._wanted():
            if not self._judge.knows(key):
                await self._begin(key, now)
            self._judge.strict(key, own.get(f"{MARK}{key}", self._judge.watch.sigmas))
            values = self._rings.recent(key, now - every, now)
            if len(values):
                quiet = bool(hushed) and any(matches(o, f) for f in self._faces(key) for o in hushed)
                self._judge.feed(key, now, fmean(values), learning=not quiet)
        measures = self._judge.measures()
        if measures:
            self._record(Reading(SOURCE, now, 0.0, measures, None))
        self.topic.publish(self.observe())

    def _faces(self, key: SeriesKey) -> Iterable[Mapping[str, str]]:
        """What a silence can be about: the series itself, and the alerts that rules and findings make of it.

        Of these it sees what it sees of any alert: the rule under both names, the severity and the labels.
        """
        yield {**dict(key.labels), "source": key.source, "series": key.name}
        distance = told(SIGMAS, key)
        for rule in self._rules:
            labels = dict(alert_labels(rule, (("source", distance.source), *distance.labels)))
            if matches(rule.series.matchers, labels):
                yield {"alertname": rule.name, "severity": rule.severity.name.lower(), **labels}
        name = f"{FINDING}anomaly.{key.name}{ENDS[Severity.INFO]}"
        found = {"rule": name, "alertname": name, "severity": "info"}
        yield {**found, "source": key.source, "series": str(key)}

    def _report(self, now: float, looks: Mapping[str, Look]) -> tuple[Any, str]:
        return self._judge.observe(now, looks, self._history), ""  # fed already: no look is needed

    def _wanted(self) -> list[SeriesKey]:
        found = list(wanted(self._selectors, self._rings.recent_keys(), self._kinds))
        self._judge.left_out = max(0, len(found) - MOST)
        return found[:MOST]

    async def _begin(self, key: SeriesKey, now: float) -> None:
        """A series seen for the first time: what is remembered of it teaches season and memories."""
        unit = self._rings.series(key, now - 60, now).unit
        try:
            async with asyncio.timeout(DEADLINE):
                weeks = await self._past.rollup(key, now - PAST, now, 60.0)
                last = await self._past.rollup(key, now - RECENT, now - self._judge.watch.every, 10.0)
        except (StoreError, TimeoutError, ValueError):
            self._judge.begin(key, unit, (), ())
            return
        await asyncio.to_thread(self._judge.begin, key, unit, weeks.at, weeks.mean)
        await asyncio.to_thread(self._judge.prime, key, last.at, last.mean)  # with trees some 60 ms


def wanted(
    selectors: Iterable[Selector], keys: Iterable[SeriesKey], kinds: Mapping[str, str]
) -> Iterable[SeriesKey]:
    """Keys that a selector means, in the selectors' order, each once."""
    there = tuple(keys)
    chosen = (
        key
        for one in selectors
        for key in there
        if key.name == one.name
        and one.source in ("", key.source)
        and one.of_kind(kinds.get(key.source, ""))
        and matches(one.matchers, {**dict(key.labels), "source": key.source})
    )
    return dict.fromkeys(chosen)
