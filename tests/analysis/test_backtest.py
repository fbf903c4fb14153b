"""A backtest says what the live state machine would have done."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.analysis.alertstate import step
from perftui.analysis.backtest import by_instant, compared, counted, judged, replay, runs_of
from perftui.analysis.promql import parse
from perftui.analysis.promrules import elements
from perftui.model.alerts import AlertState, Rule, Selector
from perftui.model.finding import Severity
from perftui.model.metrics import Window, labels_of

RULE = Rule("A", "A", Selector("A"), op=">", threshold=2.0, hold=60, expr="x > 2", limit=0)
X = labels_of("x", job="a")


def row(values, every=30.0, start=0.0):
    return [(start + every * n, [(X, float(v))] if v > 2 else []) for n, v in enumerate(values)]


def test_a_matrix_on_its_side():
    matrix = (Window(X, [30.0, 90.0], [1.0, 2.0]),)
    assert by_instant(matrix, 0.0, 90.0, 30.0) == [(0, []), (30, [(X, 1.0)]), (60, []), (90, [(X, 2.0)])]


def test_spells_and_what_was_in_vain():
    spells, vain, error = replay(RULE, row([3, 3, 0, 3, 3, 4, 3, 0, 0, 3, 3, 3]))
    assert [(s.pending, s.fired, s.ended, s.value) for s in spells] == [
        (90.0, 150.0, 210.0, 4.0),
        (270.0, 330.0, None, 3.0),
    ]
    assert (vain, error) == (1, "")
    assert dict(spells[0].labels) == {"alertname": "A", "job": "a"}


def test_the_curve():
    values = [3, 3, 0, 5, 5, 5, 5, 0, 0, 9, 0]
    loose = [(30.0 * n, [(X, float(v))]) for n, v in enumerate(values)]
    made = judged(RULE, loose, 30.0, dt.UTC, loose=True)
    assert (made.start, made.end, made.series, len(made.spells), made.pending) == (0.0, 300.0, 1, 1, 2)
    assert (made.firing_s, made.longest_s) == (60.0, 60.0)
    curve = {(c.what, c.setting): (c.fired, c.firing_s) for c in made.choices}
    assert curve["for", 0.0] == (3, 60 + 120 + 30)
    assert curve["for", 60.0] == (1, 60)
    assert curve["for", 120.0] == (0, 0)
    assert curve["threshold", 2.5] == (1, 60)
    assert [(c.what, c.setting) for c in made.choices if c.chosen] == [("for", 60.0), ("threshold", 2.0)]


@pytest.mark.parametrize(
    ("threshold", "unit", "most"),
    [(0.95, "ratio", 0.9975), (0.8, "ratio", 1.0), (1.2, "ratio", 1.5), (0.95, "s", 1.1875)],
)
def test_no_share_is_to_be_more_than_the_whole(threshold, unit, most):
    rule = Rule("A", "A", Selector("A"), op=">", threshold=threshold, unit=unit)
    made = judged(rule, [(30.0 * n, [(X, 0.97)]) for n in range(9)], 30.0, dt.UTC, loose=True)
    settings = [c.setting for c in made.choices if c.what == "threshold"]
    assert max(settings) == pytest.approx(most)
    assert threshold in settings


def test_nights():
    critical = Rule("A", "A", Selector("A"), op="", expr="x", severity=Severity.CRITICAL, limit=0)
    at = dt.datetime(2026, 3, 1, 23, 0, tzinfo=dt.UTC).timestamp()
    made = judged(critical, row([3, 0, 3, 0], 6 * 3600.0, at), 6 * 3600.0, dt.UTC)
    assert (len(made.spells), made.night, made.woken) == (2, 1, 1)


def test_an_error_is_told():
    both = [(0.0, [(labels_of("x", job="a"), 1.0), (labels_of("y", job="a"), 1.0)])]
    assert "two results" in judged(RULE, both, 30.0).error
    few = Rule("A", "A", Selector("A"), op="", expr="x", limit=1)
    many = [(0.0, [(labels_of("x", job=j), 1.0) for j in "ab"])]
    assert "limit of 1" in judged(few, many, 30.0).error


@pytest.mark.parametrize(
    ("text", "found"),
    [("x > 2", (">", 2.0)), ("(x) <= (2)", ("<=", 2.0)), ("x > bool 2", None), ("x > y", None), ("x", None)],
)
def test_thresholds_of_expressions(text, found):
    simple = compared(parse(text))
    assert (simple[1:] if simple else None) == found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=3),
    st.sampled_from([0.0, 15.0, 30.0, 40.0, 60.0, 90.0]),
    st.sampled_from([0.0, 20.0, 30.0, 75.0]),
)
def test_counting_spans_is_the_same_as_replaying_instants(there, hold, keep):
    vectors = [
        (30.0 * n, [(labels_of("x", job=str(j)), 3.0) for j, row in enumerate(there) if row[n]])
        for n in range(12)
    ]
    rule = Rule("A", "A", Selector("A"), op="", expr="x", hold=hold, keep=keep, limit=0)
    spells, _, _ = replay(rule, vectors)
    end = vectors[-1][0]
    seconds = sum((s.ended if s.ended is not None else end) - s.fired for s in spells)
    assert counted(runs_of(vectors, 30.0), hold, keep, 30.0, end) == (len(spells), pytest.approx(seconds))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([None, 1.0, 2.0]), min_size=80, max_size=80), min_size=1, max_size=3),
    st.sampled_from([0.0, 30.0, 75.0, 300.0]),
    st.sampled_from([0.0, 30.0, 200.0]),
)
def test_looks_that_change_nothing_can_be_passed_over(there, hold, keep):
    vectors = [
        (30.0 * n, [(labels_of("x", job=str(j)), row[n // 4]) for j, row in enumerate(there) if row[n // 4]])
        for n in range(320)
    ]
    rule = Rule("A", "A", Selector("A"), op="", expr="x", hold=hold, keep=keep, limit=0)
    active, open_, done = {}, {}, []
    for at, row in vectors:
        stepped = step(rule, active, elements(rule, row, lambda _: ()), at)
        active = stepped.active
        for alert in stepped.changed:
            if alert.state is AlertState.FIRING:
                open_[alert.fingerprint] = (alert.active_at, at, alert.value)
            else:
                done.append((*open_.pop(alert.fingerprint), at))
    plainly = sorted([*done, *((*one, None) for one in open_.values())], key=str)
    spells, _, error = replay(rule, vectors)
    assert error == ""
    assert sorted([(s.pending, s.fired, s.value, s.ended) for s in spells], key=str) == plainly
