"""The evaluator: walks a tree at one instant over samples that were read before."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from perftui.analysis.promql import binary
from perftui.analysis.promql.aggregate import aggregate
from perftui.analysis.promql.check import SETS, kind_of
from perftui.analysis.promql.elementwise import CALENDAR, OF_NUMBER, least, most, nearest
from perftui.analysis.promql.gather import Rows, shifted
from perftui.analysis.promql.labelcalls import absent_labels, label_join, label_replace, quantiles
from perftui.analysis.promql.labelsets import Points, nameless, unique
from perftui.analysis.promql.overtime import OF_WINDOW, WITH_NUMBERS, Stretch
from perftui.analysis.promql.signatures import SIGNATURES
from perftui.analysis.promql.tree import (
    MATRIX,
    SCALAR,
    Aggregate,
    Binary,
    Call,
    Node,
    Number,
    Paren,
    Selector,
    Subquery,
    Text,
    Unary,
    bare,
)
from perftui.model.alerts import Labels
from perftui.model.errors import ExpressionError
from perftui.model.metrics import Dialect, Point, Window, is_stale

MOST_STEPS = 1_000_000  # instants all subqueries of one evaluation may visit


class Row(NamedTuple):
    """Samples of one series inside a window, without stale markers."""

    labels: Labels
    seconds: list[float]
    values: list[float]


class Machine:
    """One evaluation: samples, the query's own span (`start()`, `end()`), and the dialect. Times in ms."""

    def __init__(
        self,
        text: str,
        rows: Rows,
        query: tuple[int, int],
        dialect: Dialect,
        lookback: int,
        interval: int,
    ) -> None:
        self._text = text
        self._rows = rows
        self._query = query
        self._dialect = dialect
        self._open = dialect.left_open
        self._lookback = lookback
        self._interval = interval
        self._steps = 0
        self._whole: dict[int, list[bool]] = {}
        # Who first wrote a nameless label set: two series in one range may not share it, even at
        # different instants.
        self._owners: dict[tuple[int, Labels], Labels] = {}

    def number(self, node: Node, now: int) -> float:
        """A scalar node's value."""
        match node:
            case Number():
                return node.value
            case Paren():
                return self.number(node.expr, now)
            case Unary():
                value = self.number(node.expr, now)
                return -value if node.op == "-" else value
            case Binary():
                return binary.of_numbers(node.op, self.number(node.left, now), self.number(node.right, now))
            case Call(name="time"):
                return now / 1000
            case Call(name="pi"):
                return math.pi
            case Call(name="scalar"):
                points = self.vector(node.args[0], now)
                return points[0].value if len(points) == 1 else math.nan
            case _:
                raise ExpressionError("no scalar", self._text, node.at)

    def vector(self, node: Node, now: int) -> Points:
        """A vector node's elements."""
        match node:
            case Selector():
                return [Point(labels, value) for labels, value, _ in self._newest(node, now)]
            case Paren():
                return self.vector(node.expr, now)
            case Call():
                return self._call(node, now)
            case Aggregate():
                return self._aggregate(node, now)
            case Binary():
                return self._binary(node, now)
            case Unary():
                points = self.vector(node.expr, now)
                if node.op == "+":
                    return points
                return unique([Point(self._bare(node, labels), -value) for labels, value in points])
            case _:
                raise ExpressionError("no instant vector", self._text, node.at)

    def windows(self, node: Node, now: int) -> list[Row]:
        """A range vector's series, none of them empty."""
        node = bare(node)
        if isinstance(node, Subquery):
            return self._subquery(node, now)
        assert isinstance(node, Selector)
        end = shifted(node, now, self._query)
        lo, hi = (end - node.window) / 1000, end / 1000
        if id(node) not in self._whole:
            self._whole[id(node)] = [not math.isfinite(sum(w.values)) for w in self._rows[id(node)]]
        pairs = zip(self._rows[id(node)], self._whole[id(node)], strict=True)
        found = (self._cut(window, lo, hi, odd=odd) for window, odd in pairs)
        return [row for row in found if row is not None]

    def _cut(self, window: Window, lo: float, hi: float, *, odd: bool) -> Row | None:
        """The samples from `lo` to `hi`; `odd`: some value of the window may be a stale marker."""
        at = window.at
        first = bisect_right(at, lo) if self._open else bisect_left(at, lo)
        last = bisect_right(at, hi)
        if first >= last:
            return None
        seconds, values = at[first:last], window.values[first:last]
        if odd:
            pairs = [(t, v) for t, v in zip(seconds, values, strict=True) if not is_stale(v)]
            seconds, values = [t for t, _ in pairs], [v for _, v in pairs]
        return Row(window.labels, seconds, values) if values else None  # type: ignore[arg-type]

    def _newest(self, node: Selector, now: int) -> list[tuple[Labels, float, float]]:
        end = shifted(node, now, self._query)
        limit, oldest = end / 1000, (end - self._lookback) / 1000
        found = []
        for labels, at, values in self._rows[id(node)]:
            place = bisect_right(at, limit) - 1
            if place < 0 or at[place] < oldest or (self._open and at[place] <= oldest):
                continue
            value = values[place]
            if value == value or not is_stale(value):  # noqa: PLR0124 (NaN)
                found.append((labels, value, at[place]))
        return found

    def _subquery(self, node: Subquery, now: int) -> list[Row]:
        end = shifted(node, now, self._query)
        step = node.step or self._interval
        begin = end - node.window
        first = -(-begin // step) * step
        if self._open and first == begin:
            first += step
        found: dict[Labels, Row] = {}
        for instant in range(first, end + 1, step):
            self._count_step(node)
            for labels, value in self.vector(node.expr, instant):
                row = found.get(labels)
                if row is None:
                    row = found[labels] = Row(labels, [], [])
                row.seconds.append(instant / 1000)
                row.values.append(value)
        return list(found.values())

    def _count_step(self, node: Subquery) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            what = f"subqueries visit more than {MOST_STEPS} instants: choose a longer step"
            raise ExpressionError(what, self._text, node.at)

    def _bare(self, node: Node, labels: Labels) -> Labels:
        """Labels without the name, unless another series of this range already stands under them."""
        less = nameless(labels)
        if self._owners.setdefault((id(node), less), labels) != labels:
            raise ExpressionError("vector cannot contain metrics with the same labelset")
        return less

    # operators

    def _binary(self, node: Binary, now: int) -> Points:
        generation = self._dialect.generation
        numbers = [kind_of(side) == SCALAR for side in (node.left, node.right)]
        if numbers[0]:
            points, number = self.vector(node.right, now), self.number(node.left, now)
            return unique(binary.with_number(node, points, number, generation, swapped=True))
        left = self.vector(node.left, now)
        if numbers[1]:
            number = self.number(node.right, now)
            return unique(binary.with_number(node, left, number, generation, swapped=False))
        right = self.vector(node.right, now)
        if node.op in SETS:
            return unique(binary.of_sets(node, left, right))
        return unique(binary.of_vectors(node, left, right, generation))

    def _aggregate(self, node: Aggregate, now: int) -> Points:
        number, text = 0.0, ""
        param = None if node.param is None else bare(node.param)
        if isinstance(param, Text):
            text = param.value
        elif param is not None:
            number = self.number(param, now)
        points = self.vector(node.expr, now)
        return aggregate(node, points, number, text, self._dialect.generation)

    # functions

    def _call(self, node: Call, now: int) -> Points:
        name, args = node.name, node.args
        if name in OF_WINDOW or name in WITH_NUMBERS:
            return self._over_time(node, now)
        if name in OF_NUMBER:
            work = OF_NUMBER[name]
            return unique(
                [Point(nameless(labels), work(value)) for labels, value in self.vector(args[0], now)]
            )
        if name in CALENDAR:
            points = self.vector(args[0], now) if args else [Point((), now / 1000)]
            part = CALENDAR[name]
            return unique([Point(nameless(labels), part(value)) for labels, value in points])
        return getattr(self, f"_{name}")(node, now)  # type: ignore[no-any-return]

    def _over_time(self, node: Call, now: int) -> Points:
        window = next(arg for arg in node.args if kind_of(arg) == MATRIX)
        inner = bare(window)
        assert isinstance(inner, Selector | Subquery)
        end = shifted(inner, now, self._query)
        numbers = [self.number(arg, now) for arg in node.args if kind_of(arg) == SCALAR]
        work = WITH_NUMBERS[node.name] if numbers else OF_WINDOW[node.name]
        keeps = node.name == "last_over_time"
        generation, begin = self._dialect.generation, end - inner.window
        found: Points = []
        for labels, seconds, values in self.windows(inner, now):
            value = work(Stretch(seconds, values, begin, end, now, generation), *numbers)
            if value is not None:
                found.append(Point(labels if keeps else self._bare(node, labels), value))
        return found

    def _numbers(self, node: Call, now: int) -> list[float]:
        return [self.number(arg, now) for arg in node.args if kind_of(arg) == SCALAR]

    def _clamp(self, node: Call, now: int) -> Points:
        points, (low, high) = self.vector(node.args[0], now), self._numbers(node, now)
        if high < low:
            return []
        return unique([Point(nameless(labels), most(low, least(high, value))) for labels, value in points])

    def _clamp_min(self, node: Call, now: int) -> Points:
        points, (low,) = self.vector(node.args[0], now), self._numbers(node, now)
        return unique([Point(nameless(labels), most(low, value)) for labels, value in points])

    def _clamp_max(self, node: Call, now: int) -> Points:
        points, (high,) = self.vector(node.args[0], now), self._numbers(node, now)
        return unique([Point(nameless(labels), least(high, value)) for labels, value in points])

    def _round(self, node: Call, now: int) -> Points:
        points, to = self.vector(node.args[0], now), (self._numbers(node, now) or [1.0])[0]
        return unique([Point(nameless(labels), nearest(value, to)) for labels, value in points])

    def _vector(self, node: Call, now: int) -> Points:
        return [Point((), self.number(node.args[0], now))]

    def _timestamp(self, node: Call, now: int) -> Points:
        inner = bare(node.args[0])
        if isinstance(inner, Selector):
            return unique([Point(nameless(labels), at) for labels, _, at in self._newest(inner, now)])
        return unique([Point(nameless(labels), now / 1000) for labels, _ in self.vector(inner, now)])

    def _sort(self, node: Call, now: int) -> Points:
        return sorted(self.vector(node.args[0], now), key=lambda p: (p[1] != p[1], p[1]))

    def _sort_desc(self, node: Call, now: int) -> Points:
        return sorted(self.vector(node.args[0], now), key=lambda p: (p[1] != p[1], -p[1]))

    def _absent(self, node: Call, now: int) -> Points:
        there = self.vector(node.args[0], now)
        return [] if there else [Point(absent_labels(node.args[0]), 1.0)]

    def _absent_over_time(self, node: Call, now: int) -> Points:
        there = self.windows(node.args[0], now)
        return [] if there else [Point(absent_labels(node.args[0]), 1.0)]

    def _histogram_quantile(self, node: Call, now: int) -> Points:
        (q,) = self._numbers(node, now)
        return unique(quantiles(q, self.vector(node.args[1], now), self._dialect.generation))

    def _label_replace(self, node: Call, now: int) -> Points:
        target, replacement, source, pattern = self._texts(node)
        return label_replace(self.vector(node.args[0], now), target, replacement, source, pattern)

    def _label_join(self, node: Call, now: int) -> Points:
        target, separator, *sources = self._texts(node)
        return label_join(self.vector(node.args[0], now), target, separator, sources)

    def _texts(self, node: Call) -> list[str]:
        return [inner.value for arg in node.args if isinstance(inner := bare(arg), Text)]


METHODS = frozenset(SIGNATURES) - OF_WINDOW.keys() - WITH_NUMBERS.keys() - OF_NUMBER.keys() - CALENDAR.keys()
"""The functions that are methods above; a test holds the two together."""
