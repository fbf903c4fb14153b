"""What the store holds, for whoever only looks back: no backend is opened and no store is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from perftui.model.action import Outcome
from perftui.model.alerts import Alert, AlertEvent
from perftui.model.auditlog import AuditEntry
from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.series import SeriesKey
from perftui.runtime.alertbook import Book
from perftui.runtime.audit import Audit
from perftui.runtime.chunks import Rollup
from perftui.runtime.clock import Clock
from perftui.runtime.eventstore import EventStore
from perftui.runtime.history import History
from perftui.runtime.store import Store

MOST_EVENTS = 10_000


@dataclass(frozen=True)
class Past:
    """One environment's samples, events and alert history."""

    history: History
    store: Store = field(repr=False)
    audit: Path | None = None

    def keys(self, pattern: str = "*") -> tuple[SeriesKey, ...]:
        """Series whose `source/name{labels}` fits a shell pattern, in order; a bare name fits any source."""
        wanted = pattern if "/" in pattern or pattern == "*" else f"*/{pattern}"
        return tuple(
            sorted(
                key
                for key in self.history.keys()  # noqa: SIM118 - a reader, no mapping
                if fits(key, wanted)
            )
        )

    def unit(self, key: SeriesKey) -> str:
        """The base unit of a series."""
        return self.history.unit(key)

    async def rows(self, key: SeriesKey, start: float, end: float, step: float | None = None) -> Rollup:
        """Rows of a series; see History.rollup."""
        return await self.history.rollup(key, start, end, step)

    async def events(self, start: float, end: float) -> tuple[Event, ...]:
        """Events that happened or lasted in a range, oldest first, with what only the audit tells."""
        found = [e for e in await EventStore(self.store).load(start, MOST_EVENTS) if e.at <= end]
        told = {event.ref for event in found if event.ref}
        done = deeds(self.audit, self.store.env, start, end) if self.audit else ()
        more = [event for event in done if event.ref not in told]
        return tuple(sorted([*found, *more], key=lambda event: event.at))

    async def open_alerts(self) -> tuple[Alert, ...]:
        """The alerts as they stand, and those that ended lately."""
        return tuple((await Book(self.store).page()).alerts.values())

    async def alerts(self, start: float, end: float) -> tuple[AlertEvent, ...]:
        """Lines of the alerts' history in a range."""
        return tuple(event for event in await Book(self.store).events(start) if event.at <= end)


def deeds(audit: Path, env: str, start: float, end: float) -> tuple[Event, ...]:
    """What was done in a range as the audit tells it: commands write there and into no timeline."""
    if not audit.exists():
        return ()
    entries = [e for e in Audit(audit).entries(MOST_EVENTS, start) if e.env == env and e.at <= end]
    return tuple(_deed(entry) for entry in reversed(entries) if entry.outcome is not Outcome.STARTED)


def _deed(entry: AuditEntry) -> Event:
    said = ": ".join(filter(None, (entry.outcome.value, entry.detail)))
    began, title = entry.at - entry.duration, entry.plan or entry.action
    return Event(began, "action", entry.target, title, said, entry.user, entry.at, entry.run)


def fits(key: SeriesKey, pattern: str) -> bool:
    """Whether `source/name{labels}` or `source/name` of a series fits a shell pattern."""
    return fnmatchcase(str(key), pattern) or fnmatchcase(f"{key.source}/{key.name}", pattern)


@asynccontextmanager
async def past(url: str, folder: Path, env: str) -> AsyncIterator[Past | None]:
    """The store at `url`, by default the one in `folder`; None when nothing was ever stored there."""
    path = folder / "store.sqlite"
    if not url and not path.exists():
        yield None
        return
    store = Store.open(url or str(path), env)
    try:
        await store.ready()  # an older store gets its tables; one that cannot be written may still be read
        history = History(store, Clock())
        if not await history.ready():
            raise StoreError(store.problem or f"the history in {store.where} cannot be read")
        yield Past(history, store, folder / "audit.jsonl")
    finally:
        await store.close()
