"""EXPLAIN on a connection of its own: read-only, time-boxed, rolled back, never two statements."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from perftui.analysis.sqlplan import read_plan
from perftui.analysis.sqlshape import parameters
from perftui.backends.postgres.trouble import told, within
from perftui.model.database import Explanation
from perftui.model.errors import Unsupported

_ASKED = re.compile(r"explain\b\s*(?:\([^)]*\)|(?:(?:analyze|verbose)\b\s*)*)", re.IGNORECASE)
_OPTIONS = "FORMAT JSON, SETTINGS, VERBOSE"
LONGEST = 1 << 20


class Planner:
    """Asks one server for plans.

    Statements with `$n` are planned by PREPARE under `plan_cache_mode = force_generic_plan`: it
    gives the plan that GENERIC_PLAN (16 and later) gives, on every version, and over the extended
    protocol, which refuses a second statement. The NULLs bound to EXECUTE are never looked at.
    """

    def __init__(self, dsn: str, password: str, where: str) -> None:
        self._dsn = dsn
        self._password = password
        self._where = where

    async def explain(self, source: str, statement: str, *, analyze: bool, limit: float) -> Explanation:
        """The plan of one statement; with `analyze` it is executed inside the read-only transaction."""
        text = _one(statement, self._where)
        generic = parameters(text)
        if generic and analyze:
            raise Unsupported("A statement with $n parameters cannot be run: put values in their place")
        async with within(self._where, limit + 2.0):
            connection = await self._connect(limit)
            try:
                began = time.monotonic()
                raw = await (
                    self._generic(connection, text) if generic else self._plain(connection, text, analyze)
                )
                took = time.monotonic() - began
            finally:
                connection.terminate()
        with told(self._where):
            plan = read_plan(raw)
        if generic:
            plan = replace(plan, settings=tuple(s for s in plan.settings if s[0] != "plan_cache_mode"))
        return Explanation(source, statement, plan, generic, analyze, took, raw)

    async def _connect(self, limit: float) -> Any:
        import asyncpg

        return await asyncpg.connect(
            self._dsn,
            password=self._password or None,
            statement_cache_size=0,
            server_settings={
                "application_name": "perftui",
                "default_transaction_read_only": "on",
                "statement_timeout": str(int(limit * 1000)),
                "lock_timeout": "2000",
            },
        )

    async def _plain(self, connection: Any, text: str, analyze: bool) -> str:
        options = _OPTIONS + (", ANALYZE, BUFFERS, WAL" if analyze else "")
        if analyze:
            await self._stop_with_us(connection)
        transaction = connection.transaction(readonly=True)
        await transaction.start()
        rows = await connection.fetch(f"EXPLAIN ({options}) {text}")
        await transaction.rollback()
        return _joined(rows)

    async def _stop_with_us(self, connection: Any) -> None:
        """Ask the server to notice when we hang up; not every platform of the server can."""
        import asyncpg

        try:
            await connection.execute("SET client_connection_check_interval = '500ms'")
        except asyncpg.PostgresError:
            return  # then its statement_timeout ends it

    async def _generic(self, connection: Any, text: str) -> str:
        await connection.fetch(f"PREPARE perftui_explain AS {text}")
        row = await connection.fetchrow(
            "select cardinality(parameter_types) as n from pg_prepared_statements "
            "where name = 'perftui_explain'"
        )
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        values = "(" + ", ".join(["NULL"] * row["n"]) + ")" if row["n"] else ""
        return _joined(await connection.fetch(f"EXPLAIN ({_OPTIONS}) EXECUTE perftui_explain{values}"))


def _one(statement: str, where: str) -> str:
    """The statement without its last semicolon; Unsupported for nothing, too much, or NUL."""
    text = _ASKED.sub("", statement.strip(), count=1) if _ASKED.match(statement.strip()) else statement
    text = text.strip().rstrip(";").strip()
    if not text:
        raise Unsupported(f"{where}: there is no statement to explain")
    if len(text) > LONGEST:
        raise Unsupported(f"{where}: the statement is longer than 1 MiB")
    if "\x00" in text:
        raise Unsupported(f"{where}: the statement holds a NUL character, which PostgreSQL has no place for")
    return text


def _joined(rows: list[Any]) -> str:
    return "\n".join(str(row[0]) for row in rows)
