"""Evaluates the groups of a rule file, each at its own ticks, as a Prometheus server does."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from perftui.analysis.alertstate import EvaluationError, step
from perftui.analysis.gofuncs import CallError
from perftui.analysis.promql import Shelf
from perftui.analysis.promrules import Group, Wanted, elements, recorded, samples, source_of, traces
from perftui.model.alerts import Alert, Element, Labels, Rule
from perftui.model.errors import PerftuiError
from perftui.model.metrics import STALE, Speech, labels_of
from perftui.runtime.distant import Answer, Distant, Question
from perftui.runtime.rulefiles import RuleShelf

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds that our own series may take to answer a rule and its templates
HEALTHY = "perftui_rule_healthy"  # written for each rule, so that a rule can watch the others
FORGOTTEN = 86400.0  # seconds after which a series that a rule wrote is dropped
MOST_QUERIES = 20  # that the templates of a rule may ask in one evaluation

Points = Sequence[tuple[Labels, float]]


class Evaluator(Protocol):
    """Whoever answers an expression at an instant."""

    async def __call__(self, expression: str, at: float) -> Points:
        """The elements of its result; PerftuiError says why there is none."""
        ...


@dataclass
class Health:
    """How the last evaluation of a rule went."""

    evaluated: float = 0.0
    took: float = 0.0
    value: float | None = None
    error: str = ""
    read_as: str = ""
    series: frozenset[Labels] = frozenset()


@dataclass
class Outcome:
    """What a look at all groups leaves: the alerts of file rules, and those that changed."""

    active: dict[str, Alert] = field(default_factory=dict)
    changed: list[Alert] = field(default_factory=list)


class Made(NamedTuple):
    """What an evaluation works with: the result, and of an alerting rule what its alerts are made of."""

    points: Points
    elements: tuple[Element, ...] = ()


class GroupRuler:
    """The groups in force, what they wrote, and how each rule does."""

    def __init__(
        self, shelf: RuleShelf, written: Shelf, ask: Callable[[str], Evaluator], env: str = ""
    ) -> None:
        self.shelf = shelf
        self.health: dict[str, Health] = {}
        self._written = written
        self._ask = ask
        self._external = {"env": env} if env else {}
        self._last: dict[str, float] = {}
        self._distant: Distant[Made] = Distant()

    @property
    def names(self) -> frozenset[str]:
        """Of the rules in force that make alerts."""
        return frozenset(rule.name for rule in self.shelf.rules if not rule.record)

    def figures(self, name: str) -> dict[str, Any]:
        """What is told of a rule's last evaluation; nothing of one that is not ours."""
        health = self.health.get(name)
        if health is None:
            return {}
        told = {"value": health.value, "evaluated": health.evaluated, "took_s": health.took}
        return told | {"read_as": health.read_as} | ({"error": health.error} if health.error else {})

    def next_due(self, now: float) -> float:
        """Seconds until a group is to be evaluated."""
        return min((g.due(now) + g.interval - now for g in self.shelf.groups), default=60.0)

    async def tick(self, now: float, active: Mapping[str, Alert], blind: Collection[str] = ()) -> Outcome:
        """Evaluate the groups that are due; a tick that was missed is never made up for.

        What servers are asked is asked first, at once: they see nothing of what rules here write.
        """
        done = Outcome()
        by_rule: dict[str, dict[str, Alert]] = {}
        for mark, alert in active.items():
            by_rule.setdefault(alert.rule, {})[mark] = alert
        groups = [(group, self._due(group, now)) for group in self.shelf.groups]
        answers = await self._distant.answers(
            [
                self._question(rule, at, group.query_offset)
                for group, at in groups
                if at is not None
                for rule in group.rules
                if source_of(rule)
            ],
            now,
        )
        for group, at in groups:
            for rule in group.rules:
                old = by_rule.get(rule.name, {})
                if at is None:
                    done.active |= old
                else:
                    answer = answers.get(rule.name) or await self._here(rule, at, group.query_offset)
                    self._rule(group, rule, at, answer, old, blind, done)
                    await asyncio.sleep(0)  # a thousand rules must leave room for a key
        self._written.expire(now - FORGOTTEN)
        return done

    def _due(self, group: Group, now: float) -> float | None:
        """The instant a group is to be evaluated for, None when it was."""
        due, last = group.due(now), self._last.get(group.name, -1.0)
        self._last[group.name] = max(due, last)
        return due if due > last else None

    def _question(self, rule: Rule, at: float, offset: float) -> Question[Made]:
        return Question(rule.name, source_of(rule), rule.expr, partial(self._made, rule, at, offset))

    async def _here(self, rule: Rule, at: float, offset: float) -> Answer[Made]:
        """What our own series say."""
        began = time.perf_counter()
        end = asyncio.get_running_loop().time() + PATIENCE
        try:
            return Answer(await self._made(rule, at, offset, end), took=time.perf_counter() - began)
        except (PerftuiError, TimeoutError, ValueError) as error:
            said = str(error) or f"no answer in {PATIENCE:g} s"
            return Answer(None, said, time.perf_counter() - began)

    async def _made(self, rule: Rule, at: float, offset: float, end: float) -> Made:
        """TimeoutError: no result at `end` of the loop's time. Templates do with what they have then."""
        async with asyncio.timeout_at(end):
            points = await self._ask(source_of(rule))(rule.expr, at - offset)
        return Made(points, () if rule.record else await self._filled(rule, points, at, end))

    def _rule(
        self,
        group: Group,
        rule: Rule,
        at: float,
        answer: Answer[Made],
        old: Mapping[str, Alert],
        blind: Collection[str],
        done: Outcome,
    ) -> None:
        health = self.health.setdefault(rule.name, Health())
        health.error = answer.error
        try:
            if answer.made is None:
                done.active |= old
            elif rule.record:
                self._write(health, _bounded(rule, recorded(rule, answer.made.points)), at)
            else:
                live = self._alerts(rule, answer.made.elements, at, old, blind, done)
                self._write(health, traces(live), at)
        except (EvaluationError, ValueError) as error:
            health.error = str(error)
            done.active |= old
        if answer.made is not None:
            health.value = max((value for _, value in answer.made.points), default=None)
        health.evaluated, health.took = at, answer.took
        health.read_as = "" if source_of(rule) else getattr(self._ask(""), "speech", Speech()).note
        healthy = labels_of(HEALTHY, rule=rule.name, group=group.name)
        self._written.append(healthy, at, 0.0 if health.error else 1.0)

    def _alerts(
        self,
        rule: Rule,
        made: Sequence[Element],
        at: float,
        old: Mapping[str, Alert],
        blind: Collection[str],
        done: Outcome,
    ) -> Iterable[Alert]:
        stepped = step(rule, old, made, at, blind)
        for mark in stepped.active:
            other = done.active.get(mark)
            if other is not None:
                raise EvaluationError(f"{rule.name}: an alert of {other.rule} has the same labels")
        done.active |= stepped.active
        done.changed += stepped.changed
        return stepped.active.values()

    async def _filled(self, rule: Rule, points: Points, at: float, end: float) -> tuple[Element, ...]:
        """Elements with their templates filled in; what these ask for is got in between."""
        answers: dict[str, Sequence[Any] | str] = {}

        def query(expression: str) -> Sequence[Any]:
            if expression not in answers:
                raise Wanted(expression)
            answer = answers[expression]
            if isinstance(answer, str):
                raise CallError(answer)
            return answer

        while True:
            try:
                return elements(rule, points, query, self._external)
            except Wanted as wanted:
                asked = wanted.expression
                if len(answers) >= MOST_QUERIES:
                    answers[asked] = f"more than {MOST_QUERIES} queries in one evaluation"
                else:
                    answers[asked] = await self._answer(rule, asked, at, end)

    async def _answer(self, rule: Rule, expression: str, at: float, end: float) -> Sequence[Any] | str:
        try:
            async with asyncio.timeout_at(end):
                return samples(await self._ask(source_of(rule))(expression, at))
        except (PerftuiError, TimeoutError) as error:
            return str(error) or "no answer in time"

    def _write(self, health: Health, series: Iterable[tuple[Labels, float]], at: float) -> None:
        """Write what a rule gave at this instant, and end what it gave before and doesn't any more."""
        now = dict(series)
        for labels, value in now.items():
            self._written.append(labels, at, value)
        for labels in health.series - now.keys():
            self._written.append(labels, at, STALE)
        health.series = frozenset(now)


def _bounded(rule: Rule, series: tuple[tuple[Labels, float], ...]) -> tuple[tuple[Labels, float], ...]:
    if rule.limit and len(series) > rule.limit:
        raise ValueError(f"exceeded limit of {rule.limit} with {len(series)} series")
    return series
