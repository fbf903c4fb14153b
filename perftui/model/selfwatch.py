"""How the watching itself stands: what would keep an alert from being raised or heard."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.alerts import Alert

TOPIC = "selfwatch"
SOURCE = "alerts"  # of its findings: no system of anybody's


@dataclass(frozen=True, slots=True)
class Broken:
    """What is wrong since `since` (epoch seconds): a rule's evaluations, a channel, a backend's clock."""

    name: str
    since: float
    said: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """Detail of history that began at `start` went before its time, at `at`, for want of `max_bytes`."""

    at: float
    start: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class WatchReport:
    """One look. `alone`: people are told by this console only, which nobody keeps open for ever."""

    at: float
    rules: tuple[Broken, ...] = ()
    channels: tuple[Broken, ...] = ()
    flapping: tuple[Alert, ...] = ()
    lasting: tuple[Alert, ...] = ()
    alone: bool = False
    pressed: Pressed | None = None
    skewed: tuple[Broken, ...] = ()
