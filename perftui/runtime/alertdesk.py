"""What people do about alerts, entered in the store that all consoles share."""

from __future__ import annotations

import asyncio
import math
import secrets
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from perftui.analysis.alertexpr import rehearse, selected
from perftui.analysis.alertquiet import dressed, reaches, stats, told_of
from perftui.analysis.maintenance import silences
from perftui.analysis.promrules import groups_of, unreplaced
from perftui.analysis.rulebuild import metric_of
from perftui.analysis.rulefile import read_rules
from perftui.draw import format as fmt
from perftui.model.alerts import (
    FINDING,
    Ack,
    Alert,
    AlertEvent,
    AlertsReport,
    AlertState,
    Maintenance,
    Matcher,
    Rehearsal,
    Rule,
    RuleGroup,
    RuleStatus,
    Selector,
    Silence,
)
from perftui.model.anomaly import MARK, marked
from perftui.model.backtest import Backtest
from perftui.model.calendar import CalendarsReport
from perftui.model.errors import ActionError, PlanRejected
from perftui.model.metrics import GENERATION_2, Dialect
from perftui.model.notify import Taken
from perftui.model.series import SeriesKey
from perftui.runtime.alertbook import MOST_EVENTS, Book, Page, event_of
from perftui.runtime.audit import who
from perftui.runtime.calendars import Calendars
from perftui.runtime.chunks import Rollup
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.rulefiles import RuleShelf
from perftui.runtime.rulestatus import replaces

UNUSUAL = "AnomalyDetected"
STEP = 10.0  # seconds a row of the past that a rehearsal reads
MOST_SERIES = 40
PAST = 30 * 86400.0
SHOWN = 200

_COLUMN: dict[str, Callable[[Rollup], Sequence[float]]] = {
    "last": lambda rows: rows.last,
    "avg": lambda rows: rows.mean,
    "min": lambda rows: rows.low,
    "max": lambda rows: rows.high,
}


