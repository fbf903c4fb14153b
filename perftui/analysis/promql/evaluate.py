"""A plan and a reader → values: instant by instant, with Prometheus' look-back, ranges and staleness."""

from __future__ import annotations

from perftui.analysis.promql.gather import gather
from perftui.analysis.promql.machine import Machine
from perftui.analysis.promql.tree import MATRIX, SCALAR, STRING, VECTOR, Plan, Text, bare
from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.metrics import (
    GENERATION_2,
    LOOKBACK,
    Answer,
    Dialect,
    Matrix,
    MetricReader,
    Point,
    Vector,
    Window,
    check_points,
)

INTERVAL = 60.0  # seconds between the instants of a subquery without a step of its own


def evaluate(
    plan: Plan,
    series: MetricReader,
    at: float,
    dialect: Dialect = GENERATION_2,
    lookback: float = LOOKBACK,
    interval: float = INTERVAL,
) -> Vector:
    """The vector at one instant, as a rule uses it: a scalar becomes one element without labels."""
    found = instant(plan, series, at, dialect, lookback, interval)
    if found.kind not in {SCALAR, VECTOR}:
        raise ExpressionError(
            f"a rule needs a vector or a scalar, and this gives a {found.kind}", plan.text, 0
        )
    return found.vector


def instant(
    plan: Plan,
    series: MetricReader,
    at: float,
    dialect: Dialect = GENERATION_2,
    lookback: float = LOOKBACK,
    interval: float = INTERVAL,
) -> Answer:
    """Whatever the expression comes to at one instant; `interval` is the server's evaluation interval."""
    now = round(at * 1000)
    root = bare(plan.root)
    if isinstance(root, Text):
        return Answer(STRING, text=root.value)
    machine = _machine(plan, series, (now, now), dialect, lookback, interval)
    if plan.kind == SCALAR:
        return Answer(SCALAR, (Point((), machine.number(plan.root, now)),))
    if plan.kind == MATRIX:
        rows = machine.windows(root, now)
        return Answer(MATRIX, matrix=tuple(Window(row.labels, row.seconds, row.values) for row in rows))
    return Answer(VECTOR, tuple(machine.vector(plan.root, now)))


def evaluate_range(
    plan: Plan,
    series: MetricReader,
    start: float,
    end: float,
    step: float,
    dialect: Dialect = GENERATION_2,
    lookback: float = LOOKBACK,
    interval: float = INTERVAL,
) -> Matrix:
    """Values every `step` seconds from `start` to `end`, both inside, one window a label set."""
    first, last, stride = round(start * 1000), round(end * 1000), round(step * 1000)
    _check_range(plan)
    check_points(start, end, stride / 1000)
    machine = _machine(plan, series, (first, last), dialect, lookback, interval)
    found: dict[Labels, Window] = {}
    for now in range(first, last + 1, stride):
        points = [Point((), machine.number(plan.root, now))] if plan.kind == SCALAR else None
        for labels, value in machine.vector(plan.root, now) if points is None else points:
            row = found.get(labels)
            if row is None:
                row = found[labels] = Window(labels, [], [])
            row.at.append(now / 1000)  # type: ignore[attr-defined]
            row.values.append(value)  # type: ignore[attr-defined]
    return tuple(sorted(found.values(), key=lambda row: row.labels))


def _check_range(plan: Plan) -> None:
    if plan.kind not in {SCALAR, VECTOR}:
        what = f"a range needs a vector or a scalar at every step, and this gives a {plan.kind}"
        raise ExpressionError(what, plan.text, 0)


def _machine(
    plan: Plan,
    series: MetricReader,
    query: tuple[int, int],
    dialect: Dialect,
    lookback: float,
    interval: float,
) -> Machine:
    back = round(lookback * 1000)
    rows = gather(plan.root, series, query, back)
    return Machine(plan.text, rows, query, dialect, back, round(interval * 1000))
