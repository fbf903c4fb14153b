"""How many loads that nobody waits for may begin now: a budget, and what the source can take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from perftui.instrument.cache.sourcehealth import Fit, SourceHealth

TRIAL: Final = 1.0  # loads a second while nothing is known of the source


class Allowance:
    """A token bucket of `budget` loads a second that holds those of two looks, `every` seconds apart.

    None while the source is ill, TRIAL while nothing is known of it. `clock` in monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float], health: SourceHealth, budget: float, every: float) -> None:
        self._clock, self._health = clock, health
        self._budget, self._every = budget, every
        self._left, self._at = 0.0, clock()

    @property
    def ill(self) -> bool:
        """Whether the source is slow or failing."""
        return self._health.fit() is Fit.ILL

    def room(self) -> int:
        """Loads that may begin now."""
        fit, now = self._health.fit(), self._clock()
        rate = {Fit.WELL: self._budget, Fit.UNKNOWN: min(TRIAL, self._budget), Fit.ILL: 0.0}[fit]
        self._left = min(max(1.0, rate * self._every * 2), self._left + rate * (now - self._at))
        self._at = now
        return int(self._left) if rate else 0

    def take(self) -> None:
        """One begins."""
        self._left -= 1
