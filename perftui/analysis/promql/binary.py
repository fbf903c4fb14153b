"""Operators between numbers, and between vectors whose elements must find each other."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from perftui.analysis.promql.check import COMPARISONS
from perftui.analysis.promql.labelsets import Points, dropped, kept, nameless, with_label
from perftui.analysis.promql.power import power
from perftui.analysis.promql.sums import divided
from perftui.analysis.promql.tree import Binary
from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.metrics import Point, show_labels


def _rest(a: float, b: float) -> float:
    try:
        return math.fmod(a, b)
    except ValueError:
        return math.nan


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divided,
    "%": _rest,
    "^": power,
    "atan2": math.atan2,
}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def of_numbers(op: str, left: float, right: float) -> float:
    """Between two scalars; a comparison gives 0 or 1."""
    return float(COMPARE[op](left, right)) if op in COMPARISONS else ARITHMETIC[op](left, right)


def drops_name(node: Binary, generation: int) -> bool:
    """Whether a result loses the metric's name; generation 2 forgot `atan2`."""
    if node.op in COMPARISONS:
        return node.bool_
    return node.op != "atan2" or generation >= 3


def with_number(node: Binary, points: Points, number: float, generation: int, *, swapped: bool) -> Points:
    """Between a vector and a scalar; a comparison keeps the vector's value, whichever side it is on."""
    if node.op not in COMPARISONS:
        work = ARITHMETIC[node.op]
        named = nameless if drops_name(node, generation) else tuple
        if swapped:
            return [Point(named(labels), work(number, value)) for labels, value in points]
        return [Point(named(labels), work(value, number)) for labels, value in points]
    holds = COMPARE[node.op]
    pairs = ((p, holds(number, p[1]) if swapped else holds(p[1], number)) for p in points)
    if node.bool_:
        return [Point(nameless(p[0]), float(true)) for p, true in pairs]
    return [p for p, true in pairs if true]


def of_sets(node: Binary, left: Points, right: Points) -> Points:
    """`and`, `or`, `unless`."""
    cut = kept if node.on else dropped
    mine = {cut(labels, node.names) for labels, _ in left}
    theirs = {cut(labels, node.names) for labels, _ in right}
    if node.op == "and":
        return [p for p in left if cut(p[0], node.names) in theirs]
    if node.op == "unless":
        return [p for p in left if cut(p[0], node.names) not in theirs]
    return left + [p for p in right if cut(p[0], node.names) not in mine]


def of_vectors(node: Binary, left: Points, right: Points, generation: int) -> Points:
    """Between elements whose labels match; one side's must be unique."""
    if not left or not right:
        return []
    turned = node.group == "right"
    many, one = (right, left) if turned else (left, right)
    cut = kept if node.on else dropped
    partners = _partners(node, one, cut)
    seen: dict[Labels, set[Labels]] = {}
    found: Points = []
    for labels, own in many:
        sign = cut(labels, node.names)
        partner = partners.get(sign)
        if partner is None:
            continue
        value = _value(node, *((partner[1], own) if turned else (own, partner[1])))
        if value is None:
            continue
        result = _result(node, labels, partner[0], generation)
        _once(node, seen, sign, result)
        found.append(Point(result, value))
    return found


def _partners(
    node: Binary, one: Points, cut: Callable[[Labels, tuple[str, ...]], Labels]
) -> dict[Labels, Point]:
    partners: dict[Labels, Point] = {}
    for point in one:
        sign = cut(point[0], node.names)
        if sign in partners:
            side = "left" if node.group == "right" else "right"
            both = f"[{show_labels(point[0])}, {show_labels(partners[sign][0])}]"
            raise ExpressionError(
                f"found duplicate series for the match group {show_labels(sign)} on the {side} hand-side of "
                f"the operation: {both};many-to-many matching not allowed: matching labels must be unique "
                "on one side"
            )
        partners[sign] = point
    return partners


def _value(node: Binary, left: float, right: float) -> float | None:
    if node.op not in COMPARISONS:
        return ARITHMETIC[node.op](left, right)
    true = COMPARE[node.op](left, right)
    if node.bool_:
        return float(true)
    return left if true else None


def _result(node: Binary, many: Labels, one: Labels, generation: int) -> Labels:
    labels = nameless(many) if drops_name(node, generation) else many
    if not node.group:
        return kept(labels, node.names) if node.on else _without(labels, node.names)
    if node.include:
        theirs = dict(one)
        for name in node.include:
            labels = with_label(labels, name, theirs.get(name, ""))
    return nameless(labels) if node.bool_ else labels


def _without(labels: Labels, names: tuple[str, ...]) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in names) if names else labels


def _once(node: Binary, seen: dict[Labels, set[Labels]], sign: Labels, result: Labels) -> None:
    before = seen.setdefault(sign, set())
    if not node.group and before:
        raise ExpressionError(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        )
    if result in before:
        raise ExpressionError("multiple matches for labels: grouping labels must ensure unique matches")
    before.add(result)
