"""What scales: wanted, running and ready instances, their usage, and why the number changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from perftui.model.event import Event


@dataclass(frozen=True, slots=True)
class Scale:
    """The number of instances of one workload. `revision` changes with every accepted change."""

    ref: str
    desired: int
    running: int
    ready: int
    minimum: int
    maximum: int
    revision: int


@dataclass(frozen=True, slots=True)
class Instance:
    """One running instance. `cpu_ratio` is a share of one core, None before two looks."""

    id: str
    pid: int
    state: str  # starting, ready, silent (its event loop does not turn), draining, dead
    since: float
    requests: int
    inflight: int
    rss_bytes: int
    cpu_ratio: float | None = None
    requests_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """One look at a process pool."""

    scale: Scale
    instances: tuple[Instance, ...]
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing that scales, as the screen shows it."""

    source: str
    scale: Scale
    instances: tuple[Instance, ...]
    cpu_ratio: float | None
    requests_per_s: float | None


@dataclass(frozen=True, slots=True)
class AutoscalingReport:
    """Every workload of every connected scaler, and the newest events with their reasons."""

    at: float
    workloads: tuple[Workload, ...]
    events: tuple[Event, ...] = field(default=())
