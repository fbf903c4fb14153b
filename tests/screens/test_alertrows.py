"""Figures and spans as people type them, and the pictures of an alert."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.analysis.matchers import parse_matchers
from perftui.draw.rows import Look, Size, plain
from perftui.model.alerts import (
    Ack,
    Alert,
    AlertEvent,
    AlertsReport,
    AlertState,
    Rule,
    RuleStats,
    RuleStatus,
    Selector,
)
from perftui.model.errors import ConfigError
from perftui.model.event import Event
from perftui.model.finding import Severity
from perftui.screens.overview import alertrows as rows

FIRING = Alert(
    "f", "r", "CPU busy", Severity.WARNING, (("source", "web"),), 0.91, AlertState.FIRING, 1.0, 1.0,
    op=">", threshold=0.8, unit="ratio", fired_at=2.0, ack=Ack("eve@host", 3.0, "on it"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("85 %", "ratio", 0.85),
        ("0.85", "ratio", 0.85),
        ("250 ms", "s", 0.25),
        ("2GiB", "bytes", 2**31),
        ("120/min", "1/s", 2.0),
        ("-1e3", "1", -1000.0),
    ],
)
def test_figures(text, unit, value):
    assert rows.value_of(text, unit) == pytest.approx(value)


@pytest.mark.parametrize("figure", [16777216.0, 5 / 3, 0.8, -1.0, 1e-9])
def test_a_figure_taken_as_it_stands_is_the_same(figure):
    assert rows.value_of(rows.typed(figure), "bytes") == pytest.approx(figure, rel=1e-14)


@pytest.mark.parametrize(("text", "unit"), [("much", "1"), ("5 GiB", "s"), ("", "ratio"), ("nan", "1")])
def test_what_is_no_figure(text, unit):
    with pytest.raises(ConfigError, match="no figure"):
        rows.value_of(text, unit)


def test_spans():
    assert [rows.seconds_of(t) for t in ("90s", "20m", "2 h", "1d")] == [90, 1200, 7200, 86400]
    with pytest.raises(ConfigError):
        rows.seconds_of("soon")


def test_an_alert_is_told_whole():
    stats = RuleStats("r", 3, 600.0, 30.0, 200.0)
    text = "\n".join(plain(rows.detail_rows(FIRING, None, stats, (), (), Size(60, 20), Look())))
    for words in ("CPU busy", "acked by eve@host", "on it", "fired 3 times in 30 d", "source=web"):
        assert words in text
    assert rows.against(FIRING) == "91.0% > 80.0%"
    assert rows.state_cell(FIRING, Look())[0].endswith("acknowledged")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_chips_keep_their_width(width):
    (row,) = plain(rows.chips(AlertsReport(5.0, (FIRING,)), "rules", Size(width, 1), Look()))
    assert len(row) == width


def test_a_note_may_end_with_how_long_it_holds():
    assert rows.note_of(" on it for 2h ") == ("on it", 7200.0)
    assert rows.note_of("for 90 s") == ("", 90.0)
    assert rows.note_of("waiting for parts") == ("waiting for parts", 0.0)


def test_marked_alerts_are_silenced_by_rule_and_source():
    other = replace(FIRING, rule="a.b", labels=(("source", "db"),))
    assert rows.matchers_for([FIRING], None, None) == 'rule="r", source="web"'
    offered = rows.matchers_for([FIRING, other], None, None)
    assert offered == r'rule=~"r|a\\.b", source=~"web|db"'
    assert [str(m) for m in parse_matchers(offered)] == offered.split(", ")
    assert rows.matchers_for([FIRING, replace(other, labels=())], None, None) == r'rule=~"r|a\\.b"'


def test_what_happened_around_an_alert_has_a_heading_and_says_what_it_was():
    assert rows.event_rows((), Size(60, 9), Look()) == []
    fault = Event(0.0, "scale", "pool", "fault", "blocking-call on")
    heading, row = plain(rows.event_rows((fault,), Size(60, 9), Look()))
    assert heading.strip() == "all that happened around it"
    assert row.strip() == "00:00:00 fault blocking-call on"


def test_a_rule_tells_its_last_value_and_how_long_it_took():
    rule = Rule("r", "CPU busy", Selector("cpu"), ">", 0.8, "ratio")
    columns = {one.key: one for one in rows.rule_columns(Look)}
    told = RuleStatus(rule, 0.8, value=0.91, evaluated=5.0, took_s=0.002)
    assert [columns[key].cell(told)[0] for key in ("value", "took")] == ["91.0%", "2.00 ms"]
    assert [columns[key].cell(RuleStatus(rule, 0.8))[0] for key in ("value", "took")] == ["–", "–"]


def test_where_nothing_fires_it_says_whether_anything_did_and_that_somebody_looks():
    now = 1_000_000.0
    fired = AlertEvent(now - 1200, "firing", "r"), AlertEvent(now - 1100, "resolved", "r")
    report = AlertsReport(now, (), history=fired, evaluated=now - 3)
    assert (
        rows.quiet(report, 2, now)
        == "no alert now, 1 fired in 24 h: see history; 2 rules active, last tick 3 s ago"
    )
    old = replace(report, history=tuple(replace(one, at=one.at - rows.DAY) for one in fired), evaluated=0.0)
    assert rows.quiet(old, 1, now) == "no alerts in 24 h; 1 rule active"


def test_a_rule_says_in_whose_place_it_holds():
    status = RuleStatus(Rule("r", "t", Selector("x"), op=">", threshold=1.0), 1.0)
    assert rows.standing(status) == []
    replaced = replace(status, replaces=True, read_as="read as Prometheus 3 does")
    assert rows.standing(replaced) == [
        "from your rule file, in place of perftui's own of that name",
        "read as Prometheus 3 does",
    ]
