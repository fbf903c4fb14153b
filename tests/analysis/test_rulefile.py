"""Rule files are read as a Prometheus server reads them, and refused with its words and the line."""

from __future__ import annotations

import re

import pytest

from perftui.analysis import yamlbounds
from perftui.analysis.promduration import parse_duration, show_duration
from perftui.analysis.rulefile import read_rules
from perftui.model.rulefile import FileRule, RuleFileError
from tests.promtool import checks

GOOD = """\
# what the shop promises
groups:
  - name: shop
    interval: 30s
    limit: 20
    rules:
      - record: job:errors:ratio
        expr: sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(requests_total[5m]))
        labels: {team: shop}
      - alert: ErrorsHigh  # paged
        expr: |
          job:errors:ratio > 0.05
            and on (job) up == 1
        for: 1m30s
        keep_firing_for: 5m
        labels:
          severity: critical
          tier: 1
        annotations:
          summary: '{{ $labels.job }} fails {{ $value | humanizePercentage }}'
"""


def rules(body):
    return f"groups:\n- name: a\n  rules:\n{body}"


WRONG = {
    "duration": rules("  - alert: X\n    expr: up\n    for: 5 m\n"),
    "empty duration": rules('  - alert: X\n    expr: up\n    for: ""\n'),
    "expression": rules("  - alert: X\n    expr: up >\n"),
    "field of a rule": rules("  - alert: X\n    expr: up\n    fro: 5m\n"),
    "field of a group": "groups:\n- name: a\n  intervall: 5m\n",
    "field of the file": "group:\n- name: a\n",
    "group twice": "groups:\n- name: a\n- name: a\n",
    "no group name": "groups:\n- rules: []\n",
    "both": rules("  - alert: X\n    record: y\n    expr: up\n"),
    "neither": rules("  - expr: up\n"),
    "no expression": rules("  - alert: X\n"),
    "recording with annotations": rules("  - record: x\n    expr: up\n    annotations: {a: b}\n"),
    "recording with for": rules("  - record: x\n    expr: up\n    for: 1m\n"),
    "recording name": rules("  - record: 5-x\n    expr: up\n"),
    "label name": rules("  - alert: X\n    expr: up\n    labels: {1a: b}\n"),
    "annotation name": rules("  - alert: X\n    expr: up\n    annotations: {a-b: b}\n"),
    "template": rules("  - alert: X\n    expr: up\n    annotations: {a: '{{ nosuch }}'}\n"),
    "key twice": "groups:\n- name: a\n  name: b\n",
    "limit": "groups:\n- name: a\n  limit: x\n",
    "rules": "groups:\n- name: a\n  rules: 5\n",
    "broken yaml": "groups:\n- name: [a\n",
}
SAME_WORDS = (
    "not a valid duration string",
    "empty duration string",
    "could not parse expression",
    "not found in type rulefmt",
    "is repeated in the same file",
    "Groupname must not be empty",
    "only one of 'record' and 'alert' must be set",
    "one of 'record' or 'alert' must be set",
    "field 'expr' must be set in rule",
    "invalid field 'annotations' in recording rule",
    "invalid field 'for' in recording rule",
    "invalid recording rule name: 5-x",
    "invalid label name: 1a",
    "invalid annotation name: a-b",
    'function "nosuch" not defined',
    'mapping key "name" already defined',
)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "shop.yml"
    path.write_text(GOOD)
    assert checks(path)[0]
    (group,) = read_rules(GOOD, "shop.yml").groups
    assert (group.name, group.interval, group.limit, group.line) == ("shop", 30.0, 20, 3)
    record, alert = group.rules
    assert record.record
    assert record.labels == (("team", "shop"),)
    assert alert.expr == "job:errors:ratio > 0.05\n  and on (job) up == 1\n"
    assert (alert.name, alert.hold, alert.keep, alert.line) == ("ErrorsHigh", 90.0, 300.0, 10)
    assert dict(alert.labels) == {"severity": "critical", "tier": "1"}
    assert alert.annotation("summary").startswith("{{ $labels.job }}")
    assert read_rules("").groups == read_rules("groups:").groups == ()


@pytest.mark.parametrize("what", WRONG)
def test_what_a_server_refuses_is_refused_in_its_words(tmp_path, what):
    path = tmp_path / "r.yml"
    path.write_text(WRONG[what])
    right, said = checks(path)
    assert not right
    with pytest.raises(RuleFileError) as told:
        read_rules(WRONG[what], "r.yml")
    assert re.match(r"r\.yml:\d+:\d+: ", str(told.value))
    for words in SAME_WORDS:
        assert (words in said) == (words in str(told.value)), words


def test_fields_of_newer_servers_are_read():
    text = "groups:\n- name: a\n  query_offset: 30s\n  labels: {team: x}\n  rules: []\n"
    (group,) = read_rules(text).groups
    assert (group.query_offset, group.labels) == (30.0, (("team", "x"),))


def test_every_mistake_is_told_with_its_line():
    text = rules("  - alert: X\n    expr: up\n    for: 5 m\n  - alert: Y\n    fro: 1\n    expr: up\n")
    with pytest.raises(RuleFileError) as told:
        read_rules(text, "r.yml")
    assert [(m.line, m.column) for m in told.value.mistakes] == [(6, 10), (8, 5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x]\ngroups: *a\n", "aliases are not expanded"),
        ("groups: !!python/object:os.system x", "is not used in rule files"),
        ("groups: " + "[" * 40, "nested more than"),
        ("groups: []\n---\ngroups: []\n", "second document"),
        ("#" * (1 << 20) + "\n", "1 MiB"),
        ("groups: \x00", "yaml: "),
        ("[]", "cannot unmarshal"),
        ("groups: [5]", "cannot unmarshal"),
        ("groups: [{name: [a]}]", "cannot unmarshal"),
        ("groups: [{name: a, rules: [{}]}]", "one of 'record' or 'alert' must be set"),
    ],
    ids=range(10),
)
def test_hostile_files_are_refused(text, said):
    with pytest.raises(RuleFileError, match=re.escape(said)):
        read_rules(text)


def test_a_file_of_too_many_parts_is_refused(monkeypatch):
    monkeypatch.setattr(yamlbounds, "MOST_EVENTS", 40)
    with pytest.raises(RuleFileError, match="40 parts"):
        read_rules(GOOD)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("1w2d", 777_600), ("100ms", 0.1), ("90s", 90)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)
    assert parse_duration(show_duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5 m", "m", "5", "-5m", "1m1h", "1.5h", "9999999999y", "5m ", "٣m"])
def test_no_durations(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_a_rule_without_an_annotation():
    assert FileRule("a", "up").annotation("summary") == ""
