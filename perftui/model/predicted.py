"""What a node says of its predictive warming, as it publishes it and the console draws it.

Ratios are 0-1, instants epoch seconds. What is read may have been written by anybody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from perftui.model.risk import Risk

HOURS: Final = 24
MOST_GROUPS: Final = 20  # of a record: those with the most predictions
LONGEST: Final = 60  # characters of a group's name
ASK: Final = "!predict"  # what a console asks for, as a warm set's name: none may be called so
AGAIN: Final = (
    "cache.predict-again",
    "Trust predictions again",
    Risk.CHANGES,
    "NodeReader",
    "perftui.engines.cache.predicted:PredictAgain",
    "Have nodes whose predictions turned themselves off load ahead again; judged anew after a day.",
)
"""Their row of the table of actions, which has no room."""
_MOST: Final = 1 << 50


@dataclass(frozen=True, slots=True)
class TurnedOff:
    """When predictions turned themselves off, and the day's that was the reason: `used` of so many."""

    at: float
    used: int
    of: int


@dataclass(frozen=True, slots=True)
class PredictedGroup:
    """The predictions of a group of keys.

    `used`, `wasted`: ever; `day_used` of `day`: of those that ended in the last day (of the last twenty,
    where it had fewer), while they are `off`: what would have come of them. `open`: neither used nor over.
    """

    name: str
    used: int
    wasted: int
    open: int
    day_used: int
    day: int
    off: TurnedOff | None = None

    @property
    def precision(self) -> float | None:
        """The share of the day's that were used; None without any."""
        return self.day_used / self.day if self.day else None


@dataclass(frozen=True, slots=True)
class Predicted:
    """A node's predictive warming.

    `hours` has the keys loaded ahead in each of the last 24 hours of its zone, and those of them used, the
    newest last: that is `hour` since the epoch. `gained` of a day's `asked` were hits that would have been
    loads. `keys` are those whose habits it follows.
    """

    hour: int
    hours: tuple[tuple[int, int], ...]
    asked: int
    gained: int
    keys: int
    failed: int
    paused: bool
    groups: tuple[PredictedGroup, ...] = ()

    @property
    def gain(self) -> float | None:
        """What it adds to the hit ratio, over a day; None when nothing was asked for."""
        return self.gained / self.asked if self.asked else None

    @property
    def precision(self) -> float | None:
        """Of the groups that are on, the day's predictions that were used; None without any."""
        return precision(self.groups)

    @property
    def on(self) -> bool:
        """Whether any group is not off."""
        return not self.groups or any(group.off is None for group in self.groups)


def precision(groups: Iterable[PredictedGroup]) -> float | None:
    """Over those that are on; None without any prediction."""
    trusted = [group for group in groups if group.off is None]
    of = sum(group.day for group in trusted)
    return sum(group.day_used for group in trusted) / of if of else None


def packed(told: Predicted) -> dict[str, Any]:
    """As JSON takes it; MOST_GROUPS at most."""
    groups = sorted(told.groups, key=lambda g: (g.off is None, -g.used - g.wasted))[:MOST_GROUPS]
    return {
        "hour": told.hour,
        "hours": [list(pair) for pair in told.hours[-HOURS:]],
        "day": [told.asked, told.gained],
        "keys": told.keys,
        "failed": told.failed,
        "paused": told.paused,
        "groups": [
            [
                _printable(g.name),
                [g.used, g.wasted, g.open, g.day_used, g.day],
                None if g.off is None else [round(g.off.at, 3), g.off.used, g.off.of],
            ]
            for g in groups
        ],
    }


def unpacked(value: Any) -> Predicted:
    """The same again.

    Raises:
        ValueError, TypeError, KeyError: it is none: of another shape, or a figure out of its bounds.
    """
    asked, gained = map(_count, value["day"])
    paused = value["paused"]
    if not isinstance(paused, bool) or gained > asked:
        raise ValueError("no figures")
    return Predicted(
        _count(value["hour"]),
        tuple(_pair(pair) for pair in _listed(value["hours"], HOURS)),
        asked,
        gained,
        _count(value["keys"]),
        _count(value["failed"]),
        paused,
        tuple(_group(*group) for group in _listed(value["groups"], MOST_GROUPS)),
    )


def _group(name: Any, figures: Any, off: Any) -> PredictedGroup:
    if not isinstance(name, str) or len(name) > LONGEST or not name.isprintable():
        raise ValueError("no name")
    used, wasted, open_, day_used, day = map(_count, figures)
    if day_used > day:
        raise ValueError("more used than made")
    return PredictedGroup(name, used, wasted, open_, day_used, day, None if off is None else _off(*off))


def _off(at: Any, used: Any, of: Any) -> TurnedOff:
    if type(at) not in {int, float} or not math.isfinite(at) or not 0 <= at < _MOST:
        raise ValueError("no instant")
    return TurnedOff(float(at), _count(used), _count(of))


def _pair(value: Any) -> tuple[int, int]:
    made, used = map(_count, value)
    return made, used


def _listed(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError("no list")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError("no count")
    return value


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:LONGEST])


def together(told: Iterable[tuple[str, Predicted]]) -> Predicted | None:
    """What several nodes say, each with the namespace that goes before its groups' names; None of none.

    The last 24 hours are those of the newest; a group is there twice where it is on here and off there.
    """
    every = list(told)
    if not every:
        return None
    hour = max(one.hour for _, one in every)
    hours = [[0, 0] for _ in range(HOURS)]
    groups: dict[tuple[str, bool], PredictedGroup] = {}
    for namespace, one in every:
        for back, (made, used) in enumerate(reversed(one.hours)):
            place = HOURS - 1 - back - (hour - one.hour)
            if place >= 0:
                hours[place][0] += made
                hours[place][1] += used
        for group in one.groups:
            name = f"{namespace} {group.name}" if namespace else group.name
            key = name, group.off is None
            groups[key] = _added(name, groups[key], group) if key in groups else replace(group, name=name)
    return Predicted(
        hour,
        tuple((made, used) for made, used in hours),
        sum(one.asked for _, one in every),
        sum(one.gained for _, one in every),
        sum(one.keys for _, one in every),
        sum(one.failed for _, one in every),
        any(one.paused for _, one in every),
        tuple(groups.values()),
    )


def _added(name: str, one: PredictedGroup, other: PredictedGroup) -> PredictedGroup:
    off = one.off and other.off and max(one.off, other.off, key=lambda off: off.at)
    return PredictedGroup(
        name,
        one.used + other.used,
        one.wasted + other.wasted,
        one.open + other.open,
        one.day_used + other.day_used,
        one.day + other.day,
        off,
    )
