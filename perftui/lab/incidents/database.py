"""Trouble with the database: an index lost, rows locked, a replica that falls behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from perftui.lab.datastores import PostgresPart
from perftui.lab.incidents.kinds import Incident
from perftui.lab.postgres import PostgresServer
from perftui.lab.processes import LabError

HOLD_SECONDS = 6.0


@contextlib.asynccontextmanager
async def admin(server: PostgresServer, **settings: str) -> AsyncIterator[Any]:
    """A superuser's connection.

    Raises:
        LabError: the server does not answer, or refuses a statement inside the block.
    """
    import asyncpg

    try:
        connection = await server.admin(**settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=2)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise LabError(f"{server.name}: {error}") from error


class SlowQuery(Incident):
    """A migration dropped an index."""

    name = "slow-query"
    what = "the index reviews_product_idx is dropped: each product's reviews read the whole table"
    look = "database.queries"

    async def start(self) -> None:
        """Drop it."""
        async with admin(self.lab.part(PostgresPart).primary) as connection:
            await connection.execute("DROP INDEX IF EXISTS reviews_product_idx")

    async def stop(self) -> None:
        """Build it again, as its owner."""
        postgres = self.lab.part(PostgresPart).primary
        if postgres.pid:
            async with admin(postgres, role="shop") as connection:
                await connection.execute(
                    "CREATE INDEX IF NOT EXISTS reviews_product_idx ON reviews (product_id)"
                )


class LockPileUp(Incident):
    """A nightly job in the middle of the day."""

    name = "lock-pile-up"
    what = "a stock count holds the most wanted products' rows for 6 s at a time: orders queue"
    look = "database.locks"
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hold; ready when the rows are locked."""
        locked = asyncio.Event()
        self._task = asyncio.create_task(self._work(locked))
        waiting = asyncio.create_task(locked.wait())
        await asyncio.wait([self._task, waiting], timeout=15, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not locked.is_set():
            raise LabError("the stock count got no locks within 15 s")

    async def _work(self, locked: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(LabError):
                await self._count(locked)
            await asyncio.sleep(0.5)

    async def _count(self, locked: asyncio.Event) -> None:
        """One round: lock in the order that orders use, hold, roll back."""
        postgres = self.lab.part(PostgresPart).primary
        async with admin(postgres, application_name="stock-count", role="shop") as connection:
            await connection.execute("BEGIN")
            await connection.execute(COUNT_STOCK)
            locked.set()
            await asyncio.sleep(HOLD_SECONDS)
            await connection.execute("ROLLBACK")

    async def stop(self) -> None:
        """Let go: closing the session rolls back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None


COUNT_STOCK = """
SELECT id, stock FROM products
WHERE id IN (SELECT product_id FROM order_items GROUP BY product_id ORDER BY max(order_id) DESC LIMIT 400)
ORDER BY id FOR UPDATE"""


class ReplicaStall(Incident):
    """A replica that stopped applying."""

    name = "replica-stall"
    what = "the PostgreSQL replica receives but does not replay: its lag grows"
    look = "database.replicas"

    async def start(self) -> None:
        """Pause replay."""
        async with admin(self.lab.part(PostgresPart).replica) as connection:
            await connection.execute("SELECT pg_wal_replay_pause()")

    async def stop(self) -> None:
        """Resume replay; a replica that was restarted meanwhile replays already."""
        replica = self.lab.part(PostgresPart).replica
        if replica.pid:
            async with admin(replica) as connection:
                await connection.execute("SELECT pg_wal_replay_resume() WHERE pg_is_wal_replay_paused()")
