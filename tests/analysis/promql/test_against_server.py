"""The same expressions over the same samples here and on a real Prometheus: values, labels, errors."""

import math
import re
import struct

import pytest

from perftui.analysis.promql import Shelf, evaluate_range, instant, parse
from perftui.model.errors import ExpressionError
from perftui.model.metrics import GENERATION_2
from tests.analysis.promql.recorded import BEGIN, END, expressions, rows
from tests.needs import needs
from tests.promserver import PROGRAM, Server

INSTANTS = (BEGIN + 601.5, END, BEGIN + 30)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    needs("prometheus", PROGRAM is not None, "install the package prometheus")
    shelf, recorded = Shelf(), rows()
    for labels, at, value in recorded:
        shelf.append(labels, at, value)
    server = Server(tmp_path_factory.mktemp("prometheus"))
    server.push(recorded)
    yield server, shelf
    server.stop()


def ordered(value):
    """A float as an integer whose neighbours are its neighbours."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


# A server adds up what a range query computed in the order of a hash table: another one each time.
SUMS = re.compile(r"\b(sum|avg|stddev|stdvar)\b")


def same(ours, theirs, ulps=1):
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or abs(ordered(ours) - ordered(theirs)) <= ulps


def labels(metric):
    return tuple(sorted(metric.items()))


def theirs_of(answer):
    if answer["status"] != "success":
        return "error"
    data = answer["data"]
    if data["resultType"] == "scalar":
        return {((), data["result"][0]): float(data["result"][1])}
    if data["resultType"] == "vector":
        return {(labels(r["metric"]), r["value"][0]): float(r["value"][1]) for r in data["result"]}
    return {(labels(r["metric"]), at): float(v) for r in data["result"] for at, v in r["values"]}


def ours_of(work):
    try:
        return work()
    except ExpressionError:
        return "error"


def differences(server, shelf, expression, *, strict=False):
    """Sentences on what is not the same, empty when all is."""

    def now(at):
        found = instant(parse(expression, GENERATION_2), shelf, at)
        return {(p.labels, at): p.value for p in found.vector}

    def over():
        found = evaluate_range(parse(expression, GENERATION_2), shelf, BEGIN + 60, END, 60)
        return {(w.labels, at): v for w in found for at, v in zip(w.at, w.values, strict=True)}

    pairs = [(lambda at=at: now(at), server.ask("query", query=expression, time=at)) for at in INSTANTS]
    pairs.append((over, server.ask("query_range", query=expression, start=BEGIN + 60, end=END, step=60)))
    ulps = 1 if strict or not SUMS.search(expression) else 1 << 22
    for work, answer in pairs:
        ours, theirs = ours_of(work), theirs_of(answer)
        if ours == "error" or theirs == "error":
            if ours != theirs:
                yield f"{expression}\n ours {ours}\n theirs {answer}"
        elif "topk" in expression or "bottomk" in expression:  # which of equals is kept hangs on their order
            if _values(ours) != _values(theirs) and not _values_near(ours, theirs, ulps):
                yield f"{expression}\n values {_values(ours)} {_values(theirs)}"
        elif ours.keys() != theirs.keys():
            yield f"{expression}\n only ours {ours.keys() - theirs.keys()}\n only theirs {theirs.keys() - ours.keys()}"
        elif bad := {k: (v, theirs[k]) for k, v in ours.items() if not same(v, theirs[k], ulps)}:
            yield f"{expression}\n values {dict(list(bad.items())[:3])}"


def _values(found):
    return sorted((at, not math.isnan(v), v) for (_, at), v in found.items())


def _values_near(ours, theirs, ulps):
    pairs = list(zip(_values(ours), _values(theirs), strict=False))
    return len(ours) == len(theirs) and all(a[0] == b[0] and same(a[2], b[2], ulps) for a, b in pairs)


def all_differences(both, seed, count):
    return [d for e in expressions(seed, count) for d in differences(*both, e)]


@pytest.mark.needs("prometheus")
def test_eighty_expressions(both):
    assert all_differences(both, 1, 80) == []


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("op", ["sum", "avg", "stddev", "stdvar"])
def test_sums_of_what_was_read_have_the_same_last_digit(both, op):
    expressions_ = [
        f"{op}(temperature)",
        f"{op} by (job) (requests_total)",
        f"{op} without (code) (requests_total)",
    ]
    assert [d for e in expressions_ for d in differences(*both, e, strict=True)] == []


@pytest.mark.slow
@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_three_hundred_more(both, seed):
    assert all_differences(both, seed, 100) == []


SAID_THE_SAME = (
    *("1 +", "sum(", "sum(a", 'foo{a="b"', "a and 1", "rate(a) +", "foo{a}", "sum by a (b)", "1 == 1", "a == bool"),
    *("sum(a,b)", "topk(a)", 'label_replace(a,"x")', "round()", "a @ b", 'vector("a")', "clamp(a,1)", "a + bool b"),
    *("sum(a) by (b", "time() and a", '-"a"', "a b c", '{__name__=~".*"}', "{}", "a[5m] + 1", "sum(a[5m])", "nope(a)"),
    *("rate(a)", 'a{__name__="b"}', "sum without(a", "count_values(a,b)", "foo offset 0s", "$", "a + on(x) group_left(x) b"),
)  # fmt: skip


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("expression", SAID_THE_SAME)
def test_errors_say_what_the_server_says(both, expression):
    said = both[0].ask("query", query=expression)["error"].removeprefix('invalid parameter "query": ')
    with pytest.raises(ExpressionError) as ours:
        parse(expression)
    assert str(ours.value) == said


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    "expression",
    [
        *('-{job="web"}', "temperature + on (job) limit", "requests_total / on (job, instance) limit",
          "limit > on (job) group_left () temperature", 'label_replace(limit, "1x", "a", "job", ".*")'),
        *('label_replace(limit, "job", "same", "instance", ".*")', "holt_winters(limit[5m], 2, 0.1)",
          "topk(NaN, limit)", 'count_values("1x", limit)', 'limit{job=~"("}', "nope(limit)", "1 + limit[5m]"),
    ],
)  # fmt: skip
def test_what_a_server_cannot_compute_is_an_error_here_too(both, expression):
    server, shelf = both
    assert server.ask("query", query=expression, time=END)["status"] == "error"
    with pytest.raises(ExpressionError):
        instant(parse(expression), shelf, END)