class Desk:
    """The `AlertDesk` and `RuleKeeper` of one environment; `changed` is called after each entry."""

    def __init__(
        self,
        group: RuleGroup,
        kinds: Mapping[str, str],
        clock: Clock,
        book: Book,
        history: History | None,
        changed: Callable[[], None],
    ) -> None:
        self.group = group
        self._kinds = kinds
        self._clock = clock
        self._book = book
        self._history = history
        self._changed = changed
        self.shelf = RuleShelf(group.file)
        self.days = Calendars(group.calendars, clock)

    async def report(self) -> AlertsReport:
        """What the store says, for who does not evaluate."""
        now, page = self._clock.wall(), await self._book.page()
        await self.shelf.refresh()
        await self.days.refresh()
        past = await self._book.events(now - PAST)
        own, filed = {rule.name for rule in self.group.rules}, self.shelf.rules
        kept = unreplaced(self.group.rules, filed)
        rules = tuple(RuleStatus(self._set(rule, page), rule.threshold) for rule in kept)
        rules += tuple(RuleStatus(rule, 0.0, replaces=replaces(rule, own)) for rule in filed)
        shown = self._dressed(page, now)
        return AlertsReport(
            now,
            shown,
            rules,
            self._quiet(page, now),
            past[-SHOWN:],
            stats(past, now),
            page.evaluated,
            page.holder,
            self.shelf.problem or self.days.problem,
        )

    async def events(self, since: float, most: int = MOST_EVENTS) -> tuple[AlertEvent, ...]:
        """The newest lines of history since then, oldest first."""
        return await self._book.events(since, most)

    async def alert(self, fingerprint: str) -> Alert:
        """The one whose fingerprint begins so; PlanRejected when there is none, or more than one."""
        shown = self._dressed(await self._book.page(), self._clock.wall())
        found = [alert for alert in shown if alert.fingerprint.startswith(fingerprint)]
        if len(found) != 1 or not fingerprint:
            said = "no alert has" if not found else f"{len(found)} alerts have"
            raise PlanRejected(f"{said} the fingerprint {fingerprint!r}")
        return found[0]

    async def acknowledge(self, alert: Alert, note: str, until: float | None) -> tuple[Ack, bool]:
        """Enter it; the one that stands, and whether it is this."""
        stands = await self._book.acknowledge(alert, Ack(person(), self._clock.wall(), note, until))
        self._changed()
        return stands

    async def acknowledged_at(self, fingerprints: Sequence[str], channel: str, taken: Taken) -> None:
        """Enter what somebody acknowledged in a channel itself, for those that nobody has seen to yet."""
        for alert in self._dressed(await self._book.page(), self._clock.wall()):
            if alert.fingerprint in fingerprints and alert.state is AlertState.FIRING and not alert.ack:
                ack = Ack(f"{taken.who} at {channel}", taken.at, f"acknowledged at {channel}")
                await self._book.acknowledge(alert, ack)
                self._changed()

    async def unacknowledge(self, alert: Alert) -> None:
        """Take one's own back."""
        await self._book.forget_ack(alert, person(), self._clock.wall())
        self._changed()

    async def reached(self, matchers: Sequence[Matcher]) -> Sequence[Alert]:
        """The alerts such a silence would reach."""
        shown = self._dressed(await self._book.page(), self._clock.wall())
        return [alert for alert in shown if reaches(matchers, alert)]

    async def fired(self, matchers: Sequence[Matcher], seconds: float) -> int:
        """Counted from history."""
        past = await self._book.events(self._clock.wall() - seconds)
        return sum(told_of(matchers, event) for event in past if event.kind == "firing")

    async def silence(self, matchers: Sequence[Matcher], seconds: float, note: str) -> Silence:
        """Enter one from now on."""
        now = self._clock.wall()
        made = Silence(secrets.token_hex(4), tuple(matchers), now, now + seconds, person(), note)
        await self._book.silence(made, _line(made, "silenced", now))
        self._changed()
        return made

    async def unsilence(self, id: str) -> Silence:  # noqa: A002 - as the port names it
        """End it now; as it was before."""
        now = self._clock.wall()
        running = await self.running(id)
        ended = replace(running, until=now)
        await self._book.silence(ended, _line(ended, "unsilenced", now))
        self._changed()
        return running

    async def running(self, id: str) -> Silence:  # noqa: A002 - as the port names it
        """The silence of that id, or the occurrence of a window that runs or comes next."""
        quiet = self._quiet(await self._book.page(), self._clock.wall())
        found = [silence for silence in quiet if silence.id == id]
        if not found:
            raise PlanRejected(f"no silence {id} is in force")
        return found[0]

    async def resume(self, silence: Silence) -> None:
        """Let the occurrence of a window that was ended go on."""
        await self._book.resume(silence.id, _line(silence, "silenced", self._clock.wall()))
        self._changed()

    async def calendars(self) -> CalendarsReport:
        """What the calendars say around now."""
        return await self.days.report()

    async def windows(self) -> tuple[Maintenance, ...]:
        """Every maintenance window: declared ones, then those that people entered."""
        return (*self.group.windows, *(await self._book.page()).windows)

    async def maintain(self, name: str, window: Maintenance | None) -> Maintenance | None:
        """Enter a maintenance window, None: take it away; what was there before."""
        if any(one.name == name for one in self.group.windows):
            place = next(one.place for one in self.group.windows if one.name == name)
            raise PlanRejected(f"{name} is declared in {place}: change it there")
        before = next((one for one in (await self._book.page()).windows if one.name == name), None)
        shown = window or before
        if shown is None:
            raise PlanRejected(f"there is no maintenance window {name}")
        made = replace(window, who=person()) if window is not None else None
        kind = "maintenance" if window else "maintenance ended"
        title, now = ", ".join(map(str, shown.matchers)), self._clock.wall()
        note = shown.again if shown.calendar else f"{shown.again} for {shown.lasting:g} s"
        event = AlertEvent(now, kind, "", shown.id, title=title, who=person(), note=note)
        await self._book.maintain(name, made, event)
        self._changed()
        return before

    async def rule(self, name: str) -> Rule:
        """The rule as it is in force."""
        if name.startswith(FINDING):
            return Rule(name, name, Selector(name.removeprefix(FINDING)), op="")
        await self.shelf.refresh()
        found = [rule for rule in (*self.shelf.rules, *self.group.rules) if rule.name == name]
        if not found:
            raise PlanRejected(f"there is no rule {name}")
        return self._set(found[0], await self._book.page())

    async def set_threshold(self, name: str, threshold: float | None) -> float | None:
        """Enter it; the override before."""
        before = (await self._book.page()).thresholds.get(name)
        rule = await self.rule(name)
        moved = f"{rule.op} {fmt.value(threshold, rule.unit).strip()}"
        note = "as configured" if threshold is None else moved
        at = self._clock.wall()
        event = AlertEvent(at, "threshold", name, title=rule.title, value=threshold, who=person(), note=note)
        await self._book.set_threshold(name, threshold, event)
        self._changed()
        return before

    async def mark(self, alert: Alert, *, normal: bool) -> tuple[str, float, float | None]:
        """Move the threshold of an unusual series by what people say of its alert: series, new, before."""
        series = dict(alert.labels).get("series", "")
        if alert.rule != UNUSUAL or not series:
            raise PlanRejected(
                f"{alert.title} is no alert about an unusual value: t moves its rule's threshold"
            )
        before = (await self._book.page()).thresholds.get(f"{MARK}{series}")
        return series, marked(before or self.group.sigmas, alert.value, normal=normal), before

    async def set_sigmas(self, series: str, sigmas: float | None, kind: str, alert: Alert) -> None:
        """Enter a series' own threshold, None: as configured; `kind` is what history says of the alert."""
        note = "as configured" if sigmas is None else f"unusual from {sigmas:.2g} sigmas"
        event = event_of(alert, kind, self._clock.wall(), person(), note)
        await self._book.set_threshold(f"{MARK}{series}", sigmas, event)
        self._changed()

    async def rule_text(self, *, previous: bool = False) -> str:
        """The rule file, or the version before."""
        return await asyncio.to_thread(self.shelf.previous if previous else self.shelf.text)

    async def keep_rules(self, text: str) -> str:
        """Write the rule file."""
        try:
            await asyncio.to_thread(self.shelf.write, text)
        except OSError as error:
            raise ActionError(f"{self.shelf.path} cannot be written: {error.strerror}") from error
        self._changed()
        return str(self.shelf.path)

    async def metric(self, text: str) -> str:
        """`backend/series` as expressions name it; all else as it stands."""
        return metric_of(text, self._kinds)

    @property
    def _dialect(self) -> Dialect:
        """How expressions of the file are read, as far as that is known here."""
        return GENERATION_2

    async def backtest(self, text: str, name: str, seconds: float) -> Backtest | None:
        """What a rule of such a file would have done."""
        from perftui.runtime.backtester import Backtester

        if self._history is None:
            return None
        groups, end = groups_of(read_rules(text)), self._clock.wall()
        tester = Backtester(self._history, self._kinds, self._dialect)
        found = [one async for one in tester.groups(groups, end - seconds, end, name)]
        return found[0] if found else None

    async def rehearse(self, rule: Rule, seconds: float) -> Rehearsal:
        """What the rule would have done in the last `seconds`, on rows of ten seconds."""
        end = self._clock.wall()
        if self._history is None:
            return Rehearsal(rule, end - seconds, end, (), 0)
        keys = selected(rule, self._history.keys(name=rule.series.name), self._kinds)[:MOST_SERIES]
        rows: dict[SeriesKey, tuple[Sequence[float], Sequence[float]]] = {}
        for key in keys:
            for one in _needed(rule, key):
                if one not in rows:
                    rollup = await self._history.rollup(one, end - seconds, end, STEP)
                    rows[one] = _present(rollup, rule.how if one == key else "last")

        def read(key: SeriesKey, start: float, until: float) -> Sequence[float]:
            at, values = rows.get(key, ((), ()))
            return values[bisect_right(at, start) : bisect_right(at, until)]

        known = [rows[key][0][0] for key in keys if rows[key][0]]
        start = min(known, default=end - seconds)
        return await asyncio.to_thread(rehearse, rule, [k for k in keys if rows[k][0]], read, start, end)

    def _dressed(self, page: Page, now: float) -> tuple[Alert, ...]:
        return dressed(page.alerts.values(), page.acks, self._quiet(page, now), now, self.group)

    def _quiet(self, page: Page, now: float) -> tuple[Silence, ...]:
        return silences((*self.group.windows, *page.windows), page.silences, now, self.days.occasions)

    @staticmethod
    def _set(rule: Rule, page: Page) -> Rule:
        return replace(rule, threshold=page.thresholds.get(rule.name, rule.threshold))


def person() -> str:
    """Who sits here: login and host."""
    login, _, host = who()
    return f"{login}@{host}"


def _needed(rule: Rule, key: SeriesKey) -> tuple[SeriesKey, ...]:
    """A rule's series with those it divides by and is guarded by."""
    others = (*rule.traffic, *((rule.per,) if rule.per else ()))
    beside = (SeriesKey(key.source, name, labels) for name in others for labels in {key.labels, ()})
    return (key, *beside)


def _present(rows: Rollup, how: str) -> tuple[Sequence[float], Sequence[float]]:
    pairs = [(at, v) for at, v in zip(rows.at, _COLUMN[how](rows), strict=True) if not math.isnan(v)]
    return [at for at, _ in pairs], [value for _, value in pairs]


def _line(silence: Silence, kind: str, at: float) -> AlertEvent:
    matchers = ", ".join(map(str, silence.matchers))
    return AlertEvent(at, kind, "", silence.id, title=matchers, who=person(), note=silence.note)
