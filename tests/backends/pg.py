"""Looking at a PostgreSQL in tests: a backend, its facts, and waiting for something to be seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from perftui.backends.postgres import Postgres, PostgresOptions
from perftui.model.database import DatabaseReading, Session


def backend_of(dsn: str, **more: Any) -> Postgres:
    return Postgres("db", PostgresOptions(dsn=dsn, **more))


async def facts(db: Postgres) -> DatabaseReading:
    reading = (await db.read()).facts
    assert isinstance(reading, DatabaseReading)
    return reading


async def seen(db: Postgres, pick: Callable[[DatabaseReading], Any], timeout: float = 8.0) -> Any:
    """Read until `pick` finds what it looks for."""
    end = time.monotonic() + timeout
    while not (found := pick(await facts(db))):
        assert time.monotonic() < end, "never seen"
    return found


def session_of(reading: DatabaseReading, pid: int) -> Session | None:
    return next((s for s in reading.sessions if s.pid == pid), None)
