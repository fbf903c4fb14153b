"""The life of an alert holds Prometheus' laws, whatever the order of what happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.alertstate import MOST, OUTAGE, RETENTION, EvaluationError, flaps, restored, step
from perftui.model.alerts import AlertState, Element, Rule, Selector

PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
T = 1_000_000.0


def rule(hold=0.0, keep=0.0, **more):
    return Rule("r", "title", Selector("x"), hold=hold, keep=keep, **more)


def element(source="a", value=1.0):
    return Element((("source", source),), value)


def lived(one, presence, interval=5.0):
    """The state at each tick of one label set that is there where `presence` says so."""
    active, states = {}, []
    for n, there in enumerate(presence):
        active = step(one, active, [element()] if there else [], T + n * interval).active
        states.append(next(iter(active.values())).state if active else None)
    return states


def test_for_zero_fires_at_first_sight():
    assert lived(rule(), [True]) == [FIRING]


def test_for_counts_from_the_first_sight_and_includes_its_end():
    assert lived(rule(hold=10), [True, True, True]) == [PENDING, PENDING, FIRING]


def test_one_gap_starts_the_count_again():
    assert lived(rule(hold=10), [True, True, False, True, True, True]) == [
        PENDING, PENDING, None, PENDING, PENDING, FIRING,
    ]  # fmt: skip


def test_keep_firing_counts_from_the_first_absence():
    got = lived(rule(keep=10), [True, False, False, False])
    assert got == [FIRING, FIRING, FIRING, RESOLVED]


def test_back_in_time_keeps_it_firing_and_the_next_absence_counts_anew():
    got = lived(rule(keep=10), [True, False, True, False, False, False])
    assert got == [FIRING] * 5 + [RESOLVED]


def test_a_resolved_one_stays_a_quarter_of_an_hour_and_comes_back_as_new():
    one = rule(hold=5)
    active = {}
    for n, there in enumerate([True, True, False]):
        active = step(one, active, [element()] if there else [], T + 5 * n).active
    (old,) = active.values()
    assert step(one, active, [], T + 10 + RETENTION).active
    assert not step(one, active, [], T + 11 + RETENTION).active
    (new,) = step(one, active, [element()], T + 60).active.values()
    assert (new.state, new.active_at, new.began) == (PENDING, T + 60, T + 60)
    assert new.began != old.began


def test_every_element_is_active_whatever_its_value():
    done = step(rule(), {}, [element("a", 0.0), element("b", float("nan"))], T)
    assert len(done.active) == 2


def test_value_is_refreshed_and_beginning_is_not():
    one = rule(hold=10)
    active = step(one, {}, [element(value=1.0)], T).active
    (alert,) = step(one, active, [element(value=7.0)], T + 5).active.values()
    assert (alert.value, alert.active_at) == (7.0, T)


def test_same_labels_twice_are_an_error():
    with pytest.raises(EvaluationError, match="two results"):
        step(rule(labels=(("source", "same"),)), {}, [element("a"), element("b")], T)


def test_more_than_the_limit_is_an_error():
    with pytest.raises(EvaluationError, match="2 alerts, more than its limit of 1"):
        step(rule(limit=1), {}, [element("a"), element("b")], T)


def test_without_a_limit_only_what_memory_bears_is_one():
    assert rule().limit == 0
    assert len(step(rule(), {}, [element(str(n)) for n in range(MOST)], T).active) == MOST
    with pytest.raises(EvaluationError, match="10001 alerts, more than its limit of 10000"):
        step(rule(), {}, [element(str(n)) for n in range(MOST + 1)], T)


def test_of_a_source_not_yet_seen_nothing_is_concluded():
    one = rule()
    active = step(one, {}, [element("a"), element("b")], T).active
    after = step(one, active, [], T + 5, blind={"a"}).active
    assert {alert.source: alert.state for alert in after.values()} == {"a": FIRING, "b": RESOLVED}


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 8), st.integers(0, 4))
def test_laws(presence, hold, keep):
    """Firing needs `for` unbroken; it ends `keep` after the last sight; pending never outlives a gap."""
    states = lived(rule(hold=hold * 5.0, keep=keep * 5.0), presence)
    for n, state in enumerate(states):
        run = next((k for k in range(n + 1) if not presence[n - k]), n + 1)  # unbroken sight up to here
        gap = 0 if presence[n] else next((k for k in range(n + 1) if presence[n - k]), n + 1)
        before = states[n - 1] if n else None
        if state is PENDING:
            assert run
            assert run <= hold
        if run > hold:
            assert state is FIRING
        if state is FIRING and gap:
            assert before is FIRING
            assert gap <= keep
        if state is RESOLVED:
            assert gap
            assert before in (FIRING, RESOLVED)
        if before is PENDING and gap:
            assert state is None


def fired(at=T):
    return next(iter(step(rule(), {}, [element()], at).active.values()))


@given(st.floats(0, 3000), st.floats(0, OUTAGE))
def test_time_nobody_watched_is_not_pending_time(spent, gap):
    (alert,) = step(rule(hold=10_000), {}, [element()], T).active.values()
    back = restored(alert, T + spent, T + spent + gap)
    assert back.began == T
    assert (T + spent + gap) - back.active_at == pytest.approx(spent, abs=1e-3)


def test_after_an_hour_everything_starts_anew():
    (pending,) = step(rule(hold=10), {}, [element()], T).active.values()
    assert restored(pending, T, T + OUTAGE + 1) is None
    ended = restored(fired(), T + 50, T + 60 + OUTAGE)
    assert (ended.state, ended.resolved_at) == (RESOLVED, T + 50)
    assert restored(fired(), T + 50, T + 60).state is FIRING


def test_an_interrupted_keep_goes_on_where_it_was():
    one = rule(keep=60)
    (alert,) = step(one, step(one, {}, [element()], T).active, [], T + 5).active.values()
    back = restored(alert, T + 10, T + 1010)
    assert step(one, {back.fingerprint: back}, [], T + 1010).active[back.fingerprint].state is FIRING
    assert step(one, {back.fingerprint: back}, [], T + 1066).active[back.fingerprint].state is RESOLVED


def test_more_than_four_changes_in_ten_minutes_flap():
    one, active = rule(), {}
    for n in range(5):
        active = step(one, active, [element()] if n % 2 == 0 else [], T + 5 * n).active
        (alert,) = active.values()
        assert flaps(alert, T + 5 * n) is (n == 4)
    assert not flaps(replace(alert), T + 1000)
