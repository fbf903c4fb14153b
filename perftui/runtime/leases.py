"""One holder per control loop among all consoles and agents on a store, fenced against sleepers.

A lease lasts 15 s on the store's own clock (hosts may disagree about the time) and is renewed
every 5 s. Each new holder gets a higher counter; whoever acts names its counter, so a holder that
was paused and wakes up late is told that it is no longer one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import NamedTuple

from perftui.runtime.driver import Driver
from perftui.runtime.store import Store

TTL = 15.0
RENEW = 5.0

_TAKE = (
    "INSERT INTO perftui_lease (name, holder, counter, until) VALUES (?, ?, 1, {now} + ?) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, counter = perftui_lease.counter + 1, "
    "until = excluded.until WHERE perftui_lease.until <= {now}"
)
_RENEW = "UPDATE perftui_lease SET until = {now} + ? WHERE name = ? AND holder = ? AND counter = ?"
_DROP = "UPDATE perftui_lease SET until = 0 WHERE name = ? AND holder = ? AND counter = ?"
_LOOK = "SELECT holder, counter, until - {now} FROM perftui_lease WHERE name = ?"


class Lease(NamedTuple):
    """Who may act for `name`, under which fencing counter, and for how many seconds from when it was read."""

    name: str
    holder: str
    counter: int
    left: float


class Leases:
    """Leases on one store for one holder; methods raise StoreError when the store cannot answer.

    `holder` defaults to host, process and a few random bytes: unique among all that ever run.
    """

    def __init__(self, store: Store, holder: str = "") -> None:
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._store = store

    async def take(self, name: str, ttl: float = TTL) -> Lease | None:
        """Become the holder; None when somebody else is. Taking one's own live lease again gives None too."""

        def work(driver: Driver) -> Lease | None:
            with driver.transaction():
                taken = driver.execute(_TAKE.format(now=driver.now), (name, self.holder, ttl))
                return self._look(driver, name) if taken == 1 else None

        return await asyncio.wrap_future(self._store.write(work))

    async def renew(self, lease: Lease, ttl: float = TTL) -> Lease | None:
        """Stay the holder; None when somebody else has taken over since."""

        def work(driver: Driver) -> Lease | None:
            with driver.transaction():
                values = (ttl, lease.name, lease.holder, lease.counter)
                kept = driver.execute(_RENEW.format(now=driver.now), values)
                return self._look(driver, lease.name) if kept == 1 else None

        return await asyncio.wrap_future(self._store.write(work))

    async def drop(self, lease: Lease) -> None:
        """Let others take over at once."""
        values = (lease.name, lease.holder, lease.counter)
        await asyncio.wrap_future(self._store.write(lambda driver: driver.execute(_DROP, values)))

    async def held(self, name: str) -> Lease | None:
        """Who holds it now, if anybody: what an act compares its counter with before it goes out."""
        lease = await asyncio.wrap_future(self._store.write(lambda driver: self._look(driver, name)))
        return lease if lease is not None and lease.left > 0 else None

    def _look(self, driver: Driver, name: str) -> Lease | None:
        for holder, counter, left in driver.query(_LOOK.format(now=driver.now), (name,)):
            return Lease(name, holder, counter, left)
        return None
