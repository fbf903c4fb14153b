"""What this server and this login can do, found out once a connection, each lack with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perftui.backends.postgres import questions
from perftui.backends.postgres.link import Link
from perftui.model.database import Limitation
from perftui.model.errors import BackendError, Protocol, Refused, Unsupported

OLDEST = 140000

_CREATE = "CREATE EXTENSION pg_stat_statements;"
_PRELOAD = "shared_preload_libraries = 'pg_stat_statements' and a restart"


@dataclass(frozen=True, slots=True)
class Abilities:
    """The result of the probe; `statements_schema` is quoted, empty when the extension is out of reach."""

    version: int
    database: str
    user: str
    cluster: str
    statements_schema: str
    limits: tuple[Limitation, ...]


async def probe(link: Link) -> Abilities:
    """Ask; Unsupported for servers older than 14."""
    row = await link.row(questions.single("probe", 0, ()))
    if row is None:
        raise Protocol(f"{link.where}: the server answered the first question with nothing")
    if row["version"] < OLDEST:
        raise Unsupported(
            f"{link.where}: PostgreSQL {row['version'] // 10000}; 14 is the oldest perftui reads"
        )
    schema = row["statements_schema"] or ""
    limits = _rights(row) + await _statements(link, row, schema)
    usable = schema if not any(limit.what.startswith("statement statistics") for limit in limits) else ""
    return Abilities(
        version=row["version"],
        database=row["database"],
        user=row["user"],
        cluster=row["cluster"] or "",
        statements_schema=usable,
        limits=limits,
    )


def _rights(row: Any) -> tuple[Limitation, ...]:
    user = '"' + row["user"].replace('"', '""') + '"'
    found = []
    if not row["all_stats"]:
        found.append(
            Limitation("other users' statements and states are hidden", f"GRANT pg_monitor TO {user};")
        )
    if not (row["signals"] or row["super"]):
        what = "only this user's own sessions can be cancelled"
        found.append(Limitation(what, f"GRANT pg_signal_backend TO {user};"))
    return tuple(found)


async def _statements(link: Link, row: Any, schema: str) -> tuple[Limitation, ...]:
    what = "statement statistics are missing"
    if not schema:
        loaded = row["statements_track"] is not None
        return (Limitation(what, _CREATE if loaded else f"{_PRELOAD}, then {_CREATE}"),)
    try:
        await link.row(f"select {questions.MARK} 1 from {schema}.pg_stat_statements(false) limit 1")  # noqa: S608
    except Refused:
        return (
            Limitation(what, f'GRANT EXECUTE ON FUNCTION {schema}.pg_stat_statements TO "{row["user"]}";'),
        )
    except BackendError:
        return (Limitation(what, _PRELOAD),)
    return ()
