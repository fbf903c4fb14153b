"""Forecasts of need: nothing before three periods, then what the past says."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.accessprofile import HOUR, SLOT, HourProfile, Marks, Rhythm, weekend

DAY = 24 * HOUR
MONDAY = 4 * DAY  # 5 January 1970


def daily(days, hours=(9,), count=10.0, start=MONDAY):
    profile = HourProfile()
    profile.add(start, 1)
    for day in range(days):
        for hour in hours:
            profile.add(start + day * DAY + hour * HOUR + 60, count)
    return profile


def test_two_days_are_not_enough():
    assert daily(2).need(MONDAY + 2 * DAY + 9 * HOUR) is None
    assert HourProfile().need(MONDAY) is None


def test_three_days_tell_the_hour():
    profile = daily(3)
    profile.add(MONDAY + 3 * DAY, 1)
    at_nine = profile.need(MONDAY + 3 * DAY + 9 * HOUR)
    assert (at_nine.accesses, at_nine.chance, at_nine.periods, at_nine.hours) == (10.0, 1.0, 3, 24)
    assert profile.need(MONDAY + 3 * DAY + 11 * HOUR).chance == 0.0


def test_three_weeks_tell_the_weekday():
    profile = HourProfile()
    for day in range(22):
        at = MONDAY + day * DAY + 9 * HOUR
        profile.add(at, 0.0 if day % 7 >= 5 else 5.0)
    saturday = profile.need(MONDAY + 26 * DAY + 9 * HOUR)
    monday = profile.need(MONDAY + 28 * DAY + 9 * HOUR)
    assert (saturday.hours, saturday.chance) == (168, 0.0)
    assert (monday.hours, monday.accesses, monday.chance) == (168, 5.0, 1.0)


def test_hours_ahead_that_will_need_it():
    profile = daily(4, hours=(9, 17))
    now = MONDAY + 3 * DAY + 18 * HOUR
    hours = [(at - MONDAY - 4 * DAY) / HOUR for at, _ in profile.ahead(now, DAY)]
    assert hours == [9, 17]


def test_a_profile_stays_small_and_takes_late_news():
    profile = HourProfile()
    for hour in range(6000):
        profile.add(hour * HOUR)
    profile.add(0.0)
    need = profile.need(6000 * HOUR)
    assert (need.accesses, need.hours) == (1.0, 168)
    assert need.periods <= 8


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 5)), max_size=60), st.integers(0, 4000))
def test_a_forecast_is_a_mean_of_what_was(past, hour):
    profile = HourProfile()
    for at, count in past:
        profile.add(at * HOUR, count)
    need = profile.need(hour * HOUR)
    if need is not None:
        assert need.periods >= 3
        assert 0 <= need.chance <= 1
        assert (need.accesses > 0) == (need.chance > 0)


def test_a_rhythm_is_found_with_some_unrest():
    chance, rhythm = random.Random(4), Rhythm()
    for turn in range(10):
        rhythm.add(300 * turn + chance.uniform(-10, 10))
    assert rhythm.interval == pytest.approx(300, abs=15)
    assert rhythm.next(2700.0 + 60) == pytest.approx(3000, abs=25)
    assert rhythm.next(3000.0 + 60) == pytest.approx(3300, abs=40)
    assert rhythm.next(4000.0) is None, "it stopped coming"


def test_no_rhythm_without_three_intervals_or_order():
    rhythm = Rhythm()
    for at in (0.0, 60.0, 120.0):
        rhythm.add(at)
    assert rhythm.interval is None
    rhythm.add(120.0)
    rhythm.add(180.0)
    assert rhythm.interval == 60.0
    wild, chance = Rhythm(), random.Random(1)
    at = 0.0
    for _ in range(12):
        at += chance.expovariate(1 / 60)
        wild.add(at)
    assert wild.interval is None
    assert wild.next(at) is None


class TestWeekends:
    def test_the_calendar_s(self):
        days = [weekend(MONDAY + day * DAY + 5) for day in range(14)]
        assert days == 2 * [False, False, False, False, False, True, True]

    def test_the_first_weekend_is_not_forecast_from_workdays(self):
        profile = daily(5)
        assert profile.need(MONDAY + 5 * DAY + 9 * HOUR) is None
        assert profile.need(MONDAY + 7 * DAY + 9 * HOUR).chance == 1.0


def marks(days, at=(9 * HOUR,), start=MONDAY):
    made = Marks(start + days[0] * DAY + at[0])
    for day in days:
        for second in at:
            made.add(start + day * DAY + second)
    return made


class TestMarks:
    def test_three_days_tell_the_slot_and_how_long_a_value_has_to_live(self):
        made = marks(range(3), at=(9 * HOUR + 700,))
        day = MONDAY + 3 * DAY
        assert made.likely(day + 9 * HOUR + 600, 600) == (1.0, 1.0, 3)
        assert made.likely(day + 9 * HOUR + 600, 1) == (1.0, 1.0, 3)
        assert made.likely(day + 10 * HOUR, HOUR) == (0.0, 0.0, 3)

    def test_two_days_tell_nothing(self):
        assert marks(range(2)).likely(MONDAY + 2 * DAY + 9 * HOUR, 600) is None

    def test_weekends_are_told_by_weekends_until_weeks_are_known(self):
        workdays = [day for day in range(26) if day % 7 < 5]
        young, old = marks(workdays[:9]), marks(workdays)
        assert young.likely(MONDAY + 12 * DAY + 9 * HOUR, 600) is None
        assert old.likely(MONDAY + 26 * DAY + 9 * HOUR, 600).chance == 0.0
        assert old.likely(MONDAY + 28 * DAY + 9 * HOUR, 600) == (1.0, 1.0, 4)

    def test_a_weekday_of_its_own(self):
        fridays = marks([4, 11, 18, 25])
        assert fridays.likely(MONDAY + 32 * DAY + 9 * HOUR, 600) == (1.0, 1.0, 4)
        assert fridays.likely(MONDAY + 31 * DAY + 9 * HOUR, 600).chance == 0.0

    def test_what_the_last_two_days_left_out_is_not_expected(self):
        made = marks(range(5))
        made.add(MONDAY + 8 * DAY)
        assert made.likely(MONDAY + 7 * DAY + 9 * HOUR, 600).chance == 1.0
        assert made.likely(MONDAY + 8 * DAY + 9 * HOUR, 600).chance == 5 / 6
        assert made.likely(MONDAY + 9 * DAY + 9 * HOUR, 600).chance == 0.0

    def test_five_weeks_are_kept(self):
        made = Marks(0.0)
        for slot in range(40_000):
            made.add(slot * SLOT)
        assert made._bits.bit_length() == 5 * 2016
        made.add(0.0)
        made.add(10**6 * SLOT)
        assert made._bits == 1


@given(
    st.lists(st.integers(0, 12_000), min_size=1, max_size=50),
    st.integers(0, 13_000),
    st.floats(1, 10 * DAY),
)
def test_a_longer_life_is_of_use_no_less_often(slots, start, life):
    made = Marks(slots[0] * SLOT)
    for slot in slots:
        made.add(slot * SLOT)
    shorter, longer = made.likely(start * SLOT, life), made.likely(start * SLOT, life * 2)
    if shorter is not None:
        assert 0 <= shorter.chance <= longer.chance <= 1
        assert shorter.at_once == longer.at_once
        assert 3 <= shorter.periods <= 6


@given(st.lists(st.integers(0, 15_000), min_size=1, max_size=50), st.integers(0, 16_000), st.integers(1, 400))
def test_marks_are_those_of_a_plain_list(slots, start, width):
    """The bits against sets of slots, for any order of asking."""
    made = Marks(slots[0] * SLOT)
    for slot in slots:
        made.add(slot * SLOT)
    newest = max(slots)
    held = {slot for slot in slots if slot > newest - 5 * 2016}
    for slot in (start, newest, slots[0]):
        assert made._any(slot, width) == bool(
            held & set(range(max(slot, newest - 5 * 2016 + 1), slot + width))
        )


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=40))
def test_what_is_kept_is_what_was_learned(instants):
    made, rhythm, profile = Marks(instants[0]), Rhythm(), HourProfile()
    for at in instants:
        made.add(at)
        rhythm.add(at)
        profile.add(at)
    kept = [json.loads(json.dumps(one.packed())) for one in (made, rhythm, profile)]
    again = Marks.unpacked(kept[0])
    assert (again._first, again._last, again._bits) == (made._first, made._last, made._bits)
    assert Rhythm.unpacked(kept[1]).next(instants[-1]) == pytest.approx(rhythm.next(instants[-1]), abs=1)
    for hour in range(0, 400, 7):
        at = instants[-1] + hour * HOUR
        assert HourProfile.unpacked(kept[2]).need(at) == profile.need(at)


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [],
        [0, 1],
        [0, -1, "AA=="],
        [0, 1, 7],
        [0, 1, "no"],
        [0.5, 1, "eA=="],
        [1, 2, "AAAA"],
        [0, 1 << 50, ""],
    ],
)
def test_what_was_not_kept_by_us_is_refused(value):
    with pytest.raises((ValueError, TypeError)):
        Marks.unpacked(value)
