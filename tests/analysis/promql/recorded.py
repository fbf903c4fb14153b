"""Recorded series with everything that makes evaluation hard, and expressions over them by seed."""

from __future__ import annotations

import math
import random

from perftui.model.metrics import STALE, labels_of

BEGIN = 1_700_000_000.0
SCRAPE = 15
COUNT = 81  # scrapes: twenty minutes
END = BEGIN + SCRAPE * (COUNT - 1)


def rows():
    """(labels, at, value) in time order: resets, gaps, stale markers, NaN, jitter, histograms."""
    dice = random.Random(7)
    makers = [*counters(dice), *gauges(dice), *histograms(dice), *odd(dice)]
    found = []
    for step in range(COUNT):
        row = []
        jitter = {job: dice.randint(-40, 40) / 1000 for job in ("web", "db", "other")}
        for labels, make in makers:
            value = make(step)
            if value is not None:
                at = round(BEGIN + step * SCRAPE + jitter[dict(labels).get("job", "other")], 3)
                row.append((labels, at, value))
        # A server adds series in the order it met them first, we in the order of their labels.
        found += sorted(row, key=lambda sample: sample[0])
    return found


def counters(dice):
    for job, instance, code in [(j, i, c) for j in ("web", "db") for i in "ab" for c in ("200", "500")]:
        labels = labels_of("requests_total", job=job, instance=instance, code=code)
        yield labels, _counter(dice, reset=dice.choice([None, 30, 55]), gap=dice.choice([(), range(20, 27)]))


def _counter(dice, reset, gap):
    state = [0.0]
    pace = dice.uniform(0.1, 40)

    def make(step):
        state[0] = 0.3 if step == reset else state[0] + dice.random() * pace
        return None if step in gap else state[0]

    return make


def gauges(dice):
    for job, instance in [(j, i) for j in ("web", "db") for i in "abc"]:
        level, kind = dice.uniform(-5, 50), instance

        def make(step, level=level, kind=kind):
            if kind == "b" and step in (33, 34):
                return math.nan
            if kind == "c" and step == 60:
                return STALE
            if kind == "c" and 60 < step < 66:
                return None
            return level + math.sin(step / 9) * 10 + dice.gauss(0, 1)

        yield labels_of("temperature", job=job, instance=instance), make
        yield (
            labels_of("limit", job=job, instance=instance),
            _constant(dice.randint(1, 9) * 10.0),
        )


def _constant(value):
    return lambda step: value


def histograms(dice):
    for job in ("web", "db"):
        counts = dict.fromkeys(("0.1", "0.5", "1", "5", "+Inf"), 0.0)
        last = [-1]

        def make(step, bound, counts=counts, last=last):
            if step != last[0]:
                last[0], total = step, 0
                for le in counts:
                    total += dice.randint(0, 9)
                    counts[le] += total
            return counts[bound]

        for le in counts:
            yield labels_of("took_bucket", job=job, le=le), (lambda step, b=le, m=make: m(step, b))


def odd(dice):
    yield labels_of("flat"), lambda step: 4.0
    yield labels_of("info", job="web", version="1.2"), lambda step: 1.0
    yield labels_of("info", job="db", version="2"), lambda step: 1.0
    yield labels_of("edges", kind="inf"), lambda step: math.inf if step % 3 else -math.inf
    yield labels_of("edges", kind="zero"), lambda step: 0.0
    yield labels_of("edges", kind="big"), lambda step: 1e300 * (step + 1)
    yield labels_of("edges", kind="early"), lambda step: 1.5 if step < 40 else None
    yield labels_of("birth_seconds"), lambda step: 1_600_000_000.0 + step * 86_400.5


SELECTORS = (
    *("requests_total", 'requests_total{code="500"}', 'requests_total{job!="db"}', "temperature"),
    *('temperature{instance=~"a|b"}', 'temperature{instance!~"b.*"}', "limit", "flat", "info", "edges"),
    *('{job="web"}', '{__name__=~"temperature|limit"}', "nowhere", 'took_bucket{le="1"}', "birth_seconds"),
)
OF_RANGE = (
    *("rate", "irate", "increase", "delta", "idelta", "deriv", "resets", "changes"),
    *("avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time"),
    *("stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time", "absent_over_time"),
)
# Their last digit is the library's, so they stand outside, where nothing makes it more.
TRANSCENDENT = ("ln", "log2", "log10", "exp", "sin", "cos", "atan", "asinh")
OF_VECTOR = (
    *("abs", "ceil", "floor", "sqrt", "sgn", "deg", "rad", "timestamp"),
    *("round", "absent", "sort", "sort_desc"),
    *("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"),
)
SPANS = ("30s", "1m", "90s", "2m", "5m", "7m30s")
PLAIN = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
GROUPINGS = ("", " by (job)", " by (job, instance)", " without (instance)", " by (nowhere)", " by ()")
MATCHINGS = ("", " on (job)", " on (job, instance)", " ignoring (code)", " ignoring (le, version)")
OPERATORS = ("+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless")


