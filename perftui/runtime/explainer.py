"""Why a rule fires or doesn't and who is told: its parts with values, its clock, its way to people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from perftui.analysis.alertquiet import Hush, reaches
from perftui.analysis.promql import parse
from perftui.analysis.promrules import Group, source_of
from perftui.analysis.ruleexport import expression
from perftui.analysis.whyparts import parts
from perftui.draw import format as fmt
from perftui.model.alerts import Alert, AlertsReport, AlertState, Rule, RuleGroup, RuleStatus, Selector
from perftui.model.backtest import Course, Part, Why
from perftui.model.errors import PerftuiError, PlanRejected
from perftui.model.metrics import Dialect, Speech
from perftui.model.notify import Delivery, Route
from perftui.runtime.courses import course_of
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.localseries import LocalSeries
from perftui.runtime.trying import TryingDesk

SHOWN: Final = 5  # elements of a part
STALE: Final = 30.0  # seconds after which nobody evaluates any more
PATIENCE: Final = 5.0  # seconds for the values of all parts


class ExplainingDesk(TryingDesk):
    """The alerts' desk with the power `RuleExplainer`."""

    _local: LocalSeries | None = None
    _files: GroupRuler | None = None
    _speech: Speech | None = None

    def look_through(self, local: LocalSeries, files: GroupRuler) -> None:
        """From now on explain with what is read here, instead of what history has."""
        self._local, self._files = local, files

    def read_as(self, speech: Speech) -> None:
        """Where nothing is read here: how the ruler evaluates, as far as that can be known."""
        self._speech = speech

    @property
    def _dialect(self) -> Dialect:
        speech = self._local.speech if self._local is not None else self._speech
        return (speech or Speech()).dialect

    async def explain_rule(self, what: str) -> Why:
        """All that decides about a rule, or about one alert of it."""
        report = await self.report()
        alerts = [a for a in report.alerts if what in (a.rule, a.fingerprint)]
        if not alerts and not any(s.rule.name == what for s in report.rules):
            alerts = [await self.alert(what)]
        name = alerts[0].rule if alerts else what
        status = self._status(report, name)
        now = self._clock.wall()
        group = next((g for g in self.shelf.groups if g.name == status.rule.group), None)
        tick = _next_tick(now, group, self.group.interval)
        lines = [*_about_rule(status, report, now, tick)]
        for alert in alerts:
            lines += _about_alert(alert, status.rule, report, self.group, now)
            lines += self._about_people(alert, await self.deliveries(alert.fingerprint))
        silences = tuple(s for s in report.silences if any(reaches(s.matchers, a) for a in alerts))
        found = await self._parts(status.rule, now)
        course = await self._course(alerts[0], status.rule, now) if alerts else None
        return Why(status.rule, now, found, tuple(alerts), silences, tick, tuple(lines), course)

    async def _course(self, alert: Alert, rule: Rule, now: float) -> Course | None:
        if self._history is None:
            return None
        local = LocalSeries(self._kinds, history=self._history, speech=self._speech)
        try:
            async with asyncio.timeout(PATIENCE):
                return await course_of(alert, rule, now, self._history, local)
        except TimeoutError:
            return None

    def _status(self, report: AlertsReport, name: str) -> RuleStatus:
        found = next((status for status in report.rules if status.rule.name == name), None)
        if found is None:
            alert = next((a for a in report.alerts if a.rule == name), None)
            if alert is None:
                raise PlanRejected(f"there is no rule {name}")
            return RuleStatus(Rule(name, alert.title, Selector(name), op="", severity=alert.severity), 0.0)
        figures = self._files.figures(name) if self._files is not None else {}
        if not self._files and found.rule.expr and not source_of(found.rule):
            figures = {"read_as": (self._speech or Speech()).note}
        return replace(found, **figures)

    async def _parts(self, rule: Rule, now: float) -> tuple[Part, ...]:
        if rule.of_finding or not (rule.expr or rule.op):
            return ()
        local = self._local or LocalSeries(self._kinds, history=self._history, speech=self._speech)
        if source_of(rule):
            return (Part(0, rule.expr, error=f"evaluated by {source_of(rule)}"),)
        found: list[Part] = []
        try:
            plan = parse(rule.expr or expression(rule, self._kinds))
            async with asyncio.timeout(PATIENCE):
                for depth, text in parts(plan):
                    found.append(await _part(local, depth, text, now))
        except TimeoutError:
            found.append(Part(0, "…", error=f"no values within {PATIENCE:g} s"))
        except PerftuiError as error:
            found.append(Part(0, rule.expr, error=str(error)))
        return tuple(found)

    def _about_people(self, alert: Alert, deliveries: Sequence[Delivery]) -> Iterable[str]:
        if alert.state is AlertState.PENDING:
            return
        if not self.telling.ways:
            yield "nobody is told: no channel is configured"
            return
        ways = self.route_of_alert(alert)
        if not ways:
            yield "nobody is told: no route matches"
        for way in ways:
            yield f"told by {_way(way)}"
        if not deliveries:
            yield "no message about it was written yet"
        for one in deliveries[:SHOWN]:
            at = fmt.clock(one.sent_at or one.at)
            said = f": {one.said}" if one.said else ""
            yield f"{one.channel} {one.what.value} {one.state.value} at {at}{said}"


