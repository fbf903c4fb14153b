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

    `at` is epoch seconds (UTC) of the moment the system was asked, `took` the seconds it needed,
    `samples` go into history, `facts` is the backend family's own frozen value (`CacheReading`,
    `DatabaseReading`, …) that its engine understands. `parts` are readings of what stands behind the
    backend, each with a source of its own, as far as it was asked this time.
    """

    source: str
    at: float
    took: float
    samples: tuple[Measure, ...]
    facts: Any
    parts: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """A backend's newest good reading with the health of its link, as engines and topics carry it."""

    source: str
    kind: str
    reading: Reading | None
    health: Health
