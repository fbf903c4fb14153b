"""Maintenance windows: the wall clock of their zone, whatever summer time does, and ends before their time."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.maintenance import checked, cron_of, next_times, occurrence, silences
from perftui.analysis.matchers import parse_matchers
from perftui.model.alerts import Maintenance, Silence

BERLIN = ZoneInfo("Europe/Berlin")
DB = parse_matchers('source="db"')
WEEKLY = Maintenance("weekly", DB, "0 2 * * sat", 7200.0, "Europe/Berlin", note="vacuum")


def at(text, zone=BERLIN):
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("when", "cron"),
    [
        ("sat 02:00", "0 2 * * sat"),
        ("Mon-Fri 22:30", "30 22 * * mon-fri"),
        ("sat,sun  1:05", "5 1 * * sat,sun"),
        ("daily 03:00", "0 3 * * *"),
        ("15 4 1 * *", "15 4 1 * *"),
    ],
)
def test_a_simple_form_beside_cron(when, cron):
    assert cron_of(when) == cron
    checked(replace(WEEKLY, cron=cron))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matchers": ()}, "needs a matcher"),
        ({"lasting": 5.0}, "from a minute to seven days"),
        ({"lasting": 8 * 86400.0}, "from a minute to seven days"),
        ({"timezone": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
        ({"cron": "sat 25:00"}, "no cron expression"),
        ({"cron": "0 0 30 2 *"}, "no cron expression"),
        ({"name": "a b"}, "no name"),
    ],
)
def test_what_is_no_window(changes, said):
    with pytest.raises(ValueError, match=said):
        checked(replace(WEEKLY, **changes))
    with pytest.raises(ValueError, match="'noo' is no day"):
        cron_of("noo 02:00")


def test_it_runs_by_the_clock_of_its_zone():
    before = occurrence(WEEKLY, at("2026-11-27 12:00"))
    assert (before.starts, before.until) == (at("2026-11-28 02:00"), at("2026-11-28 04:00"))
    assert not before.runs(at("2026-11-28 01:59"))
    during = occurrence(WEEKLY, at("2026-11-28 03:59"))
    assert during == before
    assert during.runs(at("2026-11-28 03:59"))
    assert during.again == "0 2 * * sat Europe/Berlin"
    assert during.name == "maintenance window weekly"
    assert occurrence(WEEKLY, before.until).starts == at("2026-12-05 02:00")


def test_summer_time():
    """02:30 does not exist on 29 March 2026 and comes twice on 25 October: once each, for two real hours."""
    nightly = replace(WEEKLY, cron="30 2 * * *")
    spring = occurrence(nightly, at("2026-03-29 00:00"))
    assert spring.starts == dt.datetime(2026, 3, 29, 1, 0, tzinfo=dt.UTC).timestamp()  # 03:00 there
    assert spring.until - spring.starts == 7200
    autumn = next_times(nightly, at("2026-10-25 00:00"), 2)
    assert autumn[0] == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC).timestamp()
    assert autumn[1] == at("2026-10-26 02:30")


def test_one_that_was_ended_early_comes_again():
    now = at("2026-11-28 03:00")
    entered = [
        Silence("ab", DB, now - 10, now + 60),
        Silence("old", DB, now - 100, now - 50),
        Silence(WEEKLY.id, DB, at("2026-11-28 02:00"), now - 1),
    ]
    first, second = silences([WEEKLY], entered, now)
    assert first.id == "ab"
    assert (second.id, second.starts) == (WEEKLY.id, at("2026-12-05 02:00"))
    assert [one.runs(now) for one in silences([WEEKLY], (), now)] == [True]


@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from([3600.0, 90000.0, 7 * 86400.0]))
def test_what_is_shown_is_never_over(now, lasting):
    """It runs, or comes after now; and then no earlier one runs."""
    window = replace(WEEKLY, cron="0 */6 * * *", lasting=lasting)
    found = occurrence(window, float(now))
    assert found.until > now
    assert found.runs(now) or not any(s <= now < s + lasting for s in next_times(window, now - lasting, 40))
