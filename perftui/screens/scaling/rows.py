"""What the scaling tabs have in common: columns of workers and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perftui.draw import format as fmt
from perftui.draw.table import Cell, Column
from perftui.model.autoscaling import Instance, Workload
from perftui.model.event import Event

STATE_STYLE = {"ready": "ok", "starting": "warn", "draining": "warn", "silent": "crit", "dead": "crit"}
STATE_GLYPH = {"ready": "●", "starting": "◌", "draining": "▲", "silent": "■", "dead": "■"}


def state_cell(state: str) -> Cell:
    """Glyph and word of a worker's state."""
    return f"{STATE_GLYPH.get(state, '?')} {state}", STATE_STYLE.get(state, "warn")


def ready_cell(workload: Workload) -> Cell:
    """Ready ÷ wanted, marked while they differ."""
    scale = workload.scale
    good = scale.ready == scale.desired == scale.running
    return f"{'●' if good else '▲'} {scale.ready}/{scale.desired}", "ok" if good else "warn"


def workload_columns() -> list[Column]:
    """Columns of the table of workloads."""
    return [
        Column("source", "Workload", width=14, grow=True),
        Column("ready", "Ready", ready_cell, value=lambda w: w, width=8, order=lambda w: w.scale.ready),
        Column("desired", "Wanted", value=lambda w: w.scale.desired, width=6, align="right"),
        Column("running", "Running", value=lambda w: w.scale.running, width=7, align="right"),
        Column(
            "bounds",
            "Bounds",
            value=lambda w: f"{w.scale.minimum}-{w.scale.maximum}",
            width=8,
            align="right",
            priority=3,
        ),
        Column("cpu_ratio", "CPU", fmt.ratio, width=8, align="right"),
        Column("requests_per_s", "Req/s", fmt.number, width=8, align="right"),
        Column("revision", "Rev", value=lambda w: w.scale.revision, width=5, align="right", priority=4),
    ]


@dataclass(frozen=True, slots=True)
class Worker:
    """An instance with its age (s) at the moment shown."""

    instance: Instance
    age: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.instance, name)


def worker_columns() -> list[Column]:
    """Columns of the table of instances."""
    return [
        Column("id", "Worker", width=8, grow=True),
        Column("pid", "Pid", width=8, align="right"),
        Column("state", "State", state_cell, width=11),
        Column("cpu_ratio", "CPU", fmt.ratio, width=8, align="right"),
        Column("requests_per_s", "Req/s", fmt.number, width=8, align="right"),
        Column("inflight", "In flight", width=9, align="right", priority=3),
        Column("requests", "Requests", fmt.count, width=10, align="right", priority=4),
        Column("rss_bytes", "Memory", fmt.bytes_, width=9, align="right", priority=2),
        Column("age", "Age", fmt.age, width=6, align="right", priority=2),
    ]


def event_columns(tz: str) -> list[Column]:
    """Columns of the log of scale events."""
    return [
        Column("at", "Time", lambda at: fmt.clock(at, tz), width=8),
        Column("source", "Workload", width=10, priority=3),
        Column("title", "What", width=18),
        Column("detail", "Reason", width=20, grow=True),
    ]


def event_key(event: Event) -> tuple[float, str, str]:
    """What tells two events apart."""
    return event.at, event.source, event.title
