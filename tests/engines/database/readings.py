"""A healthy server's reading, for tests that change one thing about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from perftui.engines.database import DatabaseEngine
from perftui.model.database import (
    Connections,
    DatabaseReading,
    DatabaseReport,
    Server,
    Session,
    Statement,
    Totals,
    Workload,
)
from perftui.model.finding import Finding
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Reading

HEALTHY = DatabaseReading(
    server=Server(180006, "shop", "perftui", False, 1000.0, 60, 3, "postgres"),
    totals=Totals(100.0, 0.0, 0.999, 0.0, 1e5, 0.0, 1000.0),
    connections=Connections(10, 60, 1, 9),
    sessions=(),
    sessions_cut=0,
    waits=(("CPU", 1),),
    locks=(),
    replicas=(),
    slots=(),
    receiver=None,
    workload=Workload(60.0, 100.0, 0.001, 0.004, 0.1, ()),
    tables=(),
    limits=(),
)


def session(pid: int, **more: Any) -> Session:
    """A client of shop's."""
    given = {
        "started": 100.0 + pid,
        "user": "shop",
        "database": "shop",
        "app": "orders",
        "state": "active",
        **more,
    }
    return Session(pid, **given)


def statement(
    text: str, mean_s: float, *, share: float = 0.5, busy: float = 0.5, query_id: int = 7
) -> Statement:
    """A statement that takes `mean_s` a call."""
    return Statement(
        query_id,
        1,
        1,
        text,
        "shop",
        "shop",
        60,
        1.0,
        share,
        busy,
        mean_s,
        0.0,
        mean_s,
        1.0,
        0.99,
        0.0,
        0.0,
        0.0,
    )


def changed(**changes: Any) -> DatabaseReading:
    """The healthy reading with some of it replaced."""
    return replace(HEALTHY, **changes)


def look(reading: DatabaseReading, source: str = "postgres", at: float = 5000.0) -> Look:
    """A live look."""
    return Look(source, "postgres", Reading(source, at, 0.01, (), reading), Health(Link.LIVE, 0.0))


def report_of(
    *readings: DatabaseReading, engine: DatabaseEngine | None = None, at: float = 5000.0
) -> DatabaseReport:
    """The engine's report of these servers: `postgres`, `postgres-2`, …"""
    names = ("postgres", *(f"postgres-{n}" for n in range(2, len(readings) + 1)))
    looks = {name: look(reading, name, at) for name, reading in zip(names, readings, strict=True)}
    report = (engine or DatabaseEngine()).observe(at, looks, None)  # type: ignore[arg-type]
    assert report is not None
    return report


def findings(*readings: DatabaseReading) -> dict[str, Finding]:
    """Findings by id."""
    engine = DatabaseEngine()
    return {finding.id: finding for finding in engine.findings(report_of(*readings, engine=engine))}
