"""Calendar files: time zones and clock changes, series with exceptions, and files that mean harm."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.anomaly import WARM, DetectorState, aside, detect
from perftui.analysis.ical import MOST_BYTES, MOST_EVENTS, read
from perftui.analysis.occasions import Days, as_of, expected
from perftui.analysis.seasonal import DAY, WEEK, Season
from perftui.model.calendar import CalendarFile, Occasion

BERLIN = ZoneInfo("Europe/Berlin")
FILE = CalendarFile("holidays", "x.ics", "Europe/Berlin")


def at(*when, zone=BERLIN):
    return dt.datetime(*when, tzinfo=zone).timestamp()


SINCE, UNTIL = at(2026, 1, 1), at(2027, 1, 1)


def event(*lines):
    return "\r\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT"))


def file(*events):
    return "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:x", *events, "END:VCALENDAR", "")).encode()


def spans(*events):
    found, problems = read(file(*events), FILE, SINCE, UNTIL)
    assert problems == ()
    return [(one.start, one.end) for one in found]


def test_a_day_is_as_long_as_it_is_where_the_calendar_is():
    days = [event(f"DTSTART;VALUE=DATE:2026{day}", f"SUMMARY:{day}") for day in ("0329", "1025", "0501")]
    lengths = [(end - start) / 3600 for start, end in spans(*days)]
    assert lengths == [23, 24, 25]
    assert spans(days[2]) == [(at(2026, 5, 1), at(2026, 5, 2))]


def test_hours_are_those_of_the_clock_that_is_named():
    weekly = event(
        "DTSTART;TZID=America/New_York:20260302T090000", "DURATION:PT2H", "RRULE:FREQ=WEEKLY;COUNT=2"
    )
    york = ZoneInfo("America/New_York")
    assert spans(weekly) == [(at(2026, 3, d, 9, zone=york), at(2026, 3, d, 11, zone=york)) for d in (2, 9)]
    assert spans(weekly)[1][0] - spans(weekly)[0][0] == 7 * 86400 - 3600
    floating = event("DTSTART:20260701T200000", "DTEND:20260701T220000")
    assert spans(floating) == [(at(2026, 7, 1, 20), at(2026, 7, 1, 22))]
    utc = event("DTSTART:20260701T200000Z", "DTEND:20260701T220000Z")
    assert spans(utc)[0][0] == at(2026, 7, 1, 22)


def test_a_series_with_a_day_off_a_moved_one_and_one_more():
    series = event(
        "UID:a", "DTSTART:20260105T100000", "DTEND:20260105T110000", "RRULE:FREQ=WEEKLY;UNTIL=20260126T090000Z",
        "EXDATE:20260112T100000", "RDATE:20260110T100000",
    )  # fmt: skip
    moved = event(
        "UID:a", "RECURRENCE-ID:20260119T100000", "DTSTART:20260120T100000", "DTEND:20260120T110000"
    )
    gone = event("UID:b", "DTSTART:20260601T100000", "DTEND:20260601T110000", "STATUS:CANCELLED")
    starts = [start for start, _ in spans(series, moved, gone)]
    assert starts == [at(2026, 1, d, 10) for d in (5, 10, 20, 26)]


def test_a_zone_definition_is_never_worked_out_and_an_unknown_zone_is_said():
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Evil\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n"
        "TZOFFSETTO:+0200\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )
    began = time.process_time()
    evil = event(
        "DTSTART;TZID=Evil:20260601T100000", "DTEND;TZID=Evil:20260601T110000", "SUMMARY:e\x1b[31mvil"
    )
    nested = event("DTSTART;VALUE=DATE:20260501", zone, "SUMMARY:May")
    found, problems = read(file(zone, evil, nested), FILE, SINCE, UNTIL)
    assert time.process_time() - began < 2
    assert [one.title for one in found] == ["May"]
    assert problems == ("e [31mvil: there is no time zone 'Evil'",)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("SUMMARY:x",), "has no beginning"),
        (("DTSTART:20260101T100000", "SUMMARY:x"), "lasts no time"),
        (("DTSTART;VALUE=DATE:20260101", "DTEND;VALUE=DATE:20270101", "SUMMARY:x"), "more than 60 days"),
        (("DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=HOURLY", "SUMMARY:x"), "recurs HOURLY"),
        (("DTSTART;VALUE=DATE:20260101", "RRULE:FREQ=DAILY", "RRULE:FREQ=YEARLY"), "more than one rule"),
        (("DTSTART;VALUE=DATE:20260101", "DTSTART;VALUE=DATE:20260102"), "cannot be read"),
    ],
)
def test_one_bad_event_costs_itself(lines, said):
    good = event("DTSTART;VALUE=DATE:20260501", "SUMMARY:May")
    found, problems = read(file(event(*lines), good), FILE, SINCE, UNTIL)
    assert [one.title for one in found] == ["May"]
    assert len(problems) == 1
    assert said in problems[0]


def test_what_is_too_much_or_none():
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        read(b"BEGIN:VCALENDAR" + b" " * MOST_BYTES, FILE, SINCE, UNTIL)
    with pytest.raises(ValueError, match="no calendar"):
        read(b"<html>", FILE, SINCE, UNTIL)
    many = file(*[event("DTSTART;VALUE=DATE:20260501", f"SUMMARY:{n}") for n in range(MOST_EVENTS + 5)])
    found, problems = read(many, FILE, SINCE, UNTIL)
    assert len(found) == MOST_EVENTS
    assert f"only the first {MOST_EVENTS} events are used" in problems
    deep = b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 70_000
    assert read(deep, FILE, SINCE, UNTIL) == ((), ())


@given(st.text(max_size=200), st.text(max_size=60))
def test_no_text_makes_it_fail(words, value):
    lines = words.splitlines()
    bad = event(f"DTSTART:{value}", f"RRULE:{value}", f"EXDATE;TZID={value}:{value}", *lines)
    read(file(bad, *lines), FILE, SINCE, UNTIL)


# days that are like others


def occasion(start, end, like=None, title="x"):
    return Occasion(start, end, title, "c", "Europe/Berlin", like)


def test_which_day_holds_where_several_meet():
    days = Days([occasion(10, 50, like=6), occasion(20, 30), occasion(40, 60, like=5)])
    assert [days.at(t) for t in (9, 60)] == [None, None]
    assert days.at(50).like == 5
    assert days.at(15).like == 6
    assert days.at(25).like is None
    assert days.at(25) is not None
    assert days.at(45).like == 6
    assert days.plain([5, 15, 25, 70], [1, 2, 3, 4]) == ([5, 70], [1, 4])
    assert not Days()


def test_a_holiday_is_expected_as_the_nearest_weekday_it_is_like():
    friday = at(2026, 5, 1, 10)
    assert as_of(friday, occasion(0, 1, like=6)) == at(2026, 5, 3, 10)
    assert as_of(friday, occasion(0, 1, like=0)) == at(2026, 5, 4, 10)
    assert as_of(friday, occasion(0, 1, like=4)) == friday
    week = Season(WEEK, (0.0,) * 336, 1.0, 0.9)
    assert expected(occasion(0, 1, like=6), friday, week) == at(2026, 5, 3, 10)
    assert expected(occasion(0, 1, like=6), friday, Season(DAY, (0.0,), 1.0, 0.9)) is None
    assert expected(occasion(0, 1), friday, week) is None
    assert expected(None, friday, None) == friday


def test_a_time_left_aside_teaches_nothing_and_alarms_nobody():
    state = DetectorState()
    for n in range(3 * WARM):
        state, score = detect(state, 10.0 * (n + 1), 100 + n % 3)
    mean, quiet = state.mean, state.quiet_until
    for n in range(600):
        score = aside(state, 10.0 * (3 * WARM + 1 + n), 500.0)
        assert (score.odd, score.alarm, score.lasting, score.moved) == (False, False, False, None)
    assert (state.mean, state.quiet_until) == (mean, quiet)
    assert score.low < 101 < score.high
    state, score = detect(state, state.at + 10, 101.0)
    assert not score.odd
