"""The store in one SQLite file: what a single console uses without being asked anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perftui.model.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

BUSY = 2.0  # seconds to wait for another process's write


class SqliteDriver:
    """A connection to `path` (made 0600 with its folder 0700), in WAL mode."""

    without_rowid = " WITHOUT ROWID"
    now = "(julianday('now') - 2440587.5) * 86400.0"
    alive = True  # a file does not hang up; what is wrong with it shows at each statement

    def __init__(self, path: Path) -> None:
        import sqlite3

        self.where = str(path)
        self._error = sqlite3.Error
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
            self._connection: sqlite3.Connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot open the store {path}: {error}") from error
        try:
            self.query("PRAGMA synchronous=NORMAL")
            self.query("PRAGMA cache_size=-2000")
            self._write_ahead()
        except StoreError:
            self.close()
            raise

    def _write_ahead(self) -> None:
        """Switch the file to WAL, once for ever: the switch does not wait for others, so we do."""
        limit = time.monotonic() + BUSY
        while True:
            try:
                self.query("PRAGMA journal_mode=WAL")
            except StoreError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.01)
            else:
                return  # a file system that cannot do it keeps its own mode: slower, as safe

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows changed."""
        with self._told():
            return self._connection.execute(sql, values).rowcount

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        with self._told():
            self._connection.executemany(sql, rows)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows."""
        with self._told():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[None]:
        """Commit at the end or roll back; SQLite has one writer at a time, `alone` or not."""
        del alone
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self.execute("ROLLBACK")

    def close(self) -> None:
        """Let go."""
        try:
            self._connection.close()
        except self._error:
            pass  # nothing is lost: whatever was committed is in the file

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise StoreError(f"the store {self.where}: {error}") from error


def _make(path: Path) -> None:
    """Make the file 0600 where there is none, and never touch one that is there.

    Closing any descriptor of a file drops every POSIX lock that this process holds on it: the locks
    of our other connections would be gone, another process would take itself for the last one, and
    delete the write-ahead log under us (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
