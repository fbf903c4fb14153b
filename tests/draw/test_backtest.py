"""Backtests in words."""

from __future__ import annotations

from perftui.draw.backtest import choices, firings, of_incidents, verdict
from perftui.model.alerts import Rule, Selector
from perftui.model.backtest import Backtest, Choice, Incident, Spell
from perftui.model.finding import Severity

RULE = Rule("A", "A", Selector("x"), severity=Severity.CRITICAL, labels=(("severity", "critical"),))
LABELS = (("alertname", "A"), ("severity", "critical"), ("source", "web"))


def test_how_often_and_how_long():
    assert verdict(Backtest(RULE, 0.0, 600.0, 15.0, series=1)) == "never fired in 10 m"
    assert "nothing it looks at was recorded" in verdict(Backtest(RULE, 0.0, 600.0, 15.0))
    assert ", pending 1 time" in verdict(Backtest(RULE, 0.0, 600.0, 15.0, pending=1, series=1))
    assert verdict(Backtest(RULE, 0.0, 7 * 86400.0, 60.0, series=1)) == "never fired in 7 d"
    spells = tuple(Spell(LABELS, at, at, at + 30.0) for at in (0.0, 100.0))
    said = verdict(Backtest(RULE, 0.0, 600.0, 15.0, spells, series=1, night=1))
    assert said.startswith("fired 2 times in 10 m: 1 m in all, 30.0 s the longest, 1 at night")
    assert said.endswith("somebody woken 1 time")


def test_the_newest_come_first_and_what_every_alert_has_is_left_out():
    spells = (*(Spell(LABELS, at, at, at + 30.0) for at in (0.0, 100.0, 200.0)), Spell(LABELS, 300.0, 300.0))
    found = list(firings(Backtest(RULE, 0.0, 600.0, 15.0, spells)))
    assert found[0] == "1970-01-01 00:05:00  still firing  source=web"
    assert [text[11:19] for text in found] == ["00:05:00", "00:03:20", "00:01:40"]


def test_other_settings_and_incidents():
    made = (Choice("for", 0.0, 9, 9.0), Choice("for", 60.0, 2, 9.0, True), Choice("threshold", 0.9, 1, 1.0))
    assert list(choices(Backtest(RULE, 0.0, 1.0, 1.0, choices=made))) == [
        "for 0 s: 9  *1 m: 2",
        "threshold 0.90: 1",
    ]
    real = (Incident(5.0, None, "slow", "on the timeline", "A", 2.0), Incident(9.0, None, "down", "seen"))
    head, told, missed = of_incidents(real)
    assert head == "2 incidents in this time, 1 told by these rules"
    assert told.endswith("told by A after 2.00 s: slow (on the timeline)")
    assert missed.endswith("missed: down (seen)")
