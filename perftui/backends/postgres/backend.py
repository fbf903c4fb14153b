"""A PostgreSQL server as a backend: one round trip a look, and a spare line for acting."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, ClassVar

from perftui.backends.postgres import facts, questions
from perftui.backends.postgres.explain import Planner
from perftui.backends.postgres.link import Link, describe
from perftui.backends.postgres.look import Memory, read_look
from perftui.backends.postgres.probe import Abilities, probe
from perftui.backends.postgres.trouble import told, within
from perftui.model.business import Figure
from perftui.model.database import Explanation, Session
from perftui.model.errors import Refused, Unsupported
from perftui.model.options import PostgresOptions
from perftui.model.reading import Reading

TEXT_LIMIT = 64 * 1024
MOST_ROWS = 200


class Postgres:
    """One server. Reads use one connection; acting uses a second that is kept open from the start,
    so that neither a hung read nor a server out of connections can keep an operator from cancelling.
    """

    kind: ClassVar[str] = "postgres"
    layer: ClassVar[str] = "database"
    Options: ClassVar[type] = PostgresOptions
    libraries: ClassVar[tuple[str, ...]] = ("asyncpg",)
    period: ClassVar[float] = 2.0
    idle_period: ClassVar[float] = 10.0
    deadline: ClassVar[float] = 4.0

    def __init__(self, name: str, options: PostgresOptions) -> None:
        self.name = name
        self.options = options
        self.where = describe(options.dsn)
        self._reads = Link(options.dsn, options.password, self.where, 3.0)
        self._hand = Link(options.dsn, options.password, self.where, 3.0)
        self._memory = Memory(options.statements)
        self._abilities: Abilities | None = None

    async def open(self) -> None:
        """Connect both lines and find out what can be read."""
        async with within(self.where, self.deadline - 0.5):
            await self._ready()
            await self._hand.connected()

    async def _ready(self) -> Abilities:
        if self._abilities is None:
            self._abilities = await probe(self._reads)
        return self._abilities

    async def read(self) -> Reading:
        """One look: activity, waits, locks, replication, and what is due of statements and tables."""
        began, at = time.monotonic(), time.time()
        async with within(self.where, self.deadline - 0.5):
            abilities = await self._ready()
            try:
                facts_, samples, ahead = await read_look(self._reads, abilities, self._memory, self.name)
            except (Refused, Unsupported):
                self._abilities = None  # rights or extensions changed: look again next time
                raise
        return Reading(self.name, at, time.monotonic() - began, samples, facts_, ahead=ahead)

    async def close(self) -> None:
        """Hang up all lines."""
        await asyncio.gather(self._reads.close(), self._hand.close())

    async def activity(self) -> tuple[Session, ...]:
        """All sessions now."""
        abilities = await self._ready()
        row = await self._hand.row(questions.batch(("activity",), abilities.version, {}))
        with told(self.where):
            return tuple(facts.session(item) for item in json.loads(row["activity"] or "[]"))

    async def settings(self) -> dict[str, str]:
        """pg_settings, but what the session itself set; values with their unit."""
        sql = "SELECT name, setting || coalesce(' ' || unit, '') FROM pg_settings WHERE source <> 'session'"
        return {str(name): str(value) for name, value in await self._hand.rows(sql)}

    async def find_session(self, pid: int) -> Session | None:
        """The session behind `pid` now."""
        row = await self._hand.row(
            questions.session_by_pid(self._abilities.version if self._abilities else 0), pid
        )
        with told(self.where):
            return facts.session(json.loads(row[0])) if row is not None else None

    async def cancel_query(self, pid: int, started: float, query_started: float) -> bool:
        """Cancel that statement of that session, in one statement with the check of who it is."""
        sql = questions.single("cancel", 0, ("pid", "started", "query_started"))
        row = await self._hand.row(sql, pid, started, query_started)
        return bool(row is not None and row["sent"])

    async def terminate_session(self, pid: int, started: float) -> bool:
        """End that session."""
        sql = questions.single("terminate", 0, ("pid", "started"))
        row = await self._hand.row(sql, pid, started)
        return bool(row is not None and row["sent"])

    async def statement_text(self, query_id: int) -> str:
        """The full text of one statement, up to 64 KiB of characters."""
        abilities = await self._ready()
        if not abilities.statements_schema:
            raise Unsupported(f"{self.where}: {abilities.limits[-1].what}: {abilities.limits[-1].remedy}")
        inline = {"schema": abilities.statements_schema, "length": str(TEXT_LIMIT)}
        row = await self._hand.row(questions.single("texts", abilities.version, ("ids",), inline), [query_id])
        return str(row["text"]) if row is not None else ""

    async def figures(self, read: str) -> tuple[Figure, ...]:
        """The numbers of one SELECT, read-only: its last column; columns before it are labels."""
        rows = (await self._hand.rows(read))[:MOST_ROWS]
        with told(self.where):
            return tuple(_figure(row) for row in rows)

    async def explain(self, statement: str, *, analyze: bool = False, limit: float = 10.0) -> Explanation:
        """How the server would run `statement`, on a connection of its own."""
        planner = Planner(self.options.dsn, self.options.password, self.where)
        return await planner.explain(self.name, statement, analyze=analyze, limit=limit)


def _figure(row: Any) -> Figure:
    *labels, (_, value) = row.items()
    return Figure(float(value or 0), tuple((str(name), str(text)[:128]) for name, text in labels))
