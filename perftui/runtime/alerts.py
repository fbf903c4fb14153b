"""The ruler: evaluates every rule every few seconds, on one console or agent of all that share a store."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from perftui.analysis.alertexpr import selected, vector
from perftui.analysis.alertquiet import Hush, dressed, stats
from perftui.analysis.alertstate import EvaluationError, restored, step
from perftui.analysis.maintenance import silences
from perftui.analysis.promrules import unreplaced
from perftui.draw import format as fmt
from perftui.model.alerts import (
    UP,
    Alert,
    AlertEvent,
    AlertsReport,
    AlertState,
    Element,
    Rule,
    RuleGroup,
    RuleStatus,
    Silence,
)
from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.series import SeriesKey
from perftui.runtime.alertbook import Book, Entry, Page, event_of
from perftui.runtime.calendars import Calendars
from perftui.runtime.clock import Clock
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.leases import Lease, Leases
from perftui.runtime.rulestatus import statuses
from perftui.runtime.sights import Sights, finding_rule, found_rules, take_found, ups_of
from perftui.runtime.witness import witnessed

log = logging.getLogger(__name__)

LEASE = "alerts"
BLIND = 60.0  # seconds after a start or a gap in which a backend not yet read again changes nothing
GAPS = 3  # evaluations missed from which on the host was asleep and nobody watched
SHOWN = 200  # lines of history in a report
PAST = 30 * 86400.0  # seconds of history behind the statistics
BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
NOTICED = {AlertState.FIRING: "firing", AlertState.RESOLVED: "resolved"}


@dataclass
class _Memory:
    """What one evaluation leaves for the next."""

    active: dict[str, Alert] = field(default_factory=dict)
    written: dict[str, Alert] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    figures: dict[str, dict[str, float | None]] = field(default_factory=dict)
    at: float = 0.0
    resumed: float = 0.0


class Ruler:
    """Evaluates while it holds the environment's lease, else shows what the holder wrote.

    A store that cannot be reached stops nobody from watching: the ruler goes on by itself, and writes
    what it knows when the store is back.
    """

    def __init__(
        self,
        group: RuleGroup,
        sights: Sights,
        clock: Clock,
        book: Book,
        leases: Leases,
        *,
        env: str,
        told: Callable[[AlertsReport], None],
        note: Callable[[Event], None],
        files: GroupRuler | None = None,
        days: Calendars | None = None,
    ) -> None:
        self.group = group
        self._files = files
        self._days = days
        self.problem = ""
        self._sights = sights
        self._clock = clock
        self._book = book
        self._leases = leases
        self._lease_name = f"{LEASE}/{env}"
        self._told = told
        self._note = note
        self._lease: Lease | None = None
        self._alone = False  # evaluating without a store to say whose turn it is
        self._page = Page()
        self._mind = _Memory()
        self._history: tuple[AlertEvent, ...] | None = None
        self._shown: dict[str, Alert] | None = None
        self._woken = asyncio.Event()

    @property
    def holder(self) -> bool:
        """Whether this one evaluates."""
        return self._lease is not None or self._alone

    @property
    def _unread(self) -> str:
        return self._days.problem if self._days is not None else ""

    def wake(self) -> None:
        """Evaluate now: somebody changed something."""
        self._history = None
        self._woken.set()

    async def run(self) -> None:
        """Evaluate on whole multiples of the interval until cancelled; a missed one is never made up for."""
        try:
            while True:
                await self.tick()
                now = self._clock.wall()
                due = self.group.interval - now % self.group.interval
                await self._rest(min(due, self._files.next_due(now)) if self._files else due)
        finally:
            await self.close()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def close(self) -> None:
        """Let another console take over at once."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                await self._leases.drop(lease)
            except StoreError as error:
                log.info("%s", error)

    async def tick(self) -> None:
        """One evaluation, or one look at what the holder wrote."""
        await self._consult()
        now = self._clock.wall()
        if self._files is not None:
            await self._files.shelf.refresh()
        if self._days is not None:
            await self._days.refresh()
        windows, occasions = (*self.group.windows, *self._page.windows), self._days and self._days.occasions
        quiet = silences(windows, self._page.silences, now, occasions or ())
        if self.holder:
            changed = self._evaluate(now)
            if self._files is not None:
                changed += await self._evaluate_files(self._files, now)
            self._mind.active |= await witnessed(changed, self._sights, now)
            shown = dressed(self._mind.active.values(), self._page.acks, quiet, now, self.group)
            hushes = tuple(self._hushes(shown, quiet, now))
            await self._write(now, changed, hushes)
            if hushes:
                self._history = None  # it has lines that are not shown yet
            evaluated = now
        else:
            shown = dressed(self._page.alerts.values(), self._page.acks, quiet, now, self.group)
            evaluated = self._page.evaluated
        await self._publish(shown, quiet, evaluated, now)

    # whose turn it is

    async def _consult(self) -> None:
        try:
            if self._lease is not None:
                self._lease = await self._leases.renew(self._lease)
            if self._lease is None:
                taken = await self._leases.take(self._lease_name)
                self._page = await self._book.page()
                self._became(taken)
            else:
                self._page = await self._book.page()
            self.problem = ""
        except StoreError as error:
            self.problem = str(error)
            if not self.holder:
                self._resume(self._page)
            self._lease, self._alone = None, True

    def _became(self, lease: Lease | None) -> None:
        """The holder, with the store's alerts unless we went on without it; or a follower."""
        if lease is not None and not self._alone:
            self._resume(self._page)
        elif lease is not None:
            self._mind.written = dict(self._page.alerts)
        self._lease, self._alone = lease, False

    def _resume(self, page: Page) -> None:
        now = self._clock.wall()
        self._mind = _Memory(written=dict(page.alerts), at=now, resumed=now)
        self._mind.active = _restored(page.alerts, page.evaluated or now, now)

    # evaluating

    def _evaluate(self, now: float) -> list[Alert]:
        mind = self._mind
        if mind.at and not 0 <= now - mind.at <= GAPS * self.group.interval:
            mind.active, mind.resumed = _restored(mind.active, mind.at, now), now
        changed: list[Alert] = []
        after: dict[str, Alert] = {}
        blind = self._blind(now)
        mind.errors = {}
        for rule, elements in self._results(now):
            old = {mark: alert for mark, alert in mind.active.items() if alert.rule == rule.name}
            began = time.perf_counter()
            try:
                made = elements() if not rule.off else ()
                done = step(rule, old, made, now, blind)
                mind.figures[rule.name] = _figures(made, now, time.perf_counter() - began)
                after |= done.active
                changed += done.changed
            except EvaluationError as error:
                mind.errors[rule.name] = str(error)
                after |= old
            except BUGS as error:
                log.exception("rule %s", rule.name)
                mind.errors[rule.name] = f"{type(error).__name__}: {error}"
                after |= old
        kept = self._files.names if self._files else frozenset()
        after |= {mark: alert for mark, alert in mind.active.items() if alert.rule in kept}
        mind.active, mind.at = after, now
        return changed

    async def _evaluate_files(self, files: GroupRuler, now: float) -> list[Alert]:
        """The groups of the rule file that are due."""
        mind, names = self._mind, files.names
        theirs = {mark: alert for mark, alert in mind.active.items() if alert.rule in names}
        done = await files.tick(now, theirs, self._blind(now))
        others = {mark: alert for mark, alert in mind.active.items() if alert.rule not in names}
        mind.active = done.active | others
        return done.changed

    def _results(self, now: float) -> Iterable[tuple[Rule, Callable[[], Sequence[Element]]]]:
        """Every rule with how to get its result: those of series, those of findings, those that are gone."""
        looks = self._sights.looks()
        keys = (*self._sights.rings.recent_keys(), *(SeriesKey(name, UP) for name in looks))
        by_name: dict[str, list[SeriesKey]] = {}
        for key in keys:
            by_name.setdefault(key.name, []).append(key)

        def read(key: SeriesKey, start: float, end: float) -> Sequence[float]:
            rings = self._sights.rings
            if key.name == UP:
                return ups_of(looks, rings, key, start, end)
            return rings.recent(key, start, end)

        rules = self.rules
        for rule in rules:
            chosen = selected(rule, by_name.get(rule.series.name, ()), self._sights.kinds)
            yield rule, partial(vector, rule, chosen, read, now)
        found = found_rules(self._sights.findings(), self.group.findings)
        known = {rule.name for rule in rules} | (self._files.names if self._files else frozenset())
        for name in dict.fromkeys((*found, *(alert.rule for alert in self._mind.active.values()))):
            if name not in known:
                yield finding_rule(name), partial(take_found, found, name)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """What people set, by rule; those of series watched for unusual values too."""
        return self._page.thresholds

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules with the thresholds that were set by hand, but for those that a file has too."""
        set_, own = self._page.thresholds, unreplaced(self.group.rules, self._filed)
        return tuple(replace(r, threshold=set_.get(r.name, r.threshold)) for r in own)

    @property
    def _filed(self) -> tuple[Rule, ...]:
        return self._files.shelf.rules if self._files else ()

    def _blind(self, now: float) -> frozenset[str]:
        """Backends not read since we began to watch: nothing can be concluded from their silence."""
        resumed = self._mind.resumed
        if now - resumed >= BLIND:
            return frozenset()
        looks = self._sights.looks()
        read = {n for n, look in looks.items() if look.reading is not None and look.reading.at >= resumed}
        return frozenset((self._sights.kinds.keys() | looks.keys()) - read)

    def _hushes(self, shown: Sequence[Alert], quiet: Sequence[Silence], now: float) -> Iterable[AlertEvent]:
        """Lines of history: what keeps an alert that fires quiet from now on, and what no longer does."""
        before, by = self._shown, Hush(shown, quiet, self.group)
        for alert in shown if before is not None else ():
            was = before.get(alert.fingerprint) if before else None
            word = "" if was is None or was.began != alert.began else _hushed(was)
            if alert.state is AlertState.FIRING and (new := _hushed(alert)) != word:
                note = by.of(alert) if new else "nothing keeps it quiet any more"
                kind = ("silenced" if alert.silence else "muted") if new else "heard again"
                yield event_of(alert, kind, now, note=note)

    async def _write(self, now: float, changed: Sequence[Alert], hushes: Sequence[AlertEvent]) -> None:
        mind, lease = self._mind, self._lease
        if lease is None:
            return
        news = [alert for mark, alert in mind.active.items() if alert != mind.written.get(mark)]
        gone = tuple(mark for mark in mind.written if mark not in mind.active)
        events = (*(event_of(alert, NOTICED[alert.state], now) for alert in changed), *hushes)
        entry = Entry(now, lease.holder, tuple(news), gone, events)
        try:
            kept = await self._book.write(entry, lease)
        except StoreError as error:
            self.problem = str(error)
            return
        if kept:
            mind.written = dict(mind.active)
        else:
            self._lease = None  # we slept past it; the next look shows what its holder says

    # telling

    async def _publish(
        self, shown: tuple[Alert, ...], quiet: tuple[Silence, ...], evaluated: float, now: float
    ) -> None:
        before, self._shown = self._shown, {alert.fingerprint: alert for alert in shown}
        news = [
            alert for alert in shown if before is not None and _news(before.get(alert.fingerprint), alert)
        ]
        for alert in news:
            self._tell(alert, before or {}, now)
        if news or self._history is None:
            await self._read_history(now)
        past = self._history or ()
        self._told(
            AlertsReport(
                now,
                shown,
                self._statuses(shown),
                quiet,
                past[-SHOWN:],
                stats(past, now),
                evaluated,
                self._lease.holder if self._lease else ("" if self._alone else self._page.holder),
                self.problem or (self._files.shelf.problem if self._files else "") or self._unread,
            )
        )

    async def _read_history(self, now: float) -> None:
        try:
            self._history = await self._book.events(now - PAST)
        except StoreError as error:
            self.problem = str(error)

    def _statuses(self, shown: Sequence[Alert]) -> tuple[RuleStatus, ...]:
        return statuses(self.rules, self.group.rules, self._filed, shown, self._figures)

    def _figures(self, name: str) -> dict[str, Any]:
        own = {"error": self._mind.errors.get(name, "")}
        return own | ((self._files.figures(name) if self._files else {}) or self._mind.figures.get(name, {}))

    def _tell(self, alert: Alert, before: Mapping[str, Alert], now: float) -> None:
        """One event for people; a flapping alert is told once, silenced and muted ones not at all."""
        was = before.get(alert.fingerprint)
        if alert.silence or alert.muted_by or (alert.flapping and was is not None and was.flapping):
            return
        told = alert.evidence[:2] or (fmt.against(alert.value, alert.op, alert.threshold, alert.unit),)
        word = "acknowledged" if alert.ack and alert.state is AlertState.FIRING else alert.word
        who = alert.ack.who if word == "acknowledged" and alert.ack else ""
        said = f"{word}: {alert.title}"
        self._note(Event(now, "alert", alert.source, said, "; ".join(told), who, ref=alert.fingerprint))


def _figures(made: Sequence[Element], at: float, took: float) -> dict[str, float | None]:
    """What is told of a rule's evaluation: the largest value, when, and the seconds it took."""
    return {"value": max((one.value for one in made), default=None), "evaluated": at, "took_s": took}


def _hushed(alert: Alert) -> str:
    return (alert.silence or alert.muted_by) if alert.state is AlertState.FIRING else ""


def _news(old: Alert | None, new: Alert) -> bool:
    """Whether something happened that people want to hear of."""
    if old is None or old.began != new.began:
        return new.state is AlertState.FIRING
    return (old.state, bool(old.ack), old.flapping) != (new.state, bool(new.ack), new.flapping)


def _restored(alerts: Mapping[str, Alert], down_at: float, now: float) -> dict[str, Alert]:
    found = {mark: restored(alert, down_at, now) for mark, alert in alerts.items()}
    return {mark: alert for mark, alert in found.items() if alert is not None}
