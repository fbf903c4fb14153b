"""How much work waits, how old it is, and how fast it comes and goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

System = Literal["BullMQ", "RQ", "Celery", "stream", "list"]


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """One queue at one look.

    `waiting` is what a worker could take now, `active` what workers hold, `delayed` what is not due yet.
    `added` counts everything that ever came, None where the system keeps no such count. `oldest` is the
    age in seconds of what has waited longest, None when nothing waits or nobody says.
    """

    source: str
    system: System
    name: str
    at: float
    waiting: int
    active: int = 0
    delayed: int = 0
    failed: int = 0
    added: int | None = None
    oldest: float | None = None

    @property
    def inside(self) -> int:
        """Everything not yet done."""
        return self.waiting + self.active + self.delayed


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue with its pace: jobs a second in and out since the look before, None where it cannot be told."""

    depth: QueueDepth
    in_per_s: float | None = None
    out_per_s: float | None = None

    @property
    def drains_in(self) -> float | None:
        """Seconds until nothing waits at this pace; None while it grows."""
        if self.in_per_s is None or self.out_per_s is None or self.out_per_s <= self.in_per_s:
            return None
        return self.depth.waiting / (self.out_per_s - self.in_per_s)


def pace(now: QueueDepth, before: QueueDepth | None) -> QueueView:
    """In and out between two looks; what came is counted by the system itself, what went follows from it."""
    if before is None or now.added is None or before.added is None or now.at <= before.at:
        return QueueView(now)
    if now.added < before.added:  # begun anew
        return QueueView(now)
    seconds, came = now.at - before.at, now.added - before.added
    went = came - (now.inside - before.inside)
    return QueueView(now, came / seconds, max(0.0, went / seconds))
