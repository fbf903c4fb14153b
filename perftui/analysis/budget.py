"""How much of a target's error budget is gone: time in breach over an hour, a day and a month."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from perftui.model.target import Target

SPANS: tuple[tuple[str, float], ...] = (("1 h", 3600.0), ("24 h", 86400.0), ("30 d", 30 * 86400.0))
ALLOWED = 0.001  # share of the observed time a target may be missed
HOLD = 3.0  # a sample speaks for its step, and for at most so many of them when the next one is late


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds observed and in breach within one span; time nobody watched counts for neither."""

    span: float
    observed: float
    breach: float

    @property
    def ratio(self) -> float | None:
        """Share of the observed time in breach, None when nothing was observed."""
        return self.breach / self.observed if self.observed else None

    def before(self, older: Spent) -> Spent:
        """This one with what lies right before it."""
        whole = (self.span + older.span, self.observed + older.observed, self.breach + older.breach)
        return Spent(*whole)

    @property
    def left(self) -> float | None:
        """Share of the budget that is left; negative once it is overdrawn."""
        return None if self.ratio is None else 1 - self.ratio / ALLOWED


def spent(target: Target, at: Sequence[float], values: Sequence[float], start: float, end: float) -> Spent:
    """What samples (rising times) say about [start, end]."""
    step = _usual(at)
    observed = breach = 0.0
    for place, (when, value) in enumerate(zip(at, values, strict=True)):
        if not start <= when <= end or not math.isfinite(value):
            continue
        until = at[place + 1] if place + 1 < len(at) else when + step
        long = min(until - when, step * HOLD, end - when)
        observed += long
        breach += 0.0 if target.met(value) else long
    return Spent(end - start, observed, breach)


def _usual(at: Sequence[float]) -> float:
    """The usual pause between samples."""
    pauses = sorted(b - a for a, b in pairwise(at))
    return pauses[len(pauses) // 2] if pauses else 1.0


@dataclass(frozen=True, slots=True)
class Objective:
    """A target, the newest figure (None: unknown) and how much of each span was in breach."""

    target: Target
    value: float | None
    spent: tuple[tuple[str, Spent], ...] = ()


@dataclass(frozen=True, slots=True)
class Pinned:
    """Figures of an instant, by name of target."""

    at: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TargetsReport:
    """How all targets fared, and the baseline they are compared with."""

    objectives: tuple[Objective, ...]
    pinned: Pinned | None = None

    def of(self, target_id: str) -> Objective | None:
        """One of them."""
        return next((one for one in self.objectives if one.target.id == target_id), None)
