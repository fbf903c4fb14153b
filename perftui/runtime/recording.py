"""A session file opened to be looked at: data from a stranger, so nothing in it is run, made or trusted.

The file is a store of its own with the session's settings beside it. A truncated one is read row by row
into a temporary database up to the first row that is not whole.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from perftui.model.auditlog import AuditEntry, AuditReport
from perftui.model.codec import from_jsonable
from perftui.model.errors import StoreError
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.rewind import FOREVER, Rewind
from perftui.runtime.schema import MIGRATIONS
from perftui.runtime.store import Store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

log = logging.getLogger(__name__)

SESSION = "CREATE TABLE perftui_session (name TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)"
COPIED = ("perftui_session", "perftui_frame", "perftui_series", "perftui_chunk", "perftui_event")
LONGEST = 8 << 20  # bytes of one value
MOST_TEXT = 1 << 20  # characters of what is told about the session
QUERY = 5.0  # seconds one question may take
_HEADER = b"SQLite format 3\x00"


class RecordedDriver:
    """One reading connection to a session file; whatever would write is refused."""

    without_rowid = " WITHOUT ROWID"
    now = "0"
    alive = True

    def __init__(self, path: Path) -> None:
        import sqlite3

        self.where = str(path)
        self._error = sqlite3.Error
        self._until = 0.0
        try:
            whole = is_whole(path)
            self._connection = _opened(path)
            if not whole:
                self._connection = _salvaged(self._connection)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{path} is no recording that can be read: {error}") from error
        self._connection.set_progress_handler(lambda: time.monotonic() > self._until, 100_000)
        self._check()

    def _check(self) -> None:
        """Only our plain tables, and of a version that is known."""
        for kind, name, sql in self.query("SELECT type, name, sql FROM sqlite_master"):
            if kind not in ("table", "index") or "VIRTUAL" in str(sql).upper()[:40]:
                raise StoreError(
                    f"{self.where} is no recording of perftui: it holds a {kind} {str(name)[:40]!r}"
                )
        try:
            version = int(self.query("SELECT version FROM perftui_schema")[0][0])
            self.query("SELECT 1 FROM perftui_session LIMIT 1")
        except (StoreError, LookupError, TypeError, ValueError) as error:
            raise StoreError(f"{self.where} is no recording of perftui") from error
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.where} was recorded by a newer perftui: it needs one that reads schema {version}, "
                f"this one reads up to {len(MIGRATIONS)}"
            )

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows; a question that takes too long is given up."""
        self._until = time.monotonic() + QUERY
        try:
            return self._connection.execute(sql, values).fetchall()
        except self._error as error:
            raise StoreError(f"{self.where}: {error}") from error

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Nothing is written into a recording."""
        raise StoreError(f"{self.where} is a recording: nothing is written into it")

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Nothing is written into a recording."""
        self.execute(sql)

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Reading needs none."""
        return nullcontext()

    def close(self) -> None:
        """Let go."""
        self._connection.close()


def is_whole(path: Path) -> bool:
    """Whether the file has all the pages its first one counts; StoreError when it is no database."""
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(_HEADER):
        raise StoreError(f"{path} is no recording of perftui")
    page = int.from_bytes(head[16:18], "big")
    size = (1 << 16 if page == 1 else page) * int.from_bytes(head[28:32], "big")
    return path.stat().st_size >= size


def _opened(path: Path) -> sqlite3.Connection:
    import sqlite3

    alone = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    url = f"file:{quote(str(path.resolve()))}?mode=ro{alone}"
    connection = sqlite3.connect(url, uri=True, isolation_level=None, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    # The first lets a file that is too short be opened at all; it stays read-only.
    first = ("writable_schema=ON", "trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "mmap_size=0")
    for pragma in (*first, "cache_size=-4000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _salvaged(source: sqlite3.Connection) -> sqlite3.Connection:
    """What can be read of a truncated file, row by row, in a temporary database that goes with us."""
    import sqlite3

    made = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    made.execute("BEGIN")
    made.execute("CREATE TABLE perftui_schema (version BIGINT NOT NULL)")
    made.execute(SESSION)
    for statement in (s for step in MIGRATIONS for s in step):
        made.execute(statement.format(without_rowid=" WITHOUT ROWID"))
    version = source.execute("SELECT version FROM perftui_schema").fetchone()
    made.execute("INSERT INTO perftui_schema VALUES (?)", version)
    for table in COPIED:
        _copy(source, made, table)
    made.execute("COMMIT")
    source.close()
    return made


def _copy(source: sqlite3.Connection, made: sqlite3.Connection, table: str) -> None:
    import sqlite3

    known = [row[1] for row in made.execute(f"PRAGMA table_info({table})")]
    try:
        there = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
        names = ", ".join(name for name in known if name in there)
        marks = ", ".join("?" for name in known if name in there)
        put = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
        for row in source.execute(f"SELECT {names} FROM {table} NOT INDEXED"):  # noqa: S608
            if row[0] is None:  # of a page that is only half there SQLite reads zeros
                return
            made.execute(put, row)
    except sqlite3.Error as error:
        log.info("%s ends early: %s", table, error)


class Recording:
    """A session as it was recorded: frames, series, events and audit of one environment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.truncated = not is_whole(path)
        RecordedDriver(path).close()  # what is wrong with it is said now, and by its own name
        self.told = _told(path)
        self.env = str(self.told.get("name") or path.stem)[:40]
        self.store = Store(lambda: RecordedDriver(path), str(path), self.env)
        self.past = Rewind(self.store, None, History(self.store, Clock()))
        self.past.serve(str(self.told.get("tz") or "UTC")[:40], self._audit)
        with self.past.patiently(QUERY):
            self.end = self._last_whole() or 0.0
            first = self.past.first() or self.end
        if not self.end:
            raise StoreError(f"{path} holds no whole frame")
        began = self.told.get("began")  # what stood already then is in it with its own, earlier instants
        self.start = min(max(first, began if isinstance(began, int | float) else first), self.end)

    @property
    def kind(self) -> str:
        """What kind of environment was recorded."""
        return str(self.told.get("kind") or "development")[:20]

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the systems behind it, each with the powers it had."""
        found = self.told.get("sources")
        if not isinstance(found, dict):
            return {}
        return {str(n)[:80]: tuple(map(str, p)) for n, p in list(found.items())[:200] if isinstance(p, list)}

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each system; none in recordings that did not keep it."""
        found = self.told.get("kinds")
        return (
            {str(n)[:80]: str(k)[:40] for n, k in list(found.items())[:200]}
            if isinstance(found, dict)
            else {}
        )

    @property
    def depends_on(self) -> Mapping[str, tuple[str, ...]]:
        """Which systems each rests on."""
        found = self.told.get("depends_on")
        if not isinstance(found, dict):
            return {}
        return {
            str(n)[:80]: tuple(str(one)[:80] for one in on[:200])
            for n, on in list(found.items())[:200]
            if isinstance(on, list)
        }

    def _last_whole(self) -> float | None:
        """The newest instant whose frame can be read: the last row of a truncated file may be half there."""
        topics, at = self.past.topics(), self.past.around(FOREVER).start
        while at is not None and self.truncated and not any(self.past.whole(topic, at) for topic in topics):
            at = max(
                (t for topic in topics if (t := self.past.step([topic], at, -1)) is not None), default=None
            )
        return at

    def _audit(self) -> AuditReport | None:
        try:
            entries = from_jsonable(tuple[AuditEntry, ...], self.told.get("audit") or [])
        except ValueError as error:
            log.info("the audit lines of %s are not shown: %s", self.path, error)
            return None
        return AuditReport(entries, str(self.path), "lines as recorded: their chain stays with the console")

    async def close(self) -> None:
        """Let go of the file."""
        await self.store.close()


@contextmanager
def _reading(path: Path) -> Iterator[RecordedDriver]:
    driver = RecordedDriver(path)
    try:
        yield driver
    finally:
        driver.close()


def _told(path: Path) -> dict[str, Any]:
    """What the recorder wrote about the session, as far as it can be read."""
    found: dict[str, Any] = {}
    with _reading(path) as driver:
        for name, body in driver.query("SELECT name, body FROM perftui_session LIMIT 50"):
            if isinstance(body, str) and len(body) <= MOST_TEXT:
                try:
                    found[str(name)] = json.loads(body)
                except (ValueError, RecursionError):
                    log.info("%s: what it says of %s cannot be read", path, str(name)[:40])
    return found
