"""Changes that others announce (PostgreSQL NOTIFY, keyspace events) as removals from the cache."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from perftui.instrument.cache.ports import LinkChange, LinkEvent, Store
from perftui.model.errors import BackendError

LARGEST = 8192  # bytes of a payload: PostgreSQL's own limit is 8000
TOLD = 8000  # bytes at which pg_notify fails, and the write with it
MOST = 1000  # keys and tags of one payload
BEAT = 2.0  # seconds between looks whether the connection still answers
LONGEST_PAUSE = 10.0
QUEUED = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a payload says has changed. `everything`: nothing is known but that something may have."""

    keys: Sequence[str] = ()
    tags: Sequence[str] = ()
    everything: bool = False


class Removing(Protocol):
    """The part of a cache that is told."""

    async def expire(self, key: str) -> Any:
        """Make a key stale everywhere."""

    async def remove_by_tag(self, *tags: str) -> Any:
        """Make every entry with one of these tags stale everywhere."""


def row_changed(payload: str) -> Change:
    """What `NOTIFY channel, payload` means when nothing else is said.

    JSON `{"keys": [...], "tags": [...]}`, or `table:id`: the tags `table` and `table:id`. An empty payload,
    or one that cannot be read, may mean anything.
    """
    text = payload.strip()
    if not text or len(text) > LARGEST:
        return Change(everything=True)
    if not text.startswith("{"):
        table, _, row = text.partition(":")
        return Change(tags=(table, text) if row else (table,))
    try:
        said = json.loads(text)
        keys, tags = said.get("keys", []), said.get("tags", [])
    except (ValueError, AttributeError, RecursionError):
        return Change(everything=True)
    lists = isinstance(keys, list) and isinstance(tags, list) and len(keys) + len(tags) <= MOST
    if not lists or not all(isinstance(name, str) for name in (*keys, *tags)):
        return Change(everything=True)
    return Change(tuple(keys), tuple(tags))


def trigger(table: str, column: str = "id", channel: str = "perftui_cache") -> str:
    """The SQL that lets `table` announce each row that changes, as `row_changed` reads it.

    A row that gets another key is announced by both; TRUNCATE, and a key too long to be told, by the table
    alone. Run it once, by a role that owns the table.
    """
    name, key = _quoted(table), _quoted(column)
    label, to = _text(table), _text(channel)
    function = _quoted(f"perftui_announce_{table}")
    emptied = _quoted(f"perftui_announce_truncate_{table}")
    return f"""CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $perftui$
DECLARE
  said text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify({to}, {label});
    RETURN NULL;
  END IF;
  FOR said IN SELECT DISTINCT {label} || ':' || told FROM unnest(ARRAY[
      CASE WHEN TG_OP <> 'INSERT' THEN OLD.{key}::text END,
      CASE WHEN TG_OP <> 'DELETE' THEN NEW.{key}::text END]) AS told WHERE told IS NOT NULL LOOP
    PERFORM pg_notify({to}, CASE WHEN octet_length(said) < {TOLD} THEN said ELSE {label} END);
  END LOOP;
  RETURN NULL;
END $perftui$;
CREATE OR REPLACE TRIGGER {function} AFTER INSERT OR UPDATE OR DELETE ON {name}
FOR EACH ROW EXECUTE FUNCTION {function}();
CREATE OR REPLACE TRIGGER {emptied} AFTER TRUNCATE ON {name}
FOR EACH STATEMENT EXECUTE FUNCTION {function}();"""  # noqa: S608 - names are quoted


def _named(name: str) -> str:
    if not name or "\0" in name or "$" in name:
        raise ValueError(f"{name!r} is no name of a table, column or channel")
    return name


def _quoted(name: str) -> str:
    return '"' + _named(name).replace('"', '""') + '"'


def _text(name: str) -> str:
    return "'" + _named(name).replace("'", "''") + "'"


@dataclass(slots=True)
class Counts:
    """What a source of changes has seen."""

    changes: int = 0
    everything: int = 0
    links: int = 0
    failed: int = 0
    last_error: str = ""


