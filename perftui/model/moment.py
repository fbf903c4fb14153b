"""Time as the screens see it: one object, whether now, frozen or past."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TimeState(Enum):
    """What kind of instant a screen shows."""

    LIVE = "live"
    FROZEN = "frozen"
    PAST = "past"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant (epoch seconds, UTC) and how it relates to now."""

    at: float
    state: TimeState = TimeState.LIVE
