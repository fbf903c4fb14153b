"""Replays a rule over what was recorded, with the state machine that the live ruler has."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from perftui.analysis.alertexpr import COMPARE
from perftui.analysis.alertstate import EvaluationError, alert_labels, step
from perftui.analysis.promql import Plan
from perftui.analysis.promql.tree import VECTOR, Binary, Number, bare
from perftui.analysis.promrules import elements
from perftui.model.alerts import Alert, AlertState, Element, Labels, Rule
from perftui.model.backtest import Backtest, Choice, Spell
from perftui.model.metrics import NAME, Matrix

HOLDS: Final = (0.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0)
FACTORS: Final = (0.8, 0.9, 0.95, 1.05, 1.1, 1.25)
WHOLE: Final = 1.0  # a share is compared with no more than that, unless it is already
EVENING, MORNING = 22, 7  # hours of the night
Vectors = Sequence[tuple[float, Sequence[tuple[Labels, float]]]]
"""For every instant, the elements that were there."""


def by_instant(matrix: Matrix, start: float, end: float, every: float) -> Vectors:
    """A matrix turned on its side; instants without any element are there too, empty."""
    first, stride = round(start * 1000), round(every * 1000)
    count = (round(end * 1000) - first) // stride + 1
    rows: list[list[tuple[Labels, float]]] = [[] for _ in range(count)]
    for window in matrix:
        for at, value in zip(window.at, window.values, strict=True):
            rows[(round(at * 1000) - first) // stride].append((window.labels, value))
    return [((first + number * stride) / 1000, row) for number, row in enumerate(rows)]


def replay(rule: Rule, vectors: Vectors) -> tuple[tuple[Spell, ...], int, str]:
    """Firings, how often it was pending in vain, and the first error of an evaluation."""
    bare_rule = replace(rule, annotations=())
    made: dict[tuple[Labels, float], Element] = {}
    active: dict[str, Alert] = {}
    open_: dict[str, Spell] = {}
    done: list[Spell] = []
    vain, error = 0, ""
    plain = not any("{{" in text for _, text in rule.labels)
    there: list[Labels] = []
    oldest: float | None = None  # since when something is pending, of a state that only its age can change
    for at, row in vectors:
        if not row and not active:
            continue
        if oldest is not None and at - oldest < rule.hold and there == [labels for labels, _ in row]:
            continue
        before = {mark for mark, alert in active.items() if alert.state is AlertState.PENDING}
        try:
            stepped = step(bare_rule, active, _elements(bare_rule, row, made), at)
        except EvaluationError as failure:
            error = error or str(failure)
            oldest = None
            continue
        active, there = stepped.active, [labels for labels, _ in row]
        oldest = _settled(active, len(row)) if plain else None
        vain += sum(mark not in active for mark in before)
        _note(stepped.changed, at, open_, done)
    done += open_.values()
    return tuple(sorted(done, key=lambda spell: (spell.fired, spell.labels))), vain, error


def _settled(active: Mapping[str, Alert], count: int) -> float | None:
    """Since when the oldest of these alerts is pending (inf: none is); None: the next look may differ.

    As long as the same elements are there and none has been pending long enough, a look leaves them as
    they are but for values, which a replay does not tell.
    """
    if len(active) != count or any(
        alert.state is AlertState.RESOLVED or alert.keep_since is not None for alert in active.values()
    ):
        return None
    pending = [alert.active_at for alert in active.values() if alert.state is AlertState.PENDING]
    return min(pending, default=math.inf)


def _elements(
    rule: Rule, row: Iterable[tuple[Labels, float]], made: dict[tuple[Labels, float], Element]
) -> list[Element]:
    """Elements of a row; labels of templates cost, so what is the same is made once."""
    plain = not any("{{" in text for _, text in rule.labels)
    found = []
    for labels, value in row:
        mark = (labels, 0.0 if plain else value)
        known = made.get(mark)
        if known is None:
            (known,) = elements(rule, [(labels, value)], lambda _: ())
            if not rule.expr:
                own = tuple(pair for pair in labels if pair[0] != NAME)
                known = replace(known, labels=alert_labels(rule, own))
            made[mark] = known
        found.append(replace(known, value=value))
    return found


def _note(changed: Iterable[Alert], at: float, open_: dict[str, Spell], done: list[Spell]) -> None:
    for alert in changed:
        if alert.state is AlertState.FIRING:
            open_[alert.fingerprint] = Spell(alert.labels, alert.active_at, at, None, alert.value)
        elif alert.fingerprint in open_:
            done.append(replace(open_.pop(alert.fingerprint), ended=at))


def judged(
    rule: Rule,
    vectors: Vectors,
    every: float,
    tz: dt.tzinfo | None = None,
    *,
    loose: bool = False,
) -> Backtest:
    """The backtest of a rule; `loose`: `vectors` are yet to be compared with its threshold."""
    start, end = vectors[0][0], vectors[-1][0]
    values = vectors
    if loose:
        vectors = _beyond(rule.op, rule.threshold, values)
    spells, vain, error = replay(rule, vectors)
    series = len({labels for _, row in values for labels, _ in row})
    night = sum(at_night(spell.fired, tz) for spell in spells)
    runs = runs_of(vectors, every)
    choices = [
        Choice("for", hold, *counted(runs, hold, rule.keep, every, end))
        for hold in sorted({*HOLDS, rule.hold})
    ]
    if loose:
        choices += _thresholds(rule, values, every)
    chosen = tuple(replace(c, chosen=c.setting == _setting(rule, c.what)) for c in choices)
    known = next((at for at, row in values if row), None) if loose else None
    return Backtest(rule, start, end, every, spells, vain, series, night, chosen, error=error, known=known)


def _setting(rule: Rule, what: str) -> float:
    return rule.hold if what == "for" else rule.threshold


def _beyond(op: str, threshold: float, values: Vectors) -> Vectors:
    """The elements for which a comparison holds."""
    holds = COMPARE[op]
    return [(at, [pair for pair in row if holds(pair[1], threshold)]) for at, row in values]


def _thresholds(rule: Rule, loose: Vectors, every: float) -> list[Choice]:
    end, holds = loose[-1][0], COMPARE[rule.op]
    columns: dict[Labels, list[tuple[float, float]]] = {}
    for at, row in loose:
        for labels, value in row:
            columns.setdefault(labels, []).append((at, value))
    found = []
    top = WHOLE if rule.unit == "ratio" and rule.threshold <= WHOLE else math.inf
    others = (wanted for factor in FACTORS if (wanted := rule.threshold * factor) <= top)
    for wanted in sorted({rule.threshold, *others}):
        runs = {
            labels: spans((at for at, value in column if holds(value, wanted)), every)
            for labels, column in columns.items()
        }
        found.append(Choice("threshold", wanted, *counted(runs, rule.hold, rule.keep, every, end)))
    return found


Runs = Mapping[Labels, Sequence[tuple[float, float]]]
"""For every label set the spans without a gap in which it was there: first and last instant."""


def runs_of(vectors: Vectors, every: float) -> Runs:
    """The spans of a replay."""
    columns: dict[Labels, list[float]] = {}
    for at, row in vectors:
        for labels, _ in row:
            columns.setdefault(labels, []).append(at)
    return {labels: spans(column, every) for labels, column in columns.items()}


def spans(instants: Iterable[float], every: float) -> list[tuple[float, float]]:
    """First and last of the runs of rising instants that are no further apart than one and a half steps."""
    found: list[tuple[float, float]] = []
    first = last = -math.inf
    for at in instants:
        if at - last >= 1.5 * every:
            if first > -math.inf:
                found.append((first, last))
            first = at
        last = at
    return [*found, (first, last)] if first > -math.inf else found


def counted(runs: Runs, hold: float, keep: float, every: float, end: float) -> tuple[int, float]:
    """Firings and seconds of firing, as `replay` would find them, in a step a span instead of an instant."""
    fired, seconds = 0, 0.0
    wait, stay = _ticks(hold, every), every + _ticks(keep, every)
    for spans in runs.values():
        until = -math.inf  # when what fires is resolved, if nothing comes before
        for first, last in spans:
            if first <= until + 1e-6:  # it still fired
                seconds += last + stay - until
                until = last + stay
            elif last - first >= wait - 1e-6:
                fired += 1
                until = last + stay
                seconds += until - (first + wait)
        seconds -= max(0.0, until - end) if until > -math.inf else 0.0
    return fired, seconds


def _ticks(seconds: float, every: float) -> float:
    """The first whole number of intervals that is at least so long."""
    return math.ceil(seconds / every - 1e-9) * every


def at_night(at: float, tz: dt.tzinfo | None) -> bool:
    """Whether people sleep at an instant (epoch seconds) in a zone, None: that of this host."""
    hour = dt.datetime.fromtimestamp(at, tz).hour
    return hour >= EVENING or hour < MORNING


def compared(plan: Plan) -> tuple[Plan, str, float] | None:
    """The left side, operator and threshold of `something > number`; None for other expressions."""
    root = bare(plan.root)
    if not isinstance(root, Binary) or root.op not in COMPARE or root.bool_:
        return None
    right = bare(root.right)
    if not isinstance(right, Number) or isinstance(bare(root.left), Number):
        return None
    return Plan(plan.text, root.left, VECTOR), root.op, right.value
