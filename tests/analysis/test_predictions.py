"""What became of forecasts, and when they end themselves."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.accessprofile import HOUR
from perftui.analysis.predictions import JUDGED, Predictions
from perftui.model.predicted import TurnedOff

DAY = 24 * HOUR


def test_predictions_are_used_once_or_wasted():
    made = Predictions(now=0.0)
    assert made.precision is None
    assert made.made("a", 100.0)
    assert made.made("b", 100.0)
    assert made.was_used("a", 50.0)
    assert not made.was_used("a", 51.0), "only the first use is gained"
    assert not made.was_used("never", 51.0)
    assert made.settle(100.0) == 1
    assert (made.used, made.wasted, made.precision) == (1, 1, 0.5)
    assert not made.was_used("b", 101.0)


def test_predictions_followed_are_bounded():
    made = Predictions(now=0.0, most=2)
    assert [made.made(key, 10.0) for key in ("a", "b", "c", "a")] == [True, True, False, True]


def wasted_for(made, start, n, used=0):
    for i in range(n):
        made.made(f"k{i}", start + 10)
        if i < used:
            made.was_used(f"k{i}", start + 5)
    made.settle(start + 10)


def test_bad_predictions_end_after_a_day():
    made = Predictions(now=0.0)
    wasted_for(made, 0.0, 40, used=10)
    assert made.trusted, "not before a day is over"
    wasted_for(made, DAY, 40, used=10)
    assert not made.trusted
    wasted_for(made, 2 * DAY, 40, used=40)
    assert not made.trusted, "until somebody says so"
    made.again(3 * DAY)
    wasted_for(made, 4 * DAY, 40, used=40)
    assert made.trusted


def test_a_few_predictions_judge_nothing():
    made = Predictions(now=0.0)
    wasted_for(made, DAY, 19)
    assert made.trusted


def test_few_a_day_are_judged_when_they_are_twenty():
    made = Predictions(now=0.0)
    for day in range(3):
        wasted_for(made, day * DAY, 6)
        assert made.trusted
    wasted_for(made, 3 * DAY, 6)
    assert made.off == TurnedOff(3 * DAY + 10, 0, 24)


def test_a_day_s_precision_is_of_that_day():
    made = Predictions(now=0.0)
    wasted_for(made, 0.0, 60, used=60)
    wasted_for(made, 2 * DAY, 40, used=10)
    assert made.off == TurnedOff(2 * DAY + 10, 10, 40)


def test_what_is_made_while_off_is_a_rehearsal():
    made = Predictions(now=0.0)
    wasted_for(made, DAY, 40, used=10)
    assert (made.used, made.wasted, made.precision) == (10, 30, None)
    wasted_for(made, 2 * DAY, 40, used=30)
    assert (made.used, made.wasted, made.judged) == (10, 30, (30, 40))
    assert made.off == TurnedOff(DAY + 10, 10, 40)
    made.made("open", 9 * DAY)
    made.again(3 * DAY)
    assert (made.trusted, made.precision, len(made)) == (True, None, 0)


def test_what_was_gone_before_its_use_is_wasted():
    made = Predictions(now=0.0)
    made.made("k", 10.0)
    made.was_lost("k", 5.0)
    made.was_lost("k", 6.0)
    assert not made.was_used("k", 7.0)
    assert (made.used, made.wasted, len(made)) == (0, 1, 0)


Acts = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("muls"), st.floats(0, DAY / 4)), max_size=80
)


@given(Acts)
def test_each_prediction_ends_once(acts):
    made, now, begun = Predictions(now=0.0), 0.0, 0
    for key, act, passed in acts:
        now += passed
        if act == "m" and key not in made._open:
            begun += made.made(key, now + HOUR)
        elif act == "u":
            made.was_used(key, now)
        elif act == "l":
            made.was_lost(key, now)
        else:
            made.settle(now)
        assert made.used + made.wasted + len(made) == begun, "fewer than twenty of a day turn nothing off"
        used, of = made.judged
        assert 0 <= used <= of


@given(Acts)
def test_what_is_kept_says_the_same(acts):
    made, now = Predictions(now=0.0), 0.0
    for n, (_, act, passed) in enumerate(acts):
        now += passed
        made.made(str(n), now + 60)
        if act in "mu":
            made.was_used(str(n), now)
        made.settle(now)
    again = Predictions.unpacked(json.loads(json.dumps(made.packed())))
    assert (again.judged, again.off, again.used, again.wasted) == (
        made.judged,
        made.off,
        made.used,
        made.wasted,
    )
    assert len(again._day) <= 24 * 12 + JUDGED + 1


@pytest.mark.parametrize(
    "value", [None, [], [0, None, -1, 0, []], [0, [1], 0, 0, []], [0, None, 0, 0, [[1, 2]]]]
)
def test_what_was_not_kept_by_us_is_refused(value):
    with pytest.raises((ValueError, TypeError, IndexError)):
        Predictions.unpacked(value)
