"""What an engine concludes, always with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How bad it is; ordered, so findings sort by it."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class Effort(IntEnum):
    """What the fix costs the operator."""

    KEY = 1  # one key here
    MINUTES = 2
    HOURS = 3
    DAYS = 4


@dataclass(frozen=True, slots=True)
class Offer:
    """An action an engine proposes without doing it: id of the registry, target and arguments."""

    action: str
    source: str
    title: str
    params: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One conclusion. `id` is dotted (`cache.hit-ratio-low`), `evidence` are measured sentences.

    `gain` is an estimate in `gain_unit` (seconds a second saved, bytes, requests/s freed), 0 when
    unknown; `offer` is the action that fixes it, None when no action can.
    """

    id: str
    severity: Severity
    source: str
    title: str
    evidence: tuple[str, ...]
    gain: float = 0.0
    gain_unit: str = ""
    effort: Effort = Effort.MINUTES
    offer: Offer | None = None
    labels: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"finding {self.id} has no evidence")