async def _part(local: LocalSeries, depth: int, text: str, now: float) -> Part:
    try:
        found = await local(text, now)
    except PerftuiError as error:
        return Part(depth, text, error=str(error))
    return Part(depth, text, tuple((p.labels, p.value) for p in found[:SHOWN]), len(found))


def _next_tick(now: float, group: Group | None, interval: float) -> float:
    if group is not None:
        return group.due(now) + group.interval
    return now - now % interval + interval


def _about_rule(status: RuleStatus, report: AlertsReport, now: float, tick: float) -> Iterable[str]:
    if status.rule.off:
        yield "the rule is switched off"
    if not report.evaluated:
        yield "no console or agent has evaluated the rules of this environment yet"
    elif now - report.evaluated > STALE:
        yield f"nobody evaluates the rules since {fmt.clock(report.evaluated)}"
    else:
        yield f"next tick at {fmt.clock(tick)}"
    if status.evaluated:
        yield f"last tick at {fmt.clock(status.evaluated)} took {fmt.value(status.took_s, 's').strip()}"
    if status.read_as:
        yield status.read_as
    if status.error:
        yield f"the last evaluation failed, nothing was changed: {status.error}"
    if report.problem:
        yield report.problem


def _about_alert(
    alert: Alert, rule: Rule, report: AlertsReport, group: RuleGroup, now: float
) -> Iterable[str]:
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels)
    if alert.state is AlertState.PENDING:
        left = max(0.0, rule.hold - (now - alert.active_at))
        yield f"pending since {fmt.clock(alert.began)}, fires in {fmt.age(left)} if it stays true: {labels}"
        return
    if alert.state is AlertState.RESOLVED:
        yield f"resolved at {fmt.clock(alert.resolved_at or now)}: {labels}"
    elif alert.keep_since is not None:
        since, until = fmt.clock(alert.keep_since), fmt.clock(alert.keep_since + rule.keep)
        yield f"no longer true since {since}, kept firing until {until}: {labels}"
    else:
        yield f"firing since {fmt.clock(alert.fired_at or alert.began)}: {labels}"
    if rule.of_finding:
        yield from alert.evidence
    yield from alert.witness
    if alert.ack is not None:
        yield f"acknowledged by {alert.ack.who} at {fmt.clock(alert.ack.at)}: no more notices, no escalation"
    silence = next((s for s in report.silences if s.id == alert.silence), None)
    if silence is not None:
        matchers, who = ", ".join(map(str, silence.matchers)), silence.who or "the configuration"
        again = f", comes again: {silence.again}" if silence.again else ""
        until = fmt.clock(silence.until)
        yield f"silenced by {who} until {until} with {matchers} ({silence.name}{again})"
    elif alert.muted_by:
        yield f"muted {Hush(report.alerts, (), group).of(alert)}"
    if alert.flapping:
        yield "flapping: told of once until it is steady"


def _way(way: Sequence[Route]) -> str:
    names = " → ".join(route.name or "the trunk" for route in way)
    return f"{names}: {', '.join(way[-1].channels) or 'no channel'}"
