"""What a screen draws: report, health, series and findings of one topic at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from perftui.model.finding import Finding, Offer
from perftui.model.health import Health
from perftui.model.series import Series, SeriesKey


class SeriesReader(Protocol):
    """Read access to what was sampled, live or past."""

    def series(self, key: SeriesKey, start: float, end: float) -> Series:
        """Samples of `key` in [start, end], possibly empty; never raises for an unknown key."""
        ...

    def keys(self, source: str = "", name: str = "") -> tuple[SeriesKey, ...]:
        """Known keys, narrowed by source and by name (exact, or a prefix ending in `.`)."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one topic. `report` is the engine's frozen report (None until first look).

    `health` maps the names of the backends behind it to their link state. A screen draws from
    frames alone and keeps no other data, so the same screen can draw the past.
    """

    topic: str
    at: float
    report: Any
    health: Mapping[str, Health]
    findings: tuple[Finding, ...] = ()
    offers: tuple[Offer, ...] = ()
    history: SeriesReader | None = None
    stale: bool = False  # drawn from the store before the first live look
    error: str = ""
    seen: float = field(default=0.0)  # epoch seconds of the newest reading inside
    unsupported: bool = False  # what was asked cannot be done there, which no later try changes

    def window(self, key: SeriesKey, seconds: float) -> Series:
        """The last `seconds` of `key` up to this frame's instant (empty when unknown)."""
        if self.history is None:
            return Series(key)
        return self.history.series(key, self.at - seconds, self.at)
