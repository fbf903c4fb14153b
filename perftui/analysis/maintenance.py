"""Maintenance windows: when each comes again, as silences that begin and end; no clock here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from perftui.analysis.schedule import check, firings, upcoming
from perftui.model.alerts import MAINTENANCE, Maintenance, Silence
from perftui.model.schedule import Schedule

LONGEST = 7 * 86400.0  # seconds of one window
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKLY = re.compile(r"(daily|[a-z]{3}(?:[,-][a-z]{3})*)\s+([01]?\d|2[0-3]):([0-5]\d)\Z")


def cron_of(when: str) -> str:
    """`sat 02:00`, `mon-fri 22:30`, `sat,sun 1:00` and `daily 03:00` as cron; else as it is."""
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
    check(window.cron, window.timezone)
    return window


def occurrence(window: Maintenance, now: float, over: float = 0.0) -> Silence | None:
    """The one that runs, else the next; those that began at `over` or before were ended by somebody."""
    for starts in firings(_schedule(window), max(now - window.lasting, over)):
        until = starts + window.lasting
        if until > now:
            again = f"{window.cron} {window.timezone}"
            return Silence(window.id, window.matchers, starts, until, window.who, window.note, again)
    return None


def silences(windows: Iterable[Maintenance], entered: Sequence[Silence], now: float) -> tuple[Silence, ...]:
    """What people entered and what comes again, the first to end first; what is over is left out."""
    ended = {one.id: one.starts for one in entered if one.id.startswith(MAINTENANCE)}
    found = [one for one in entered if one.id not in ended and one.until > now]
    found += [one for w in windows if (one := occurrence(w, now, ended.get(w.id, 0.0))) is not None]
    return tuple(sorted(found, key=lambda one: (one.starts > now, one.until)))


def next_times(window: Maintenance, now: float, count: int = 5) -> tuple[float, ...]:
    """When it begins the next few times."""
    return upcoming(_schedule(window), now, count)


def _schedule(window: Maintenance) -> Schedule:
    return Schedule(window.name, "", "", cron=window.cron, timezone=window.timezone)
