"""Maintenance windows: when each comes again, as silences that begin and end; no clock here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from perftui.analysis.schedule import check, firings, upcoming
from perftui.model.alerts import CALENDAR, MAINTENANCE, Maintenance, Silence
from perftui.model.calendar import Occasion
from perftui.model.schedule import Schedule

LONGEST = 7 * 86400.0  # seconds of one window
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKLY = re.compile(r"(daily|[a-z]{3}(?:[,-][a-z]{3})*)\s+([01]?\d|2[0-3]):([0-5]\d)\Z")


def cron_of(when: str) -> str:
    """`sat 02:00`, `mon-fri 22:30`, `sat,sun 1:00` and `daily 03:00` as cron; else as it is.

    `calendar NAME` stays: it means a calendar's events.
    """
    if when.split()[:1] == ["calendar"]:
        return " ".join(when.split())
    found = _WEEKLY.match(" ".join(when.lower().split()))
    if found is None:
        return when.strip()
    days, hour, minute = found.groups()
    for day in re.split("[,-]", days) if days != "daily" else ():
        if day not in DAYS:
            raise ValueError(f"{day!r} is no day: {', '.join(DAYS)}")
    return f"{int(minute)} {int(hour)} * * {'*' if days == 'daily' else days}"


def checked(window: Maintenance) -> Maintenance:
    """The same; ValueError says what it lacks."""
    if not window.matchers:
        raise ValueError('a maintenance window needs a matcher, such as source="db"')
    if not 60 <= window.lasting <= LONGEST:
        raise ValueError("a maintenance window lasts from a minute to seven days")
    if not re.fullmatch(r"[\w.-]{1,60}", window.name):
        raise ValueError(f"{window.name[:60]!r} is no name: letters, digits, . _ and -")
    timed(window.cron, window.timezone)
    return window


def timed(cron: str, timezone: str) -> None:
    """ValueError says what is wrong with when a window begins."""
    if not cron.startswith(CALENDAR):
        check(cron, timezone)


def occurrence(
    window: Maintenance, now: float, over: float = 0.0, occasions: Sequence[Occasion] = ()
) -> Silence | None:
    """The one that runs, else the next; those that began at `over` or before were ended by somebody."""
    for starts, until, title in _spans(window, max(now - window.lasting, over), over, occasions):
        if until > now:
            note = ": ".join(word for word in (title, window.note) if word)
            return Silence(window.id, window.matchers, starts, until, window.who, note, window.again)
    return None


def _spans(
    window: Maintenance, after: float, over: float, occasions: Sequence[Occasion]
) -> Iterator[tuple[float, float, str]]:
    if window.calendar:
        mine = (one for one in occasions if one.calendar == window.calendar and one.start > over)
        yield from ((one.start, one.end, one.title) for one in mine)
    else:
        yield from ((at, at + window.lasting, "") for at in firings(_schedule(window), after))


def silences(
    windows: Iterable[Maintenance], entered: Sequence[Silence], now: float, occasions: Sequence[Occasion] = ()
) -> tuple[Silence, ...]:
    """What people entered and what comes again, the first to end first; what is over is left out.

    `occasions` are the calendars' in order, for windows that go by one.
    """
    ended = {one.id: one.starts for one in entered if one.id.startswith(MAINTENANCE)}
    found = [one for one in entered if one.id not in ended and one.until > now]
    for window in windows:
        one = occurrence(window, now, ended.get(window.id, 0.0), occasions)
        found += [] if one is None else [one]
    return tuple(sorted(found, key=lambda one: (one.starts > now, one.until)))


def next_times(
    window: Maintenance, now: float, count: int = 5, occasions: Sequence[Occasion] = ()
) -> tuple[float, ...]:
    """When it begins the next few times."""
    if window.calendar:
        found = [one.start for one in occasions if one.calendar == window.calendar and one.start > now]
        return tuple(found[:count])
    return upcoming(_schedule(window), now, count)


def _schedule(window: Maintenance) -> Schedule:
    return Schedule(window.name, "", "", cron=window.cron, timezone=window.timezone)