class Applier:
    """Tells the caches, in the order of what came; a burst of the same key or tag is told once.

    What `means` raises, for somebody else wrote it, ends no link: what it was given may mean anything.
    """

    def __init__(self, caches: Sequence[Removing], counts: Counts) -> None:
        self._caches = caches
        self._counts = counts
        self._keys: dict[str, None] = {}
        self._tags: dict[str, None] = {}
        self._wake = asyncio.Event()

    def add(self, change: Change) -> None:
        """Something changed."""
        self._counts.changes += 1
        tags = ("*",) if change.everything else change.tags
        self._counts.everything += change.everything
        self._keys.update(dict.fromkeys(change.keys))
        self._tags.update(dict.fromkeys(tags))
        if len(self._keys) + len(self._tags) > QUEUED:
            self._keys.clear()
            self._tags = {"*": None}
        self._wake.set()

    def read(self, means: Callable[..., Change], *said: str) -> None:
        """Something was told: add what it means."""
        try:
            change = means(*said)
        except Exception as error:  # noqa: BLE001 - the service's own code
            self._counts.failed += 1
            self._counts.last_error = type(error).__name__
            change = Change(everything=True)
        self.add(change)

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            keys, self._keys = list(self._keys), {}
            tags, self._tags = list(self._tags), {}
            for cache in self._caches:
                try:
                    if tags:
                        await cache.remove_by_tag(*tags)
                    if "*" not in tags:
                        for key in keys:
                            await cache.expire(key)
                except BackendError as error:
                    self._counts.failed += 1
                    self._counts.last_error = str(error)


class PostgresEvents:
    """`LISTEN channel` on a connection of its own (`connect` opens an asyncpg one) until closed.

    While the connection was away changes may have been missed: once it is back everything is expired.
    `async with PostgresEvents(...)`, or `start` and `close`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        *caches: Removing,
        channel: str = "perftui_cache",
        means: Callable[[str], Change] = row_changed,
    ) -> None:
        self._connect = connect
        self._channel = channel
        self._means = means
        self.counts = Counts()
        self._applier = Applier(caches, self.counts)
        self._tasks: list[asyncio.Task[None]] = []
        self.listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to listen; it goes on trying to."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="cache events"),
            asyncio.create_task(self._applier.run(), name="cache events applied"),
        ]

    async def close(self) -> None:
        """Stop; twice is harmless."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen(self) -> None:
        import asyncpg

        pause = 0.1
        while True:
            try:
                await self._once()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self.counts.last_error = type(error).__name__
            if self.listening.is_set():
                self.listening.clear()
                pause = 0.1
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _once(self) -> None:
        """One connection, until it ends."""
        async with asyncio.timeout(BEAT * 2):
            connection = await self._connect()
        try:
            await connection.add_listener(self._channel, self._heard)
            self.counts.links += 1
            if self.counts.links > 1:
                self._applier.add(Change(everything=True))
            self.listening.set()
            while True:
                await asyncio.sleep(BEAT)
                await connection.execute("SELECT 1", timeout=BEAT)
        finally:
            connection.terminate()

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        self._applier.read(self._means, payload)


@dataclass(slots=True)
class KeyspaceEvents:
    """Keyspace events of a Valkey or Redis that others write (its `notify-keyspace-events` must have `K`).

    `means` gets a key's name and the event (`set`, `del`, `expired` …). Missed events expire everything.
    """

    store: Store
    caches: Sequence[Removing]
    means: Callable[[str, str], Change]
    pattern: str = "*"
    database: int = 0
    counts: Counts = field(default_factory=Counts)
    _applier: Applier = field(init=False)
    _task: asyncio.Task[None] | None = None
    _stop: Callable[[], None] | None = None
    _lost: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Subscribe, on every connection of the store."""
        self._applier = Applier(self.caches, self.counts)
        self._task = asyncio.create_task(self._applier.run(), name="cache keyspace events")
        self._stop = self.store.watch(self._told)
        self.store.greet("PSUBSCRIBE", f"{self._prefix}{self.pattern}")

    async def close(self) -> None:
        """Listen no more; the store is its owner's."""
        if self._stop is not None:
            self._stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def _prefix(self) -> str:
        return f"__keyspace@{self.database}__:"

    def _told(self, event: LinkEvent) -> None:
        if event.change is LinkChange.PUSH:
            self._pushed(event.payload)
        elif event.change is LinkChange.UP:
            self.counts.links += 1
            if event.node in self._lost:
                self._lost.discard(event.node)
                self._applier.add(Change(everything=True))
        else:
            self._lost.add(event.node)

    def _pushed(self, payload: Any) -> None:
        if not isinstance(payload, (list, tuple)) or len(payload) != 4 or payload[0] != b"pmessage":
            return
        place, event = payload[2], payload[3]
        prefix = self._prefix.encode()
        if isinstance(place, bytes) and isinstance(event, bytes) and place.startswith(prefix):
            raw = place[len(prefix) :]
            try:
                name = raw.decode("utf-8", "surrogatepass")
            except UnicodeDecodeError:
                name = raw.decode("utf-8", "backslashreplace")
            self._applier.read(self.means, name, event.decode("ascii", "replace"))
