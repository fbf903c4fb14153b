"""One frozen look at a backend: what a poller brings home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perftui.model.health import Health
from perftui.model.series import SeriesKey


@dataclass(frozen=True, slots=True)
class Measure:
    """A sample with its identity and unit, as a backend reports it."""

    key: SeriesKey
    value: float
    unit: str = "1"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read of one backend returned.

    `at` is epoch seconds (UTC) of the moment the system was asked, to the microsecond, as history keeps it: a
    window that ends there holds this reading's samples. `took` is the seconds it needed, `samples` go into
    history, `facts` is the backend family's own frozen value (`CacheReading`, `DatabaseReading`, …) that its
    engine understands. `parts` are readings of what stands behind the
    backend, each with a source of its own, as far as it was asked this time. `ahead` is by how many
    seconds the system's clock surely goes before ours (negative: behind), None where it does not tell.
    """

    source: str
    at: float
    took: float
    samples: tuple[Measure, ...]
    facts: Any
    parts: tuple[Reading, ...] = ()
    ahead: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", round(self.at, 6))


def apart(told: float, asked: float, took: float, grain: float = 0.0) -> float:
    """Seconds a clock that told `told` is ahead of ours, less what its answer's way and its `grain` explain.

    It was read some time in [asked, asked + took], and may stand up to `grain` later than it tells.
    """
    return max(0.0, told - (asked + took)) or min(0.0, told + grain - asked)


@dataclass(frozen=True, slots=True)
class Look:
    """A backend's newest good reading with the health of its link, as engines and topics carry it."""

    source: str
    kind: str
    reading: Reading | None
    health: Health
