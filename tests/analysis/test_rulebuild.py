"""Rules built from a few words: what promtool takes, beside what was in the file before."""

from __future__ import annotations

import pytest

from perftui.analysis.rulebuild import condition, metric_of, read_line, taken, with_rule
from perftui.analysis.rulefile import read_rules
from perftui.model.errors import ConfigError, ExpressionError
from perftui.model.metrics import ServerRule
from tests.promtool import checks

KINDS = {"web": "host", "db": "postgres"}
OLD = "# ours\ngroups:\n- name: shop\n  rules:\n  - alert: Down\n    expr: up == 0  # gone\n"
RULE = ServerRule(
    "g",
    "r.yml",
    60.0,
    "alerting",
    "Slow",
    "p99 > 1",
    300.0,
    (("team", "x"),),
    (("summary", "{{ $value }}"),),
    "ok",
    "",
    "firing",
    0.0,
)


@pytest.mark.parametrize(
    ("metric", "promql"),
    [
        ("web/cpu.busy_ratio", 'perftui_host_cpu_busy_ratio{source="web"}'),
        ("@host/cpu.busy_ratio", "perftui_host_cpu_busy_ratio"),
        ("rate(x_total[5m])", "rate(x_total[5m])"),
        ("errors / requests", "errors / requests"),
        ("other/cpu", "other/cpu"),
    ],
)
def test_a_metric_by_either_name(metric, promql):
    assert metric_of(metric, KINDS) == promql


def test_a_condition_compares_the_whole_metric():
    assert condition("up", "==", 0.0) == "up == 0"
    assert condition("a / b", "above", 0.05) == "(a / b) > 0.05"
    assert condition('x{a="b"}', "<=", 1e9) == 'x{a="b"} <= 1000000000'
    with pytest.raises(ExpressionError, match="no operator"):
        condition("up", "=~", 1.0)
    with pytest.raises(ExpressionError, match="parse error"):
        condition("rate(x", ">", 1.0)


def test_one_line_of_words():
    assert read_line("web/cpu.busy_ratio > 0.9 for 5m critical") == (
        "web/cpu.busy_ratio",
        ">",
        0.9,
        "5m",
        "critical",
    )
    assert read_line('x{a=~"b > 1"} below -2.5') == ('x{a=~"b > 1"}', "below", -2.5, "0s", "warning")
    for wrong in ("cpu", "cpu > soon", "> 1", "cpu > 1 for", "cpu > 1.2.3"):
        with pytest.raises(ConfigError):
            read_line(wrong)


def test_a_server_takes_what_was_built(tmp_path):
    text = with_rule(
        OLD, "Busy", condition("up", "<", 1.0), hold="5m", labels=(("severity", "critical"),), interval=15.0
    )
    text = with_rule(text, "Busier", condition("a / b", ">", 2.0))
    path = tmp_path / "rules.yml"
    path.write_text(text)
    right, said = checks(path)
    assert right, said
    shop, built = read_rules(text).groups
    assert shop.rules[0].name == "Down"
    assert text.startswith("# ours\n")
    assert "# gone" in text
    assert [(rule.name, rule.hold) for rule in built.rules] == [("Busy", 300.0), ("Busier", 0.0)]
    assert dict(built.rules[0].labels) == {"severity": "critical"}


@pytest.mark.parametrize("before", ["", "# nothing yet\n", "groups: []\n", "groups:\n"])
def test_into_a_file_without_groups(before):
    (group,) = read_rules(with_rule(before, "A", "up == 0")).groups
    assert (group.name, group.rules[0].expr) == ("built", "up == 0")


def test_a_servers_rule_copied_or_watched():
    copied = taken(RULE, "prom", watch=False)
    assert (copied["metric"], copied["hold"], copied["server"]) == ("p99 > 1", "5m", "prom")
    assert copied["labels"] == {"team": "x"}
    watched = taken(RULE, "prom", watch=True)
    assert watched["metric"] == 'ALERTS{alertname="Slow", alertstate="firing"}'
    assert "hold" not in watched
