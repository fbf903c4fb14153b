"""Days that are not like others: holidays and planned events, as calendar files name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEHIND, AHEAD = 15 * 86400.0, 400 * 86400.0  # seconds that are looked at before and after now


@dataclass(frozen=True, slots=True)
class CalendarFile:
    """A calendar: its file, the zone of times that name none, and the weekday its days are `like`.

    `like` counts from Monday, 0; None: its days are left out of learning and judging. `place` is where it is
    declared.
    """

    name: str
    file: str
    timezone: str = "UTC"
    like: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """One event from `start` until `end` (epoch seconds) of a calendar in zone `timezone`."""

    start: float
    end: float
    title: str
    calendar: str
    timezone: str = "UTC"
    like: int | None = None


@dataclass(frozen=True, slots=True)
class CalendarsReport:
    """What the calendars say around now, in order, and by calendar what cannot be used of it."""

    at: float
    names: tuple[str, ...]
    occasions: tuple[Occasion, ...]
    problems: Mapping[str, tuple[str, ...]]
