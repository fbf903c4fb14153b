"""One holder per control loop among all consoles and agents on a store, fenced against sleepers.

A lease lasts 15 s on the store's own clock (hosts may disagree about the time) and is renewed
every 5 s. Each new holder gets a higher counter; whoever acts names its counter, so a holder that
was paused and wakes up late is told that it is no longer one. What is written under a lease is
written in one transaction with `stands`, which keeps the lease from passing on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from perftui.model.errors import StoreError
from perftui.runtime.clock import Clock
from perftui.runtime.driver import Driver
from perftui.runtime.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)

AGENT = "agent"  # its lease goes before every console: while an agent holds it, consoles hold no other
TTL = 15.0
RENEW = 5.0
WAIT = 3.0

_TAKE = (
    "INSERT INTO perftui_lease (name, holder, counter, until) VALUES (?, ?, 1, {now} + ?) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, counter = perftui_lease.counter + 1, "
    "until = excluded.until WHERE perftui_lease.until <= {now}"
)
_RENEW = "UPDATE perftui_lease SET until = {now} + ? WHERE name = ? AND holder = ? AND counter = ?"
_DROP = "UPDATE perftui_lease SET until = 0 WHERE name = ? AND holder = ? AND counter = ?"
# Changes nothing, and keeps the row from everybody else until the transaction ends.
_STANDS = (
    "UPDATE perftui_lease SET counter = counter "
    "WHERE name = ? AND holder = ? AND counter = ? AND until > {now}"
)
_LOOK = "SELECT holder, counter, until - {now} FROM perftui_lease WHERE name = ?"


class Lease(NamedTuple):
    """Who may act for `name`, under which fencing counter, and for how many seconds from when it was read."""

    name: str
    holder: str
    counter: int
    left: float


def stands(driver: Driver, lease: Lease) -> bool:
    """Whether `lease` is still held; inside a transaction it stays so until that ends."""
    sql = _STANDS.format(now=driver.now)
    return driver.execute(sql, (lease.name, lease.holder, lease.counter)) == 1


class Leases:
    """Leases on one store for one holder; methods raise StoreError when the store cannot answer.

    `holder` defaults to host, process and a few random bytes: unique among all that ever run. With
    `after`, none is taken or renewed while somebody else holds the lease of that name; who only `looks_on`
    takes none at all.
    """

    def __init__(self, store: Store, holder: str = "", after: str = "", *, looks_on: bool = False) -> None:
        self._looks_on = looks_on
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._store = store
        self._after = after

    async def take(self, name: str, ttl: float = TTL) -> Lease | None:
        """Become the holder; None when somebody else is. Taking one's own live lease again gives None too."""
        if self._looks_on:
            return None

        def work(driver: Driver) -> Lease | None:
            with driver.transaction():
                if self._comes_after(driver):
                    return None
                taken = driver.execute(_TAKE.format(now=driver.now), (name, self.holder, ttl))
                return self._look(driver, name) if taken == 1 else None

        return await asyncio.wrap_future(self._store.write(work))

    async def renew(self, lease: Lease, ttl: float = TTL) -> Lease | None:
        """Stay the holder; None when somebody else has taken over since."""

        def work(driver: Driver) -> Lease | None:
            with driver.transaction():
                if self._comes_after(driver):
                    driver.execute(_DROP, (lease.name, lease.holder, lease.counter))
                    return None
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

    async def fenced(self, lease: Lease, work: Callable[[Driver], T]) -> T | None:
        """`work` in one transaction with the lease; None, and nothing done, when it is held no more."""

        def fenced(driver: Driver) -> T | None:
            with driver.transaction():
                return work(driver) if stands(driver, lease) else None

        return await asyncio.wrap_future(self._store.write(fenced))

    def _comes_after(self, driver: Driver) -> bool:
        first = self._look(driver, self._after) if self._after else None
        return first is not None and first.left > 0 and first.holder != self.holder

    def _look(self, driver: Driver, name: str) -> Lease | None:
        for holder, counter, left in driver.query(_LOOK.format(now=driver.now), (name,)):
            return Lease(name, holder, counter, left)
        return None


class Turn:
    """Whose turn a loop is: takes its lease, keeps it, and knows when it can be trusted no more.

    `lease` is there only while it surely lasts by our own clock, counted from before it was asked
    for: after a pause of the process it is gone before anybody can act on it.
    """

    def __init__(self, leases: Leases, name: str, clock: Clock, ttl: float = TTL) -> None:
        self.name = name
        self.problem = ""
        self._leases = leases
        self._clock = clock
        self._ttl = ttl
        self._lease: Lease | None = None
        self._until = 0.0
        self.asked = False  # whether the store has answered the last time

    @property
    def lease(self) -> Lease | None:
        """What to name when acting; None when it is not our turn, or no longer surely so."""
        return self._lease if self._clock.monotonic() < self._until else None

    async def beat(self) -> Lease | None:
        """Renew, or try to take; a store that cannot answer is told in `problem` and changes nothing."""
        began = self._clock.monotonic()
        try:
            if self._lease is not None:
                self._lease = await self._leases.renew(self._lease, self._ttl)
            if self._lease is None:
                self._lease = await self._leases.take(self.name, self._ttl)
        except StoreError as error:
            self.problem, self.asked = str(error), False
            return self.lease
        self.problem, self.asked = "", True
        self._until = began + self._ttl if self._lease is not None else 0.0
        return self.lease

    async def keep(self, told: Callable[[Lease | None], Awaitable[None]]) -> None:
        """Beat until cancelled, telling every answer; who waits asks oftener, to be there soon after."""
        while True:
            await told(await self.beat())
            await asyncio.sleep(RENEW if self._lease is not None else WAIT)

    async def drop(self) -> None:
        """Give it back."""
        lease, self._lease, self._until = self._lease, None, 0.0
        if lease is not None:
            try:
                await self._leases.drop(lease)
            except StoreError as error:
                log.info("%s", error)
