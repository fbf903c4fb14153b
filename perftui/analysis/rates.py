"""Counters to rates: what changed a second since the look before, never negative."""

from __future__ import annotations

from collections.abc import Mapping


class Rates:
    """Remembers the last look at a set of counters.

    A counter that fell was reset: its new value counts as what came since the reset, which is what
    Prometheus' `rate` does (prometheus/promql/functions.go, extrapolatedRate).
    """

    def __init__(self) -> None:
        self._at: float | None = None
        self._last: dict[str, float] = {}

    def step(self, at: float, counters: Mapping[str, float]) -> dict[str, float]:
        """Changes a second since the last call, by name; names seen for the first time are left out.

        `at` is in seconds and must grow; a call at the same instant or an earlier one returns nothing.
        """
        before, last = self._at, self._last
        if before is not None and at <= before:
            return {}
        self._at, self._last = at, dict(counters)
        if before is None:
            return {}
        gap = at - before
        return {
            name: (value - last[name] if value >= last[name] else value) / gap
            for name, value in counters.items()
            if name in last
        }
