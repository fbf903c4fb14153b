"""Events that outlive the console: written as they come, read back at the next start."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from typing import Any

from perftui.model.event import Event
from perftui.runtime.driver import Driver
from perftui.runtime.store import Store

KEEP = 90 * 86400.0
MOST = 2000
LONGEST = 2000  # characters of one field

_PUT = (
    "INSERT INTO perftui_event (env, id, at, until, kind, source, title, detail, actor, ref) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (env, id) DO UPDATE "
    "SET until = excluded.until, detail = excluded.detail"
)
_GET = (
    "SELECT at, kind, source, title, detail, actor, until, ref FROM perftui_event "
    "WHERE env = ? AND (at >= ? OR until >= ?) ORDER BY at DESC LIMIT ?"
)


class EventStore:
    """One environment's events in its store. Every method raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, events: Iterable[Event]) -> None:
        """Write events, or what is known better of them now."""
        rows = [self._row(event) for event in events]

        def work(driver: Driver) -> None:
            with driver.transaction():
                driver.executemany(_PUT, rows)

        if rows:
            await asyncio.wrap_future(self._store.write(work))

    async def load(self, since: float = 0.0, most: int = MOST) -> tuple[Event, ...]:
        """The newest events that happened or lasted since then, oldest first."""
        env = self._store.env
        rows = await asyncio.wrap_future(
            self._store.read(lambda driver: driver.query(_GET, (env, since, since, most)))
        )
        return tuple(Event(*row) for row in reversed(rows))

    async def expire(self, now: float) -> None:
        """Let go of events older than three months."""
        sql = "DELETE FROM perftui_event WHERE env = ? AND at < ?"
        env = self._store.env
        await asyncio.wrap_future(self._store.write(lambda driver: driver.execute(sql, (env, now - KEEP))))

    def _row(self, event: Event) -> tuple[Any, ...]:
        name = hashlib.sha256(repr(event.identity).encode("utf-8", "backslashreplace")).hexdigest()[:32]
        words = (event.kind, event.source, event.title, event.detail, event.actor, event.ref)
        texts = [_storable(text) for text in words]
        return (self._store.env, name, event.at, event.until, *texts)


def _storable(text: str) -> str:
    """Text every database takes: no NUL, no half surrogate, not endless."""
    return text[:LONGEST].replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
