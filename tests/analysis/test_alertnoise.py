"""Figures of a rule's past."""

from __future__ import annotations

from perftui.analysis.alertnoise import stats
from perftui.model.alerts import AlertEvent, RuleStats


def event(at, kind, began=1.0, rule="r"):
    return AlertEvent(at, kind, rule, "f", began=began)


def test_how_often_how_long_how_soon():
    events = [
        event(10, "firing"),
        event(30, "acknowledged"),
        event(40, "acknowledged"),
        event(70, "resolved"),
        event(100, "firing", began=90),
        event(120, "resolved", began=90),
        event(200, "firing", began=190),
        event(5, "resolved", rule="other"),
        event(6, "threshold", rule="r"),
    ]
    assert stats(events, 250.0) == (RuleStats("r", 3, 60 + 20 + 50, 20.0, 40.0),)


def test_nothing_is_said_of_what_never_fired():
    assert stats([event(1, "threshold")], 5.0) == ()
