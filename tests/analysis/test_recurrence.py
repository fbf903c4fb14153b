"""Rules of recurrence against a library that knows them all, and what a hostile rule cannot do."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import suppress

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from perftui.analysis.recurrence import WEEKDAYS, days, parse

SINCE, UNTIL = dt.date(2026, 1, 1), dt.date(2028, 3, 1)
FIRSTS = st.dates(dt.date(1990, 1, 1), dt.date(2027, 12, 31))


def some(values, most):
    return st.lists(values, min_size=1, max_size=most, unique=True).map(lambda row: ",".join(map(str, row)))


@st.composite
def rules(draw):
    freq = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]))
    parts = [f"FREQ={freq}"]
    numbered = freq in ("YEARLY", "MONTHLY")
    # The library takes numbered and plain weekdays in one rule for both at once, the RFC for either.
    nth = (
        st.sampled_from(["1", "2", "-1", "4", "5", "-2"]) if numbered and draw(st.booleans()) else st.just("")
    )
    weekday = st.builds(lambda n, day: n + day, nth, st.sampled_from(WEEKDAYS))
    choices = {
        "INTERVAL": st.integers(1, 5),
        "COUNT": st.integers(1, 60),
        "BYMONTH": some(st.integers(1, 12), 3),
        "BYDAY": some(weekday, 3),
        "WKST": st.sampled_from(["MO", "SU"]),
    }
    if freq != "WEEKLY":
        choices["BYMONTHDAY"] = some(st.integers(1, 31) | st.integers(-31, -1), 3)
    for name, values in choices.items():
        if draw(st.booleans()):
            parts.append(f"{name}={draw(values)}")
    if numbered and any(one.startswith("BYDAY") for one in parts) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, 2, -1]))}")
    return ";".join(parts)


@pytest.mark.slow
@given(rules(), FIRSTS)
@settings(max_examples=250, deadline=None)
def test_it_agrees_with_a_library_that_looks_as_far_as_it_must(text, first):
    far = dt.datetime.combine(UNTIL, dt.time())
    assume("COUNT" not in text or first.year > 2000)
    bounded = text if "COUNT" in text else f"{text};UNTIL=20280301T000000"
    known = rrulestr(bounded, dtstart=dt.datetime.combine(first, dt.time()))
    expected = [one.date() for one in known.between(dt.datetime.combine(SINCE, dt.time()), far, inc=True)]
    assert list(days(parse(text), first, SINCE, UNTIL)) == expected


@pytest.mark.parametrize(
    ("text", "first", "expected"),
    [
        (
            "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
            dt.date(2000, 11, 23),
            [dt.date(2026, 11, 26), dt.date(2027, 11, 25)],
        ),
        ("FREQ=YEARLY", dt.date(2020, 2, 29), [dt.date(2028, 2, 29)]),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;UNTIL=20260301",
            dt.date(2020, 1, 31),
            [dt.date(2026, 1, 30), dt.date(2026, 2, 27)],
        ),
    ],
)
def test_holidays_as_people_write_them(text, first, expected):
    assert list(days(parse(text), first, SINCE, UNTIL)) == expected


@pytest.mark.parametrize(
    "text",
    ["FREQ=SECONDLY", "FREQ=YEARLY;BYEASTER=0", "FREQ=DAILY;BYHOUR=1", "", "FREQ=WEEKLY;BYDAY=2MO", "X",
     "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;COUNT=1e9", "FREQ=MONTHLY;BYDAY=XX", "FREQ=DAILY;UNTIL=never"],
)  # fmt: skip
def test_what_is_not_read_is_said(text):
    with pytest.raises(ValueError, match="recurs"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1",
     "FREQ=DAILY;INTERVAL=7;BYDAY=TU;COUNT=1", "FREQ=YEARLY;INTERVAL=10000;COUNT=10000"],
)  # fmt: skip
def test_a_rule_that_never_comes_ends_soon(text):
    began = time.process_time()
    for first in (dt.date(2025, 1, 6), dt.date(1, 1, 1)):
        with suppress(ValueError):  # it takes too long
            assert list(days(parse(text), first, SINCE, UNTIL)) == []
    assert time.process_time() - began < 2
