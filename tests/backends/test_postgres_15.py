"""The oldest PostgreSQL release we promise, from the distribution's package."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from perftui.lab.ports import free_port
from perftui.lab.processes import Command, spawn, until
from perftui.model.database import DatabaseReading
from tests.backends.pg import backend_of, facts, seen, session_of
from tests.needs import needs

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_preload_libraries": "pg_stat_statements",
}


@pytest.fixture(scope="session")
async def postgres15(server_folder: Any) -> AsyncIterator[str]:
    """DSN of a fresh cluster."""
    needs("postgresql-15", PROGRAMS.exists(), "apt-get install postgresql-15")
    folder, port = server_folder.part("postgres-15"), free_port()
    log, owner, data = folder / "log", server_folder.owner, folder / "data"
    words = [PROGRAMS / "initdb", "-D", data, "-U", "perftui", "-A", "trust", "--no-sync", "-E", "UTF8"]
    init = await spawn("initdb", Command([str(word) for word in words], folder, log, owner))
    await init.wait(60)
    settings = [
        word for key, value in (SETTINGS | {"port": str(port)}).items() for word in ("-c", f"{key}={value}")
    ]
    command = [str(PROGRAMS / "postgres"), "-D", str(data), *settings]
    server = await spawn("postgres-15", Command(command, folder, log, owner, death=signal.SIGQUIT))
    dsn = f"postgresql://perftui@127.0.0.1:{port}/postgres"
    connection = await until(lambda: answering(dsn), 30, "PostgreSQL 15")
    await connection.execute("create extension pg_stat_statements")
    await connection.close()
    yield dsn
    await server.stop(signal.SIGINT, grace=5.0)


async def answering(dsn: str) -> Any:
    """A connection, or None while the server takes none."""
    with contextlib.suppress(OSError, asyncpg.PostgresError):
        return await asyncpg.connect(dsn)


async def test_the_oldest_release_we_promise(postgres15: str) -> None:
    db = backend_of(postgres15)
    app = await asyncpg.connect(postgres15)
    reading = await facts(db)
    assert reading.server.version // 10000 == 15
    assert reading.limits == ()
    await app.execute("create table old_marker as select g as id from generate_series(1, 1000) g")
    for _ in range(3):
        await app.fetch("select count(*) from old_marker where id = $1", 5)

    def pick(found: DatabaseReading) -> Any:
        work = found.workload
        return work and next((s for s in work.statements if "where id = $1" in s.text), None)

    found = await seen(db, pick)
    assert found.calls == 3
    plan = (await db.explain(found.text)).plan
    assert any("$1" in line for node in plan.nodes for line in node.detail)
    real = await db.explain("select count(*) from old_marker", analyze=True)
    assert real.plan.executed
    flight = asyncio.ensure_future(app.execute("select pg_sleep(60)"))
    pid = app.get_server_pid()
    await seen(db, lambda r: (s := session_of(r, pid)) and s.active)
    mark = await db.find_session(pid)
    assert mark is not None
    assert await db.cancel_query(pid, mark.started, mark.query_started or 0.0)
    with pytest.raises(asyncpg.QueryCanceledError):
        await flight
    app.terminate()
    await db.close()