class Writer:
    """Expressions by chance from a fixed seed."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def pick(self, *choices):
        return self.dice.choice(choices)

    def selector(self):
        shift = self.pick("", "", "", " offset 1m", " offset -30s", f" @ {BEGIN + 600:.3f}", " @ end()")
        return self.dice.choice(SELECTORS) + shift

    def window(self):
        if self.dice.random() < 0.25:
            inner = self.pick(self.selector(), f"rate({self.dice.choice(SELECTORS)}[1m])")
            return f"{inner}[{self.dice.choice(SPANS)}:{self.pick('', '15s', '20s', '37s')}]"
        shift = self.pick("", "", " offset 45s", " @ start()")
        return f"{self.dice.choice(SELECTORS)}[{self.dice.choice(SPANS)}]{shift}"

    def number(self):
        return self.pick(
            "0", "1", "2", "-3", "0.5", "10", "NaN", "Inf", "time()", "scalar(flat)", "1e3", "0x1F"
        )

    def vector(self, depth=2):
        if depth <= 0:
            return self.selector()
        make = self.pick(
            self.over_time, self.over_time, self.elementwise, self.aggregate, self.aggregate, self.binary,
            self.binary, self.with_number, self.rare,
        )  # fmt: skip
        return make(depth - 1)

    def whole(self):
        """One expression."""
        if self.dice.random() < 0.07:
            function, inner = self.dice.choice(TRANSCENDENT), self.dice.choice(SELECTORS[:9])
            other = self.pick("temperature atan2 on (job, instance) limit", "temperature ^ 0.3")
            return self.pick(f"{function}({inner})", f"{function}({inner})", other)
        return self.vector(self.pick(1, 2, 3))

    def over_time(self, depth):
        return f"{self.dice.choice(OF_RANGE)}({self.window()})"

    def elementwise(self, depth):
        return f"{self.dice.choice(OF_VECTOR)}({self.vector(depth)})"

    def aggregate(self, depth):
        grouping, inner = self.dice.choice(GROUPINGS), self.vector(depth)
        op = self.pick(*PLAIN, *PLAIN, "topk", "bottomk", "quantile", "count_values")
        if op == "count_values":
            return f'count_values{grouping} ("seen", {inner})'
        if op in ("topk", "bottomk", "quantile"):
            return f"{op}{grouping} ({self.pick('1', '2', '0.5', '0.9', '3')}, {inner})"
        return f"{op}{grouping} ({inner})"

    def binary(self, depth):
        op = self.dice.choice(OPERATORS)
        flag = self.pick("", " bool") if op in ("==", "!=", ">", "<", ">=", "<=") else ""
        side = self.pick("", "", " group_left", " group_right", " group_left (version)")
        matching = self.dice.choice(MATCHINGS)
        side = side if matching and op not in ("and", "or", "unless") else ""
        return f"({self.vector(depth)}) {op}{flag}{matching}{side} ({self.vector(depth)})"

    def with_number(self, depth):
        sides = [f"({self.vector(depth)})", self.number()]
        self.dice.shuffle(sides)
        op = self.dice.choice([o for o in OPERATORS if o not in ("and", "or", "unless")])
        flag = self.pick("", " bool") if op in ("==", "!=", ">", "<", ">=", "<=") else ""
        return f"{sides[0]} {op}{flag} {sides[1]}"

    def rare(self, depth):
        v, w = self.vector(depth), self.window()
        return self.pick(
            f"histogram_quantile({self.pick('0', '0.5', '0.9', '0.99', '1', '2', '-1', 'NaN')}, took_bucket)",
            f"histogram_quantile(0.9, sum by (le) (rate(took_bucket[{self.dice.choice(SPANS)}])))",
            "histogram_quantile(0.7, rate(took_bucket[2m]))",
            f'label_replace({v}, "new", "$1-${{0}}", "instance", "(a|b)")',
            f'label_replace({v}, "job", "", "job", ".*")',
            f'label_join({v}, "both", "/", "job", "instance")',
            f"quantile_over_time({self.pick('0.1', '0.5', '0.95', '1.2')}, {w})",
            f"predict_linear({w.split(' @')[0]}, {self.pick('60', '-30', '3600')})",
            f"holt_winters({w}, 0.3, 0.6)",
            f"clamp({v}, 1, {self.pick('20', '0')})",
            f"clamp_min({v}, 3)",
            f"({v}) ^ {self.pick('2', '3', '-1', '0.5', '0', '7', 'Inf', 'NaN')}",
            f"clamp_max({v}, 3)",
            f"round({v}, {self.pick('0.1', '5', '0')})",
            f"-({v})",
            f"vector({self.number()})",
            f"absent({v})",
            "-temperature ^ 2",
            f"sum({v}) / count({v})",
        )  # fmt: skip


def expressions(seed, count):
    writer = Writer(seed)
    return [writer.whole() for _ in range(count)]
