"""Which incidents were real, and which rule told of them first."""

from __future__ import annotations

import pytest

from perftui.analysis.missed import ACKNOWLEDGED, BEFORE, MOST, TIMELINE, incidents, told
from perftui.model.alerts import AlertEvent, Rule, Selector
from perftui.model.backtest import Backtest, Incident, Spell
from perftui.model.event import Event
from perftui.model.finding import Severity

CRITICAL = Severity.CRITICAL


def line(at, kind, mark="f", began=100.0, severity=CRITICAL):
    return AlertEvent(at, kind, "r", mark, title=f"{mark} is down", severity=severity, began=began)


def test_what_people_took_for_real_is_an_incident():
    events = [Event(50, "incident", "", "outage", until=80), Event(60, "note", "", "lunch")]
    history = [
        line(110, "firing"),
        line(120, "acknowledged"),
        line(150, "resolved"),
        line(160, "firing", began=155.0),  # nobody acknowledged it
        line(170, "firing", "w", severity=Severity.WARNING),
        line(171, "acknowledged", "w", severity=Severity.WARNING),
        line(180, "firing", "g"),
        line(190, "acknowledged", "g"),
    ]
    assert incidents(events, history, 0, 200) == (
        Incident(50, 80, "outage", TIMELINE),
        Incident(110, 150, "f is down", ACKNOWLEDGED),
        Incident(180, None, "g is down", ACKNOWLEDGED),
    )
    assert [one.at for one in incidents(events, history, 100, 175)] == [110]
    assert [one.at for one in incidents(events, history, 79, 100)] == [50]
    many = [Event(n, "incident", "", "x") for n in range(MOST + 50)]
    assert [one.at for one in incidents(many, (), 0, 1e9)][:: MOST - 1] == [50, MOST + 49]


def backtest(name, *spells):
    return Backtest(
        Rule(name, name, Selector("x")), 0, 10_000, 15, tuple(Spell((), f, f, e) for f, e in spells)
    )


@pytest.mark.parametrize(
    ("spells", "rule", "after"),
    [
        ([(1010, 1100)], "a", 10),
        ([(1000 - BEFORE, 1100)], "a", -BEFORE),
        ([(1000 - BEFORE - 1, 999)], "", 0),
        ([(800, 900)], "a", -200),  # it told, and was over before the trouble was seen
        ([(100, 1001)], "a", -900),  # it was firing all the time
        ([(1200, 1300)], "a", 200),
        ([(1201, 1300)], "", 0),
        ([(10, None)], "a", -990),
        ([], "", 0),
    ],
)
def test_a_rule_tells_of_what_it_fires_in(spells, rule, after):
    (one,) = told([Incident(1000, 1200, "down", TIMELINE)], [backtest("a", *spells)])
    assert (one.rule, one.after) == (rule, after)


def test_the_first_rule_counts_and_an_open_incident_waits_as_long():
    real = [Incident(1000, None, "down", TIMELINE)]
    (one,) = told(real, [backtest("late", (1290, None)), backtest("first", (1100, 1200))])
    assert (one.rule, one.after) == ("first", 100)
    (one,) = told(real, [backtest("late", (1000 + BEFORE + 1, None))])
    assert one.rule == ""
