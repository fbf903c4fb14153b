"""When a schedule fires: cron in a zone, or a fixed period; no clock here."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from itertools import islice
from zoneinfo import ZoneInfo

from perftui.model.schedule import Schedule

_EVERY = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)\Z")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SHORTEST = 10.0


def parse_every(text: str) -> float:
    """`15 m` in seconds; ValueError for anything else, and for less than ten seconds."""
    found = _EVERY.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no period such as 15 m")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds < SHORTEST:
        raise ValueError(f"{text!r} is shorter than {SHORTEST:g} s")
    return seconds


def check(cron: str, timezone: str) -> None:
    """ValueError says what is wrong with either."""
    from cronsim import CronSim, CronSimError

    zone = _zone(timezone)
    try:
        next(CronSim(cron, dt.datetime(2026, 1, 1, tzinfo=zone)))
    except CronSimError as error:
        raise ValueError(f"{cron!r} is no cron expression: {error}") from error
    except StopIteration:
        raise ValueError(f"{cron!r} never comes") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def firings(schedule: Schedule, after: float) -> Iterator[float]:
    """Epoch seconds of every firing after an instant.

    A fixed local time that summer time skips fires once at the next minute there is, one that comes twice
    fires the first time only; what fires every so many minutes goes on by real time. Periods are whole
    multiples since the epoch, so that all hosts agree.
    """
    plain = _by_cron(schedule, after) if schedule.cron else _by_period(schedule.every, after)
    return (at + _shift(schedule, at) for at in plain)


def upcoming(schedule: Schedule, after: float, count: int = 5) -> tuple[float, ...]:
    """The next few firings."""
    return tuple(islice(firings(schedule, after), count))


def due(schedule: Schedule, slot: float, now: float, most: int = 1000) -> tuple[float, int]:
    """The newest firing in (slot, now] and how many there are; (0, 0) for none."""
    newest, count = 0.0, 0
    for at in islice(firings(schedule, slot), most):
        if at > now:
            break
        newest, count = at, count + 1
    return newest, count


def _by_cron(schedule: Schedule, after: float) -> Iterator[float]:
    from cronsim import CronSim

    begin = dt.datetime.fromtimestamp(after - schedule.jitter, _zone(schedule.timezone))
    for at in CronSim(schedule.cron, begin):
        if at.timestamp() + _shift(schedule, at.timestamp()) > after:
            yield at.timestamp()


def _by_period(every: float, after: float) -> Iterator[float]:
    number = int(after // every)
    while True:
        number += 1
        yield number * every


def _shift(schedule: Schedule, at: float) -> float:
    """Seconds a firing is put off, the same on every host."""
    if not schedule.jitter or not schedule.cron:
        return 0.0
    mark = hashlib.sha256(f"{schedule.name} {at:.0f}".encode()).digest()
    return int.from_bytes(mark[:4]) / 2**32 * schedule.jitter
