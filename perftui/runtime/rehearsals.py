"""Rehearsals kept in the store that all consoles share: the newest of an environment."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.rehearsal import SHELF, TOPIC, Rehearsal, Rehearsals
from perftui.runtime.driver import Driver
from perftui.runtime.store import Store

MOST = 50
LARGEST = 1 << 20  # characters of all of them
_PUT = (
    "INSERT INTO perftui_last (env, topic, at, body) VALUES (?, ?, ?, ?) ON CONFLICT (env, topic) "
    "DO UPDATE SET at = excluded.at, body = excluded.body"
)
_GET = "SELECT body FROM perftui_last WHERE env = ? AND topic = ?"


class RehearsalLog:
    """A `RehearsalShelf`; methods raise StoreError."""

    kind: ClassVar[str] = SHELF

    def __init__(self, store: Store) -> None:
        self._store = store

    async def rehearsals(self, most: int = MOST) -> Rehearsals:
        """The newest, newest first; what cannot be read is as if it were not there."""
        await self._store.ready()
        found = await asyncio.wrap_future(self._store.read(self._found))
        return Rehearsals(found.found[:most])

    async def keep(self, rehearsal: Rehearsal) -> None:
        """Write one down; the oldest of more than MOST goes."""

        def work(driver: Driver) -> None:
            with driver.transaction():
                kept = Rehearsals((rehearsal, *self._found(driver).found)[:MOST])
                body = json.dumps(to_jsonable(kept), separators=(",", ":"))
                driver.execute(_PUT, (self._store.env, TOPIC, rehearsal.seen.at, body))

        await asyncio.wrap_future(self._store.write(work))

    def _found(self, driver: Driver) -> Rehearsals:
        rows = driver.query(_GET, (self._store.env, TOPIC))
        body = rows[0][0] if rows else ""
        if not body or len(body) > LARGEST:
            return Rehearsals()
        try:
            return from_jsonable(Rehearsals, json.loads(body))
        except ValueError:
            return Rehearsals()
