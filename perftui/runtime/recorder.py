"""Writes what a session sees into a file of its own, to be looked at again anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from perftui import __version__
from perftui.model.codec import to_jsonable
from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.frame import Frame
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock
from perftui.runtime.driver import Driver
from perftui.runtime.events import EventLog
from perftui.runtime.memory import Memory
from perftui.runtime.observer import Observer
from perftui.runtime.recording import SESSION
from perftui.runtime.rewind import Rewind
from perftui.runtime.rings import Rings
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds between two writings of events and audit lines
AUDIT = 500
TOPICS = (
    "resources",
    "cache",
    "cachecluster",
    "cdn",
    "database",
    "autoscaling",
    "profiler",
    "optimization",
    "alerts",
)


class Seen(Protocol):
    """What a recorder needs of a session."""

    keeping: list[Memory]
    clock: Clock
    rings: Rings

    @property
    def past(self) -> Rewind | None:
        """What was shown before."""
        ...

    def topic(self, name: str) -> Topic[Frame]:
        """A topic by name."""
        ...

    def frame(self, topic: str) -> Frame:
        """The newest frame of a topic."""
        ...

    def powers(self, source: str) -> tuple[str, ...]:
        """Powers of a backend."""
        ...


class Recorder(Memory):
    """A second memory of a session, in a file that did not exist before."""

    def __init__(
        self, path: Path, session: Seen, about: Mapping[str, Any], audit: Audit, max_bytes: int
    ) -> None:
        """`about` says the session: its `name`, `kind`, `tz`, `settings` without secrets, `sources`."""
        if path.exists():
            raise StoreError(f"{path} exists: a recording begins a new file")
        super().__init__(str(path), str(about["name"]), session.clock, max_bytes)
        self.path = path
        self._session, self._about, self._audit = session, dict(about), audit
        self._crew = Crew(f"record {path.name}")
        self._written: set[Event] = set()
        self._began = session.clock.wall()

    async def begin(self, *, hold: bool = False) -> None:
        """Write what is on show now, then whatever comes; with `hold` every system is read at full pace."""
        await asyncio.wrap_future(self.store.write(self._prepare))
        self.history.adopt(self._session.rings.sheets())
        past = self._session.past
        for name in {*TOPICS, *(past.topics() if past is not None else ())}:
            if hold and name in TOPICS:
                self._session.topic(name).hold()
            if (frame := self._session.topic(name).value) is not None:
                self.frames.record(frame)
        self._session.keeping.append(self)
        self._crew.start("samples", self.history.run())
        self._crew.start("frames", self.frames.run(lambda: True))
        self._crew.start("events", self._follow())

    @staticmethod
    def _prepare(driver: Driver) -> None:
        driver.execute(SESSION)

    async def _follow(self) -> None:
        while True:
            await self._catch_up()
            await asyncio.sleep(EVERY)

    async def _catch_up(self) -> None:
        """Events and audit lines that are new, and how far the recording has come."""
        report = self._session.frame("events").report
        new = [event for event in getattr(report, "events", ()) if event not in self._written]
        lines = await asyncio.to_thread(self._audit.entries, AUDIT)
        sources = {name: list(self._session.powers(name)) for name in self._about["sources"]}
        about = {**self._about, "sources": sources, "by": __version__, "began": self._began}
        about |= {"ended": self._session.clock.wall(), "audit": to_jsonable(lines)}
        try:
            await self.events.put(new)
            await asyncio.wrap_future(self.store.write(lambda driver: _tell(driver, about)))
        except StoreError as error:
            log.warning("the recording %s: %s", self.path, error)
            return
        self._written.update(new)

    async def close(
        self, observers: Mapping[str, Observer], within: float, events: EventLog | None = None
    ) -> None:
        """Write what is left and make one whole file of it."""
        await self._crew.stop(within)
        if self in self._session.keeping:
            self._session.keeping.remove(self)
        await self._catch_up()
        await self.history.flush()
        await self._keep_frames()
        await self.store.close(within)
        await asyncio.to_thread(_one_file, self.path)


def _tell(driver: Driver, about: Mapping[str, Any]) -> None:
    rows = [(name, json.dumps(value)) for name, value in about.items()]
    with driver.transaction():
        driver.executemany(
            "INSERT INTO perftui_session (name, body) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            rows,
        )


def _one_file(path: Path) -> None:
    """Fold what was written ahead into the file: it is copied and sent as one."""
    import sqlite3

    try:
        connection = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
    except sqlite3.Error as error:
        log.warning("%s keeps its companion files: %s", path, error)
