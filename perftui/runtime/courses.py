"""Finds the value of an alert around its firing, as it was recorded."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Final

from perftui.analysis.backtest import compared
from perftui.analysis.promql import evaluate_range, parse
from perftui.analysis.promrules import source_of
from perftui.model.alerts import Alert, Labels, Rule
from perftui.model.backtest import Course
from perftui.model.errors import PerftuiError
from perftui.model.metrics import NAME, fitting_step
from perftui.runtime.history import History
from perftui.runtime.localseries import LocalSeries

LEAST: Final = 900.0  # seconds shown
BEFORE, AFTER = 300.0, 225.0  # seconds before the firing and after its end
MOST: Final = 6 * 3600.0
POINTS: Final = 240

Points = tuple[tuple[float, ...], tuple[float, ...]]


async def course_of(
    alert: Alert, rule: Rule, now: float, history: History, local: LocalSeries
) -> Course | None:
    """The series an alert is about, or what its expression compares; None where nothing was recorded."""
    start, end = span_of(alert, now)
    goal = alert.threshold if alert.op else None
    name, unit = str(alert.key), alert.unit
    try:
        if alert.key is not None:
            times, values = await history.lasts(alert.key, start, end)
            at, value = _finite(zip(times.tolist(), values.tolist(), strict=True))
        elif rule.expr and not source_of(rule):
            name, goal, (at, value) = await _evaluated(alert, rule, start, end, local)
        else:
            return None
    except PerftuiError:  # `why` goes on without a picture; its parts say what is wrong
        return None
    if not at:
        return None
    marks = (("fires", alert.fired_at), ("ends", alert.resolved_at))
    shown = tuple((when, word) for word, when in marks if when and start <= when <= end)
    return Course(name, unit, start, end, at, value, goal, shown)


def span_of(alert: Alert, now: float) -> tuple[float, float]:
    """A quarter of an hour, or from before the firing until after its end."""
    fired = alert.fired_at or alert.began
    end = min(now, (alert.resolved_at or now) + AFTER)
    start = min(end - LEAST, fired - BEFORE)
    return start, min(end, start + MOST)


async def _evaluated(
    alert: Alert, rule: Rule, start: float, end: float, local: LocalSeries
) -> tuple[str, float | None, Points]:
    plan = parse(rule.expr)
    simple = compared(plan)
    plan, goal = (simple[0], simple[2]) if simple is not None else (plan, None)
    step = max(1.0, fitting_step(end - start, POINTS))
    reader = await local.reader(plan, start, end)
    matrix = await asyncio.to_thread(evaluate_range, plan, reader, start, end, step, local.speech.dialect)
    found = next((row for row in matrix if _is_of(row.labels, alert)), None)
    pairs: Iterable[tuple[float, float]] = zip(found.at, found.values, strict=True) if found else ()
    return " ".join(plan.text.split()), goal, _finite(pairs)


def _is_of(labels: Labels, alert: Alert) -> bool:
    own = dict(alert.labels)
    return all(name == NAME or own.get(name) == value for name, value in labels)


def _finite(pairs: Iterable[tuple[float, float]]) -> Points:
    good = [(at, value) for at, value in pairs if math.isfinite(value)]
    return tuple(at for at, _ in good), tuple(value for _, value in good)
