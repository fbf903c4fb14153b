"""How much work waits, how old it is, and how fast it comes and goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

System = Literal["BullMQ", "RQ", "Celery", "stream", "list", "Kafka", "RabbitMQ"]


@dataclass(frozen=True, slots=True)
class QueuePart:
    """One partition of a queue: what waits in it and what ever came to it."""

    name: str
    waiting: int
    added: int


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """One queue at one look.

    `waiting` is what a worker could take now, `active` what workers hold, `delayed` what is not due yet.
    `added` counts everything that ever came, None where the system keeps no such count. `oldest` is the
    age in seconds of what has waited longest, None when nothing waits or nobody says. `consumers` are
    connected takers, None where nobody counts them. `parts` are the partitions of a queue that has them.
    `rates` are messages a second in and out as the system itself reckons them, where it does.
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
    consumers: int | None = None
    parts: tuple[QueuePart, ...] = ()
    rates: tuple[float, float] | None = None

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


@dataclass(frozen=True, slots=True)
class QueuesReading:
    """Every queue of one server with its pace, as its poller brings them home."""

    views: tuple[QueueView, ...]


def pace(now: QueueDepth, before: QueueDepth | None) -> QueueView:
    """In and out between two looks; what came is counted by the system itself, what went follows from it."""
    if now.rates is not None:
        return QueueView(now, *now.rates)
    if before is None or now.at <= before.at:
        return QueueView(now)
    moved = _moved_in_parts(now, before) if now.parts else _moved(now, before)
    if moved is None:
        return QueueView(now)
    seconds, (came, inside) = now.at - before.at, moved
    return QueueView(now, came / seconds, max(0.0, (came - inside) / seconds))


def _moved(now: QueueDepth, before: QueueDepth) -> tuple[int, int] | None:
    """What came, and how much more is inside; None when it cannot be told or was begun anew."""
    if now.added is None or before.added is None or now.added < before.added:
        return None
    return now.added - before.added, now.inside - before.inside


def _moved_in_parts(now: QueueDepth, before: QueueDepth) -> tuple[int, int] | None:
    """The same over the partitions both looks know: one that is first consumed now brings its whole past."""
    known = {part.name: part for part in before.parts}
    pairs = [(part, known[part.name]) for part in now.parts if part.name in known]
    pairs = [(part, was) for part, was in pairs if part.added >= was.added]
    if not pairs:
        return None
    return sum(p.added - w.added for p, w in pairs), sum(p.waiting - w.waiting for p, w in pairs)
