"""Remembers which backends could be read, so that `up` has a past."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from perftui.model.alerts import LINKS, UP, up_key
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.sights import up_of

STEP = 15.0  # seconds between two samples of what stays as it is


class Links:
    """`keep` takes what is to be remembered, as it takes readings."""

    def __init__(self, keep: Callable[[Reading], None]) -> None:
        self._keep = keep
        self._last: dict[str, float] = {}
        self._at = 0.0

    def note(self, looks: Mapping[str, Look], now: float) -> None:
        """A sample of every backend that was read or lost, at each change and at the ordinary step."""
        ups = {name: value for name in looks for value in up_of(looks, SeriesKey(name, UP))}
        if not ups or (ups == self._last and 0.0 <= now - self._at < STEP):
            return
        self._last, self._at = ups, now
        samples = tuple(Measure(up_key(name), value) for name, value in ups.items())
        self._keep(Reading(LINKS, now, 0.0, samples, None))
