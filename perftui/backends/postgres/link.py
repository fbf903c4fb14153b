"""One connection with its deadline: a call that hangs loses the connection, never the caller."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from perftui.backends.postgres.trouble import within

_SETTINGS = {
    "application_name": "perftui",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "15000",
    "default_transaction_read_only": "on",
    "jit": "off",
}


def describe(dsn: str) -> str:
    """`host:port/database as user`, without the password."""
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname or "localhost", parts.port or 5432
    except ValueError:
        return "PostgreSQL"
    database = parts.path.lstrip("/") or parts.username or "postgres"
    return f"PostgreSQL {host}:{port}/{database} as {parts.username or 'the default user'}"


class Link:
    """A connection that opens when first needed and is dropped whenever its state is in doubt.

    Calls queue behind one another; `deadline` (seconds) covers waiting, connecting and asking.
    """

    def __init__(self, dsn: str, password: str, where: str, deadline: float) -> None:
        self._dsn = dsn
        self._password = password
        self.where = where
        self.deadline = deadline
        self._lock = asyncio.Lock()
        self._connection: Any = None

    async def row(self, sql: str, *values: Any, deadline: float | None = None) -> Any:
        """The first row of `sql`, or None."""
        rows = await self.rows(sql, *values, deadline=deadline)
        return rows[0] if rows else None

    async def rows(self, sql: str, *values: Any, deadline: float | None = None) -> list[Any]:
        """All rows of one statement (the extended protocol refuses a second one)."""
        async with within(self.where, deadline or self.deadline), self._lock:
            return await self._ask(await self._open(), sql, values)

    async def _ask(self, connection: Any, sql: str, values: tuple[Any, ...]) -> list[Any]:
        """Fetch; unless the server itself ended the call, the connection's state is in doubt."""
        import asyncpg

        sound = False
        try:
            rows: list[Any] = await connection.fetch(sql, *values)
            sound = True
        except asyncpg.PostgresError:
            sound = True
            raise
        finally:
            if not sound:
                self.drop()
        return rows

    async def connected(self) -> None:
        """Connect now if not connected."""
        async with within(self.where, self.deadline), self._lock:
            await self._open()

    async def _open(self) -> Any:
        import asyncpg

        if self._connection is None or self._connection.is_closed():
            limit = str(int(self.deadline * 900))
            self._connection = await asyncpg.connect(
                self._dsn,
                password=self._password or None,
                timeout=self.deadline,
                server_settings={**_SETTINGS, "statement_timeout": limit},
                statement_cache_size=32,
            )
        return self._connection

    def drop(self) -> None:
        """Let go of the connection without asking the server."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Say goodbye if that is quick, else hang up."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        import asyncpg

        try:
            await connection.close(timeout=0.5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()  # the goodbye was only a courtesy
