"""Where write-behind keeps what it has acknowledged and not yet written: a file of this node's own.

SQLite's write-ahead log, with an fsync at each commit; many callers share one. The file is 0600 and belongs
to one process at a time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from perftui.model.errors import StoreError

T = TypeVar("T")
MOST_DEAD = 10_000  # dead letters shown or revived at a time
SCHEMA = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS item (sequence INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, data BLOB);
CREATE TABLE IF NOT EXISTS dead
  (sequence INTEGER PRIMARY KEY, key BLOB NOT NULL, data BLOB, error TEXT, at REAL);
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A write that waits: `data` is the serialized value, None a removal; `sequence` orders all of them."""

    sequence: int
    key: str
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Dead:
    """A write that failed too often, and why; `at` in epoch seconds."""

    item: Item
    error: str
    at: float


class Journal(Protocol):
    """Keeps items until they are written; every method raises StoreError or BackendError, nothing else.

    `last` is the highest sequence it ever had, so far as it remembers; known once it is open; `shared`
    whether other nodes see the same dead letters.
    """

    last: int
    shared: bool

    async def open(self) -> list[Item]:
        """Begin; what an earlier process left unwritten, in order."""

    async def commit(self, added: Sequence[Item], done: Sequence[int]) -> None:
        """Keep these and forget those; the added ones survive this process once it returns."""

    async def bury(self, dead: Sequence[Dead]) -> None:
        """Move items to the dead letters."""

    async def dead(self) -> list[Dead]:
        """The dead letters, oldest first, MOST_DEAD at most."""

    async def dead_count(self) -> int:
        """How many dead letters there are."""

    async def revive(self, sequences: Sequence[int]) -> list[Item]:
        """Make items of dead letters again; those that were there."""

    async def take_over(self) -> list[Item]:
        """Items of nodes that died, which are ours from now on."""

    async def close(self) -> None:
        """Let go; twice is harmless."""


class FileJournal:
    """A journal in a file; the folder is made 0700 if it is new."""

    shared = False

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache-journal")
        self._db: Any = None
        self.last = 0

    async def open(self) -> list[Item]:
        """Open or make the file; StoreError when another process has it, or it is none of ours."""
        try:
            return await self._run(self._open)
        except StoreError:
            if self._db is not None:  # its lock is another's to have
                await self._run(self._db.close)
            raise

    async def commit(self, added: Sequence[Item], done: Sequence[int]) -> None:
        """One transaction, and one fsync."""
        rows = [(i.sequence, _raw(i.key), i.data) for i in added]
        await self._run(lambda: self._commit(rows, [(n,) for n in done]))

    async def bury(self, dead: Sequence[Dead]) -> None:
        """Move them, whole or not at all."""
        rows = [(d.item.sequence, _raw(d.item.key), d.item.data, d.error, d.at) for d in dead]
        await self._run(lambda: self._bury(rows))

    async def dead(self) -> list[Dead]:
        """The dead letters, oldest first."""
        rows = await self._run(
            lambda: self._db.execute("SELECT * FROM dead ORDER BY sequence LIMIT ?", (MOST_DEAD,)).fetchall()
        )
        return [Dead(_item(row[:3]), str(row[3]), float(row[4])) for row in rows]

    async def dead_count(self) -> int:
        """How many there are."""
        return await self._run(lambda: int(self._db.execute("SELECT count(*) FROM dead").fetchone()[0]))

    async def revive(self, sequences: Sequence[int]) -> list[Item]:
        """Make items of them again."""
        return await self._run(lambda: self._revive(sequences))

    async def take_over(self) -> list[Item]:
        """Nothing: the file is this node's own."""
        return []

    async def close(self) -> None:
        """Close the file; what waits in it stays there."""
        if self._db is not None:
            db, self._db = self._db, None
            await asyncio.get_running_loop().run_in_executor(self._thread, db.close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        import sqlite3

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError, AttributeError, RuntimeError, ValueError, TypeError) as error:
            # also once it is closed, and where a row is none of ours
            raise StoreError(f"{self._path}: the journal cannot be used: {error}") from error

    def _open(self) -> list[Item]:
        import sqlite3

        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path.chmod(0o600)  # SQLite gives its log the file's own permissions
        self._db = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN IMMEDIATE")  # the lock is taken now, not at the first write
        self._db.commit()
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'item'").fetchone()
        self.last = int(row[0]) if row else 0
        return [_item(row) for row in self._db.execute("SELECT * FROM item ORDER BY sequence")]

    def _commit(self, added: Sequence[tuple[int, bytes, bytes | None]], done: Sequence[tuple[int]]) -> None:
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO item VALUES (?, ?, ?)", added)
            self._db.executemany("DELETE FROM item WHERE sequence = ?", done)

    def _bury(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?)", rows)
            self._db.executemany("DELETE FROM item WHERE sequence = ?", [row[:1] for row in rows])

    def _revive(self, sequences: Sequence[int]) -> list[Item]:
        found: list[Item] = []
        with self._db:
            for number in sequences:
                row = self._db.execute(
                    "SELECT sequence, key, data FROM dead WHERE sequence = ?", (number,)
                ).fetchone()
                if row is not None:
                    self._db.execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?)", row)
                    self._db.execute("DELETE FROM dead WHERE sequence = ?", (number,))
                    found.append(_item(row))
        return found


class MemoryJournal:
    """`ack="memory"`: nothing survives this process. A crash loses what it had not written, up to 200 ms
    of writes, or all that waits while the database is away. Dead letters are kept, MOST_DEAD at most.
    """

    shared = False

    def __init__(self) -> None:
        self._dead: dict[int, Dead] = {}
        self.last = 0

    async def open(self) -> list[Item]:
        """Nothing is ever left."""
        return []

    async def commit(self, added: Sequence[Item], done: Sequence[int]) -> None:
        """Nothing to keep."""

    async def bury(self, dead: Sequence[Dead]) -> None:
        """Keep them in memory."""
        self._dead.update((d.item.sequence, d) for d in dead)
        while len(self._dead) > MOST_DEAD:
            del self._dead[next(iter(self._dead))]

    async def dead(self) -> list[Dead]:
        """The dead letters."""
        return list(self._dead.values())

    async def dead_count(self) -> int:
        """How many there are."""
        return len(self._dead)

    async def revive(self, sequences: Sequence[int]) -> list[Item]:
        """Take them out."""
        return [self._dead.pop(number).item for number in sequences if number in self._dead]

    async def take_over(self) -> list[Item]:
        """Nothing to take over."""
        return []

    async def close(self) -> None:
        """Nothing to close."""


def dead_of(items: Sequence[Item], error: BaseException) -> list[Dead]:
    """Dead letters of items that failed with this error, whose text is cut to 500 characters."""
    return [Dead(item, f"{type(error).__name__}: {error}"[:500], time.time()) for item in items]


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _item(row: Sequence[Any]) -> Item:
    return Item(int(row[0]), bytes(row[1]).decode("utf-8", "surrogatepass"), row[2])
