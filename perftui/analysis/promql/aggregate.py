"""Many elements → one a group, or the few that stand out in it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from perftui.analysis.promql import sums
from perftui.analysis.promql.labelsets import Points, dropped, kept, with_label
from perftui.analysis.promql.tree import Aggregate
from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.metrics import Point

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")

FOLDS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "avg": sums.mean_plain,
    "count": lambda values: float(len(values)),
    "min": sums.smallest,
    "max": sums.largest,
    "group": lambda values: 1.0,
    "stdvar": sums.variance_plain,
    "stddev": lambda values: math.sqrt(sums.variance_plain(values)),
}
COMPENSATED: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": lambda values: sums.added(values, forget_at_infinity=True),
    "avg": sums.mean_direct,
}
"""What generation 3 adds otherwise."""


def aggregate(node: Aggregate, points: Points, number: float, text: str, generation: int) -> Points:
    """The aggregation of a vector; `number` or `text` is its parameter."""
    if node.op == "count_values":
        return _count_values(node, points, text)
    groups: dict[Labels, Points] = {}
    cut = dropped if node.without else kept
    for point in points:
        groups.setdefault(cut(point[0], node.names), []).append(point)
    if node.op in {"topk", "bottomk"}:
        return _outstanding(node, groups, number)
    if node.op == "quantile":
        return [Point(labels, sums.quantile(number, _values(group))) for labels, group in groups.items()]
    fold = FOLDS[node.op]
    if generation >= 3:
        fold = COMPENSATED.get(node.op, fold)
    return [Point(labels, float(fold(_values(group)))) for labels, group in groups.items()]


def _values(points: Points) -> list[float]:
    return [value for _, value in points]


def _outstanding(node: Aggregate, groups: dict[Labels, Points], number: float) -> Points:
    if math.isnan(number) or abs(number) >= 2**63:
        raise ExpressionError(f"Scalar value {written(number)} overflows int64")
    count = int(number)
    if count < 1:
        return []
    sign = 1.0 if node.op == "topk" else -1.0
    found: Points = []
    for group in groups.values():
        # NaN is the least worth keeping for both.
        order = sorted(group, key=lambda p: (p[1] == p[1], sign * p[1]), reverse=True)
        found += order[:count]
    return found


def _count_values(node: Aggregate, points: Points, label: str) -> Points:
    if not _LABEL.match(label):
        raise ExpressionError(f'invalid label name "{label}"')
    counts: dict[Labels, float] = {}
    for labels, value in points:
        cut = dropped(labels, node.names) if node.without else kept(labels, node.names)
        key = with_label(cut, label, written(value))
        counts[key] = counts.get(key, 0.0) + 1
    return [Point(labels, count) for labels, count in counts.items()]


def written(value: float) -> str:
    """A number as Prometheus writes it into a label: shortest digits, no exponent."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
