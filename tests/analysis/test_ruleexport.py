"""What is exported is loaded by a server as it is, and means the same."""

from __future__ import annotations

import pytest

from perftui.analysis.alertexpr import selected, vector
from perftui.analysis.metricnames import metric_labels
from perftui.analysis.promql import Shelf, evaluate, parse
from perftui.analysis.ruleexport import exported, expression, folded, joined, version_of
from perftui.analysis.rulefile import read_rules
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import Matcher, Rule, Selector
from perftui.model.errors import ConfigError
from perftui.model.series import SeriesKey
from tests.promtool import checks

KINDS = {"web": "host", "db": "postgres", "cache": "valkey", "edge": "varnish", "shop": "scrape"}
NAMES = (
    "HostCpuHigh",
    "HostCpuCritical",
    "HostMemoryHigh",
    "HttpErrorRatioHigh",
    "HttpP99Slow",
    "DbConnectionsHigh",
    "CacheHitRatioLow",
    "AnomalyDetected",
)
FILE = """\
# ours, by hand
groups:
  - name: a  # the first
    query_offset: 30s
    labels: {team: shop, tier: "1"}
    rules:
      # why it matters
      - alert: X
        expr: 'up == 0'   # gone
        keep_firing_for: 5m
        labels: {tier: "2"}
      - record: y
        expr: sum(up)
"""


@pytest.mark.parametrize("version", ["2.42", "3.1"])
def test_a_server_takes_the_shipped_rules(tmp_path, version):
    text, said = exported(DEFAULTS, 5.0, KINDS, version_of(version))
    path = tmp_path / "rules.yml"
    path.write_text(text)
    right, told = checks(path)
    assert right, told
    assert f"{len(DEFAULTS)} rules found" in told
    assert said == []
    rules = {rule.name: rule for rule in read_rules(text).rules}
    assert set(NAMES) <= rules.keys()
    assert (rules["HostCpuHigh"].hold, dict(rules["HostCpuHigh"].labels)["severity"]) == (300.0, "warning")
    assert rules["BackendLost"].expr == "perftui_source_up < 1"
    assert rules["DbConnectionsHigh"].expr == (
        "perftui_postgres_connections / perftui_postgres_max_connections > 0.9"
    )


ODD = (
    *DEFAULTS,
    Rule("any", "any", Selector("hit_ratio"), "<", 0.5),
    Rule(
        "of-one", "one", Selector("fs.used_ratio", "web", "", (Matcher("mount", "=~", '/("a"|b)'),)), ">", 0
    ),
    Rule("of-another", "two", Selector("lag_s", "db"), ">=", 1e-07, how="max", over=90),
    Rule("unknown", "three", Selector("x", "gone"), "!=", -1),
)


@pytest.mark.parametrize("rule", ODD, ids=lambda rule: rule.name)
@pytest.mark.parametrize("level", [0.0, 0.4, 0.93, 20.0, 200.0])
def test_both_forms_choose_the_same(rule, level):
    now = 1_200_000_000.0
    keys = [
        SeriesKey(source, rule.series.name, labels)
        for source in KINDS
        for labels in ((), (("mount", "/b"),))
        if rule.series.of_kind(KINDS[source]) or rule.series.name == "up"
    ]
    others = [
        SeriesKey(key.source, name, key.labels)
        for name in (*rule.traffic, *filter(None, [rule.per]))
        for key in keys
        if not (name in rule.traffic and key.labels)
    ]
    shelf, rows = Shelf(), {}
    for key in (*keys, *others):
        value = 1.0 if key.name == rule.per else level * (2 if key.labels else 1)
        rows[key] = [value] * 4
        for number in range(4):
            shelf.append(metric_labels(key, KINDS[key.source]), now - 3 + number, value)
    ours = vector(rule, selected(rule, keys, KINDS), lambda key, a, b: rows.get(key, ()), now)
    theirs = evaluate(parse(expression(rule, KINDS)), shelf, now)

    def plain(labels):
        return tuple(sorted((n, v) for n, v in labels if n not in ("__name__", "kind")))

    assert sorted((plain(e.labels), e.value) for e in ours) == sorted(
        (plain(p.labels), pytest.approx(p.value)) for p in theirs
    )


def test_what_an_older_server_does_not_know_is_folded_or_told(tmp_path):
    text, said = folded(FILE, (2, 42))
    path = tmp_path / "rules.yml"
    path.write_text(text)
    assert checks(path)[0], text
    for comment in ("# ours, by hand", "# the first", "# why it matters", "# gone"):
        assert comment in text
    (group,) = read_rules(text).groups
    assert dict(group.rules[0].labels) == {"team": "shop", "tier": "2"}
    assert dict(group.rules[1].labels) == {"team": "shop", "tier": "1"}
    assert group.rules[0].keep == 300.0
    assert said == [
        "a: query_offset is left out, Prometheus 2.42 does not know it",
        "a: the group's labels are in its rules now",
    ]
    older, said = folded(FILE, (2, 30))
    assert "keep_firing_for" not in older
    assert len(said) == 3
    assert folded(FILE) == (FILE, [])


def test_both_in_one_file(tmp_path):
    ours, _ = exported(DEFAULTS, 5.0, KINDS)
    path = tmp_path / "rules.yml"
    for text in ("", "# nothing yet\n", folded(FILE, (2, 42))[0]):
        both = joined(text, ours)
        path.write_text(both)
        right, told = checks(path)
        assert right, told
        assert [g.name for g in read_rules(both).groups][-1] == "perftui"
    assert "# why it matters" in both


def test_joined_to_a_file_that_has_our_group_it_stays_one(tmp_path):
    first, _ = exported(DEFAULTS[:2], 5.0, KINDS)
    second, _ = exported(DEFAULTS[2:4], 5.0, KINDS)
    path = tmp_path / "both.yml"
    path.write_text(joined(first, second, into=True))
    right, told = checks(path)
    assert right, told
    (group,) = read_rules(path.read_text()).groups
    assert [rule.name for rule in group.rules] == [rule.name for rule in DEFAULTS[:4]]


def test_switched_off_ones_are_a_comment():
    text, said = exported(
        [Rule("a", "a", Selector("x"), off=True), Rule("b", "b", Selector("x"), keep=5)], 5.0, {}, (2, 30)
    )
    assert "# a is switched off" in text
    assert said == ["b: keep_firing_for is left out, Prometheus 2.30 does not know it"]
    with pytest.raises(ConfigError, match="no version"):
        version_of("new")
