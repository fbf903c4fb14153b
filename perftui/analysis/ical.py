"""A calendar file (RFC 5545) as occasions: bounded in size, events and recurrences, in the right time zones.

Only events are handed to the library, one by one: what is wrong with one costs that one, and definitions of
time zones, which it would work out to the year 2038, are never looked at: zones go by their names.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from perftui.analysis.recurrence import days, parse
from perftui.model.calendar import CalendarFile, Occasion

MOST_BYTES = 1 << 20
MOST_EVENTS = 5000
MOST = 5000  # occasions
MOST_LINE = 8192  # bytes of one property
LONGEST = 60 * 86400.0  # seconds of one event
TITLE = 80
WORK = 2000  # events that recur: each costs some 1 ms
TOLD = 20  # problems
INSTALL = "needs icalendar: pip install 'perftui[calendar]'"
_WANTED = (
    b"DTSTART",
    b"DTEND",
    b"DURATION",
    b"RRULE",
    b"RDATE",
    b"EXDATE",
    b"SUMMARY",
    b"STATUS",
    b"UID",
    b"RECURRENCE-ID",
)


class _Left(ValueError):
    """Why an event is left out."""


def read(
    data: bytes, calendar: CalendarFile, since: float, until: float
) -> tuple[tuple[Occasion, ...], tuple[str, ...]]:
    """What happens from `since` to `until` (epoch seconds), in order, and what is left out and why.

    ValueError when it is no calendar, or larger than is read; ImportError without the library.
    """
    from icalendar import Event

    if len(data) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES >> 20} MiB")
    if b"BEGIN:VCALENDAR" not in data[:4096].upper():
        raise ValueError("is no calendar: it does not begin with BEGIN:VCALENDAR")
    found: list[Occasion] = []
    problems: list[str] = []
    made = list(_events(data, Event, problems))
    moved = {(uid, at) for event in made if (uid := _uid(event)) and (at := _moved_from(event, calendar))}
    rules = 0
    for event in made:
        title, rules = _title(event), rules + ("RRULE" in event)
        if rules > WORK and "RRULE" in event:
            problems.append(f"{title}: more than {WORK} events recur")
            continue
        try:
            there = list(_occasions(event, title, calendar, since, until))
        except (ValueError, OverflowError, OSError) as error:  # the library's own are ValueErrors
            problems.append(f"{title}: {str(error)[:120]}")
            continue
        found += (one for one in there if "RECURRENCE-ID" in event or (_uid(event), one.start) not in moved)
    found = sorted(set(found), key=lambda one: (one.start, one.end, one.title))
    if len(found) > MOST:
        problems.append(f"only the first {MOST} of {len(found)} occasions are used")
    more = (f"and {len(problems) - TOLD} more",) if len(problems) > TOLD else ()
    return tuple(found[:MOST]), (*problems[:TOLD], *more)


def _events(data: bytes, event: Any, problems: list[str]) -> Iterator[Any]:
    """Each event by itself, with the properties that are looked at."""
    for n, lines in enumerate(_blocks(data)):
        if n >= MOST_EVENTS:
            problems.append(f"only the first {MOST_EVENTS} events are used")
            return
        text = b"\r\n".join((b"BEGIN:VEVENT", *lines, b"END:VEVENT", b""))
        try:
            made = event.from_ical(text.decode(errors="replace"))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            problems.append(f"event {n + 1} cannot be read: {str(error)[:80]}")
            continue
        if "DTSTART" not in made:
            problems.append(f"event {n + 1} has no beginning")
        elif str(made.get("STATUS", "")).upper() != "CANCELLED":
            yield made


def _blocks(data: bytes) -> Iterator[list[bytes]]:
    """The lines of every event, unfolded, without what is nested in it."""
    depth, inside = 0, 0
    lines: list[bytes] = []
    for line in data.replace(b"\r\n", b"\n").replace(b"\n ", b"").replace(b"\n\t", b"").split(b"\n"):
        upper = line.upper().rstrip()
        if upper.startswith(b"BEGIN:"):
            depth += 1
            if upper == b"BEGIN:VEVENT" and not inside:
                inside, lines = depth, []
        elif upper.startswith(b"END:"):
            if depth == inside and inside:
                yield lines
                inside = 0
            depth -= 1
        elif depth == inside and inside and len(line) <= MOST_LINE:
            name = upper.partition(b":")[0].partition(b";")[0]
            if name in _WANTED:
                lines.append(line.rstrip(b"\r"))


def _occasions(
    event: Any, title: str, calendar: CalendarFile, since: float, until: float
) -> Iterator[Occasion]:
    zone = ZoneInfo(calendar.timezone)
    first = _value(event, "DTSTART")
    whole = not isinstance(first, dt.datetime)
    begin = _local(event["DTSTART"], first, zone)
    lasting = _lasting(event, begin, zone, whole)
    if not 0 < lasting.total_seconds() <= LONGEST:
        raise _Left("lasts no time" if lasting.total_seconds() <= 0 else "lasts more than 60 days")
    left_out = {one.timestamp() for one in _listed(event, "EXDATE", zone)}
    starts = {begin, *_listed(event, "RDATE", zone)}
    if "RRULE" in event:
        starts |= set(_recurring(event, begin, since - lasting.total_seconds(), until))
    for start in starts:
        # Wall clock time is what lasts a day when the clock is changed, real time what lasts an hour.
        end = start + lasting if whole else (start.astimezone(dt.UTC) + lasting)
        if start.timestamp() not in left_out and start.timestamp() < until and end.timestamp() > since:
            span = (start.timestamp(), end.timestamp())
            yield Occasion(*span, title, calendar.name, calendar.timezone, calendar.like)


def _recurring(event: Any, begin: dt.datetime, since: float, until: float) -> Iterator[dt.datetime]:
    text = event["RRULE"]
    if isinstance(text, list):
        raise _Left("has more than one rule")
    try:
        rule = parse(text.to_ical().decode())
        low, high = (dt.datetime.fromtimestamp(at, begin.tzinfo).date() for at in (since, until))
        last = _until(text, begin)
        for day in days(rule, begin.date(), low, high):
            start = begin.replace(year=day.year, month=day.month, day=day.day)
            if last is None or start.timestamp() <= last:
                yield start
    except ValueError as error:
        raise _Left(str(error)) from error


def _until(rule: Any, begin: dt.datetime) -> float | None:
    """The instant of UNTIL; one without a time of day ends with its day."""
    given = next(iter(rule.get("UNTIL", ())), None)
    if isinstance(given, dt.datetime):
        return (given if given.tzinfo else given.replace(tzinfo=begin.tzinfo)).timestamp()
    return None


def _lasting(event: Any, begin: dt.datetime, zone: ZoneInfo, whole: bool) -> dt.timedelta:
    if "DTEND" in event:
        end = _local(event["DTEND"], _value(event, "DTEND"), zone)
        if whole:
            return end.replace(tzinfo=None) - begin.replace(tzinfo=None)
        return end.astimezone(dt.UTC) - begin.astimezone(dt.UTC)
    if "DURATION" in event and isinstance(given := _value(event, "DURATION"), dt.timedelta):
        return given
    return dt.timedelta(days=1) if whole else dt.timedelta(0)


def _value(event: Any, name: str) -> Any:
    given = event[name]
    if isinstance(given, list) or not hasattr(given, "dt"):
        raise _Left(f"{name} cannot be read")
    return given.dt


def _local(prop: Any, given: Any, zone: ZoneInfo) -> dt.datetime:
    """In its own zone, else the calendar's; a date is its midnight there."""
    if not isinstance(given, dt.datetime):
        if not isinstance(given, dt.date):
            raise _Left("has a time that is no date")
        return dt.datetime(given.year, given.month, given.day, tzinfo=zone)
    named = str(prop.params.get("TZID", "")) if hasattr(prop, "params") else ""
    if given.tzinfo is None and named:
        try:
            return given.replace(tzinfo=ZoneInfo(named))
        except (OSError, ValueError, LookupError):
            raise _Left(f"there is no time zone {named[:40]!r}") from None
    return given if given.tzinfo else given.replace(tzinfo=zone)


def _listed(event: Any, name: str, zone: ZoneInfo) -> Iterator[dt.datetime]:
    """The dates of EXDATE or RDATE, of which an event may have several."""
    given = event.get(name, [])
    for prop in given if isinstance(given, list) else [given]:
        for one in getattr(prop, "dts", ()):
            value = one.dt[0] if isinstance(one.dt, tuple) else one.dt
            yield _local(prop, value, zone)


def _moved_from(event: Any, calendar: CalendarFile) -> float | None:
    """Which occurrence of its series this event stands for."""
    if "RECURRENCE-ID" not in event:
        return None
    try:
        at = _value(event, "RECURRENCE-ID")
        return _local(event["RECURRENCE-ID"], at, ZoneInfo(calendar.timezone)).timestamp()
    except _Left:
        return None


def _uid(event: Any) -> str:
    return str(event.get("UID", ""))


def _title(event: Any) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in str(event.get("SUMMARY", ""))).split())
    return words[:TITLE] or "(no title)"
