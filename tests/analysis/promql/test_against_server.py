"""The same expressions over the same samples here and on a real Prometheus: values, labels, errors."""

import math
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


def same(ours, theirs):
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs or abs(ordered(ours) - ordered(theirs)) <= 1


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


def differences(server, shelf, expression):
    """Sentences on what is not the same, empty when all is."""

    def now(at):
        found = instant(parse(expression, GENERATION_2), shelf, at)
        return {(p.labels, at): p.value for p in found.vector}

    def over():
        found = evaluate_range(parse(expression, GENERATION_2), shelf, BEGIN + 60, END, 60)
        return {(w.labels, at): v for w in found for at, v in zip(w.at, w.values, strict=True)}

    pairs = [(lambda at=at: now(at), server.ask("query", query=expression, time=at)) for at in INSTANTS]
    pairs.append((over, server.ask("query_range", query=expression, start=BEGIN + 60, end=END, step=60)))
    for work, answer in pairs:
        ours, theirs = ours_of(work), theirs_of(answer)
        if ours == "error" or theirs == "error":
            if ours != theirs:
                yield f"{expression}\n ours {ours}\n theirs {answer}"
        elif "topk" in expression or "bottomk" in expression:  # which of equals is kept hangs on their order
            if _values(ours) != _values(theirs) and not _values_near(ours, theirs):
                yield f"{expression}\n values {_values(ours)} {_values(theirs)}"
        elif ours.keys() != theirs.keys():
            yield f"{expression}\n only ours {ours.keys() - theirs.keys()}\n only theirs {theirs.keys() - ours.keys()}"
        elif bad := {k: (v, theirs[k]) for k, v in ours.items() if not same(v, theirs[k])}:
            yield f"{expression}\n values {dict(list(bad.items())[:3])}"


def _values(found):
    return sorted((at, not math.isnan(v), v) for (_, at), v in found.items())


def _values_near(ours, theirs):
    pairs = list(zip(_values(ours), _values(theirs), strict=False))
    return len(ours) == len(theirs) and all(a[0] == b[0] and same(a[2], b[2]) for a, b in pairs)


def all_differences(both, seed, count):
    return [d for e in expressions(seed, count) for d in differences(*both, e)]


@pytest.mark.needs("prometheus")
def test_eighty_expressions(both):
    assert all_differences(both, 1, 80) == []


@pytest.mark.slow
@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_three_hundred_more(both, seed):
    assert all_differences(both, seed, 100) == []
