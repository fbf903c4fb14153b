"""Which day that is not like others an instant belongs to, and which one it is like instead."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from perftui.analysis.seasonal import DAY, WEEK, Season
from perftui.model.calendar import Occasion


class Days:
    """Occasions laid side by side; where several meet, one that is like no weekday comes first."""

    def __init__(self, occasions: Iterable[Occasion] = ()) -> None:
        ordered = sorted(set(occasions), key=lambda one: (one.start, one.end, one.title))
        self._edges: list[float] = []
        self._held: list[Occasion | None] = []
        running: set[Occasion] = set()
        edges = sorted({edge for one in ordered for edge in (one.start, one.end)})
        coming = iter([*ordered, None])
        following = next(coming)
        for edge in edges:
            running = {one for one in running if one.end > edge}
            while following is not None and following.start <= edge:
                running.add(following)
                following = next(coming)
            self._edges.append(edge)
            self._held.append(min(running, key=_first, default=None))

    def __bool__(self) -> bool:
        return bool(self._edges)

    def at(self, at: float) -> Occasion | None:
        """The one that holds at an instant (epoch seconds)."""
        place = bisect_right(self._edges, at) - 1
        return self._held[place] if place >= 0 else None

    def plain(self, at: Sequence[float], value: Sequence[float]) -> tuple[list[float], list[float]]:
        """The points of days that are like others."""
        kept = [(a, v) for a, v in zip(at, value, strict=True) if self.at(a) is None]
        return [a for a, _ in kept], [v for _, v in kept]


def as_of(at: float, occasion: Occasion) -> float:
    """The same time of day on the nearest weekday it is like; `at` where it is like none."""
    if occasion.like is None:
        return at
    today = dt.datetime.fromtimestamp(at, ZoneInfo(occasion.timezone)).weekday()
    return at + ((occasion.like - today + 3) % 7 - 3) * DAY


def expected(day: Occasion | None, at: float, season: Season | None) -> float | None:
    """The instant whose season holds at `at`; None when the day is left aside.

    A weekday says something only of a series that has a week.
    """
    if day is None:
        return at
    weekly = season is not None and season.period == WEEK
    return as_of(at, day) if weekly and day.like is not None else None


def _first(one: Occasion) -> tuple[bool, float, str]:
    return one.like is not None, one.start, one.title
