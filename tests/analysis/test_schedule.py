"""When schedules fire: periods on every host alike, cron through summer time, jitter within its bound."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.schedule import check, due, parse_every, upcoming
from perftui.model.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")


def at(*when):
    return dt.datetime(*when, tzinfo=BERLIN).timestamp()


def shown(schedule, after, count=3):
    return [
        dt.datetime.fromtimestamp(t, BERLIN).strftime("%d %H:%M%z") for t in upcoming(schedule, after, count)
    ]


def cron(text, **more):
    return Schedule("s", "a", "b", cron=text, timezone="Europe/Berlin", **more)


def test_a_local_time_that_is_skipped_fires_once_at_the_next_minute_there_is():
    assert shown(cron("30 2 * * *"), at(2026, 3, 28, 12)) == [
        "29 03:00+0200",
        "30 02:30+0200",
        "31 02:30+0200",
    ]


def test_a_local_time_that_comes_twice_fires_once():
    assert shown(cron("30 2 * * *"), at(2026, 10, 24, 12)) == [
        "25 02:30+0200",
        "26 02:30+0100",
        "27 02:30+0100",
    ]


def test_what_fires_every_so_many_minutes_goes_on_by_real_time():
    times = upcoming(cron("*/30 * * * *"), at(2026, 10, 25, 1, 45), 6)
    assert {b - a for a, b in itertools.pairwise(times)} == {1800.0}


def test_a_period_is_aligned_the_same_on_every_host():
    every = Schedule("s", "a", "b", every=900.0)
    assert upcoming(every, 1000.0, 3) == (1800.0, 2700.0, 3600.0)
    assert upcoming(every, 1800.0, 1) == (2700.0,)


def test_what_is_due_is_the_newest_and_how_many_there_were():
    every = Schedule("s", "a", "b", every=60.0)
    assert due(every, 60.0, 119.0) == (0.0, 0)
    assert due(every, 60.0, 120.0) == (120.0, 1)
    assert due(every, 60.0, 400.0) == (360.0, 5)


@given(st.floats(0, 4e9), st.floats(1, 3000))
def test_jitter_puts_off_by_less_than_its_bound_and_loses_none(after, jitter):
    plain, shaken = cron("0 * * * *"), cron("0 * * * *", jitter=jitter)
    found = upcoming(shaken, after, 5)
    assert all(t > after for t in found)
    near = upcoming(plain, after - jitter - 1, 12)
    assert all(any(0 <= t - p < jitter + 1e-3 for p in near) for t in found)
    assert found == upcoming(shaken, after, 5)


@pytest.mark.parametrize(("text", "seconds"), [("15 m", 900), ("15m", 900), ("1.5h", 5400), ("1 d", 86400)])
def test_periods(text, seconds):
    assert parse_every(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "5 s", "1 w", "-1 h"])
def test_what_is_no_period_is_said(text):
    with pytest.raises(ValueError, match=r"no period|shorter"):
        parse_every(text)


@pytest.mark.parametrize(
    ("cron", "zone", "wrong"),
    [
        ("61 * * * *", "UTC", "Bad minute"),
        ("* * *", "UTC", "Wrong number of fields"),
        ("0 0 30 2 *", "UTC", r"cron|never"),
        ("0 0 * * *", "Mars/Base", "no time zone"),
    ],
)
def test_what_is_no_cron_expression_is_said(cron, zone, wrong):
    with pytest.raises(ValueError, match=wrong):
        check(cron, zone)
    check("0 3 * * 1-5", "Europe/Berlin")


def test_when_in_words():
    assert cron("0 3 * * *").when == "0 3 * * * Europe/Berlin"
    assert Schedule("s", "a", "b", every=5400.0).when == "every 90 m"
