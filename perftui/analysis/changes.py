"""What changed before something went wrong: events that may explain it, ranked, each with its evidence."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean, median

from perftui.analysis.significance import RankTest, mann_whitney
from perftui.model.event import Event
from perftui.model.series import Series

BEFORE = 1800.0  # seconds in which a cause is looked for
AFTERMATH = 120.0  # an alert fires a little after its cause, and a cause may be written down a little late
SIDE = 600.0  # seconds of the metric on each side of an event
THIN = 10.0  # neighbouring seconds are no independent samples: means of ten are compared
FEW = 3  # samples a side, below which nothing is said
SYMPTOMS = frozenset({"finding", "alert"})
RECURRING = SYMPTOMS | {"action", "scale", "link"}  # their numbers apart, the same words are one sort
NEAR = ("same source", "depends on it", "elsewhere")

Reader = Callable[[float, float], Series]
"""Samples of the metric between two instants."""

_NUMBERS = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


@dataclass(frozen=True, slots=True)
class Shift:
    """A metric on both sides of an instant; `test` says whether they differ beyond noise."""

    before: float
    after: float
    test: RankTest
    samples: tuple[int, int]

    @property
    def beyond_noise(self) -> bool:
        """Whether it surely moved."""
        return self.test.beyond_noise


@dataclass(frozen=True, slots=True)
class Change:
    """One event that may explain it: how long before, how near (see NEAR), what the metric did.

    `times`: so many of the same sort there were, of which this one ranks first.
    """

    event: Event
    ahead: float
    near: int
    shift: Shift | None
    times: int = 1

    @property
    def where(self) -> str:
        """How near, in words."""
        return NEAR[self.near]


def reach(source: str, depends_on: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """What `source` rests on, however many steps away."""
    found: set[str] = set()
    new = {source}
    while new:
        found |= new
        new = {name for one in new for name in depends_on.get(one, ())} - found
    return frozenset(found - {source})


def what_changed(
    events: Iterable[Event],
    at: float,
    source: str,
    depends_on: Mapping[str, Sequence[str]],
    metric: Reader | None,
) -> tuple[Change, ...]:
    """Events of the half hour before `at` (and what was told just after), likeliest first.

    Near ones first: of the same source, then of what it depends on; among these what moved the
    metric beyond noise, then the latest. Symptoms, findings and alerts, come last: they tell the
    same story and explain nothing. What comes again and again (a job each minute) counts once.
    """
    below = reach(source, depends_on)
    recent = [e for e in events if at - BEFORE <= e.at <= at + _late(e)]
    changes = [
        Change(e, at - e.at, _near(e, source, below), _shift(metric, e.at) if metric else None)
        for e in recent
    ]
    return _folded(sorted(changes, key=_rank))


def _folded(ranked: Iterable[Change]) -> tuple[Change, ...]:
    """The first of each sort of event, with how many there are."""
    found: dict[tuple[str, ...], Change] = {}
    for change in ranked:
        e = change.event
        said = f"{e.title} {e.detail}"
        sort = (e.kind, e.source, e.actor, _NUMBERS.sub("#", said) if e.kind in RECURRING else said)
        first = found.get(sort)
        found[sort] = change if first is None else replace(first, times=first.times + 1)
    return tuple(found.values())


def _late(event: Event) -> float:
    return 0.0 if event.kind in SYMPTOMS else AFTERMATH


def _near(event: Event, source: str, below: frozenset[str]) -> int:
    where = event.source.partition(" ")[0]  # an action's target goes on with what of it is meant
    return 0 if where == source else 1 if where in below else 2


def _rank(change: Change) -> tuple[bool, int, bool, float]:
    moved = change.shift is not None and change.shift.beyond_noise
    return change.event.kind in SYMPTOMS, change.near, not moved, abs(change.ahead)


def _shift(metric: Reader, at: float) -> Shift | None:
    return shift(metric(at - SIDE, at + SIDE), at)


def shift(series: Series, at: float) -> Shift | None:
    """Medians of the ten minutes before and after `at`; None where there is too little of either."""
    before, after = _thinned(series, at - SIDE, at), _thinned(series, at, at + SIDE)
    if min(len(before), len(after)) < FEW:
        return None
    return Shift(median(before), median(after), mann_whitney(before, after), (len(before), len(after)))


def _thinned(series: Series, start: float, end: float) -> list[float]:
    """Means of ten seconds each, of [start, end)."""
    pairs = ((a, v) for a, v in zip(*series.between(start, end), strict=True) if a < end and math.isfinite(v))
    groups = groupby(pairs, key=lambda pair: (pair[0] - start) // THIN)
    return [fmean(value for _, value in group) for _, group in groups]
