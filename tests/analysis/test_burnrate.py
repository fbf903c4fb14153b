"""A promise as rules: taken by a server, and firing when a budget burns as fast as the windows say."""

from __future__ import annotations

import pytest

from perftui.analysis.burnrate import BURNS, Promise, promise_rules
from perftui.analysis.promql import Shelf, evaluate, parse
from perftui.analysis.rulefile import read_rules
from perftui.model.errors import ConfigError
from perftui.model.metrics import labels_of
from tests.promtool import checks

PROMISE = Promise("checkout", 0.999, "sum(rate(errors_total[$window])) / sum(rate(requests_total[$window]))")


def test_a_server_takes_it(tmp_path):
    path = tmp_path / "slo.yml"
    path.write_text(promise_rules(PROMISE))
    right, said = checks(path)
    assert right, said
    assert "11 rules found" in said
    (group,) = read_rules(promise_rules(PROMISE)).groups
    alerts = [rule for rule in group.rules if not rule.record]
    assert [dict(rule.labels)["severity"] for rule in alerts] == ["critical", "critical", "warning"]
    assert alerts[0].annotation("description").endswith("gone in 2d2h")
    assert group.rules[0].expr == "sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))"


@pytest.mark.parametrize(
    ("ratios", "fires"),
    [
        ({"1h": 0.0145, "5m": 0.0145}, [True, False, False]),
        ({"1h": 0.0145, "5m": 0.0143}, [False, False, False]),
        ({"6h": 0.0061, "30m": 0.0061}, [False, True, False]),
        ({"3d": 0.0011, "6h": 0.0011}, [False, False, True]),
    ],
)
def test_both_windows_must_burn(ratios, fires):
    shelf = Shelf()
    for window, value in ratios.items():
        shelf.append(labels_of(f"slo:error_ratio:{window}", slo="checkout"), 1000.0, value)
    (group,) = read_rules(promise_rules(PROMISE)).groups
    alerts = [rule for rule in group.rules if not rule.record]
    assert [bool(evaluate(parse(rule.expr), shelf, 1001.0)) for rule in alerts] == fires
    assert len(alerts) == len(BURNS)


def test_what_is_left():
    shelf = Shelf()
    for window in ("30d", "6h"):
        shelf.append(labels_of(f"slo:error_ratio:{window}", slo="checkout"), 1000.0, 0.0005)
    (group,) = read_rules(promise_rules(PROMISE)).groups
    left, days = [rule for rule in group.rules if rule.name.startswith("slo:budget_left")]
    (ratio,) = evaluate(parse(left.expr), shelf, 1003.0)
    assert ratio.value == pytest.approx(0.5)
    shelf.append(labels_of("slo:budget_left:ratio", slo="checkout"), 1003.0, ratio.value)
    (found,) = evaluate(parse(days.expr), shelf, 1003.0)
    assert found.value == pytest.approx(0.5 * 30 / 0.5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a b", 0.9, "x[$window]"), "no name"),
        (("a", 1.0, "x[$window]"), "below 100 %"),
        (("a", 0.9, "x[5m]"), r"needs \$window"),
        (("a", 0.9, "x[$window]", 0), "365 days"),
    ],
)
def test_what_is_no_promise(words, said):
    with pytest.raises(ConfigError, match=said):
        Promise(*words)
