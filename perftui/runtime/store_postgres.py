"""The store in PostgreSQL, for several people sharing history and leases.

The one place outside backends where asyncpg is used: the store belongs to the runtime, and its
connection lives in the store's own threads, each with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from perftui.model.errors import StoreError

T = TypeVar("T")

CONNECT = 5.0
COMMAND = 5.0
LOCK = 0x70657266  # "perf": the advisory lock of `alone`


@cache
def numbered(sql: str) -> str:
    """`?` to `$1`, `$2`, …: none of our statements holds a literal question mark."""
    count = iter(range(1, 100))
    return re.sub(r"\?", lambda _mark: f"${next(count)}", sql)


class PostgresDriver:
    """A connection to `url`; `connect` and every statement end within 5 s."""

    without_rowid = ""
    now = "extract(epoch FROM clock_timestamp())::double precision"

    def __init__(self, url: str) -> None:
        import asyncpg

        parts = urlsplit(url)
        self.where = f"{parts.hostname or 'localhost'}{parts.path}"
        self._errors = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError)
        self._loop = asyncio.new_event_loop()
        try:
            self._connection = self._wait(
                asyncpg.connect(
                    url,
                    timeout=CONNECT,
                    command_timeout=COMMAND,
                    server_settings={"application_name": "perftui store"},
                ),
                "cannot open",
            )
        except StoreError:
            self._loop.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the server still listens to us, as far as we know."""
        return not self._connection.is_closed()

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows changed."""
        status: str = self._wait(self._connection.execute(numbered(sql), *values))
        last = status.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else -1

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row, in one batch."""
        self._wait(self._connection.executemany(numbered(sql), list(rows)))

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        return [tuple(row) for row in self._wait(self._connection.fetch(numbered(sql), *values))]

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[None]:
        """Commit at the end or roll back; `alone` takes the store's advisory lock."""
        self.execute("BEGIN")
        try:
            if alone:
                self.query("SELECT pg_advisory_xact_lock(?::bigint)", (LOCK,))
            yield
            self.execute("COMMIT")
        finally:
            if self.alive and self._connection.is_in_transaction():
                self.execute("ROLLBACK")

    def close(self) -> None:
        """Let go, politely within a second."""
        try:
            self._loop.run_until_complete(self._connection.close(timeout=1.0))
        except self._errors:
            self._connection.terminate()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _wait(self, work: Awaitable[T], failed: str = "") -> T:
        async def bounded() -> T:
            async with asyncio.timeout(CONNECT + COMMAND):
                return await work

        try:
            return self._loop.run_until_complete(bounded())
        except self._errors as error:
            text = str(error).strip() or type(error).__name__
            raise StoreError(f"{failed + ' ' if failed else ''}the store {self.where}: {text}") from error
