"""The database screen on real servers: figures, plans, cancel and terminate by key, loss and return."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.console import console, state_dir
from tests.sizes import sizes
from tests.waiting import auntil

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")
HOSTILE = 'select 1 as "\x1b[2J\u202eevil"\n -- \x07'


class Place:
    """Where the console finds its configuration: PostgreSQL alone, without a whole lab."""

    def __init__(self, file: Path, server: Any) -> None:
        self.file = file
        self.server = server

    def config_path(self) -> Path:
        return self.file


@pytest.fixture
def place(postgres: Any, tmp_path: Path) -> Any:
    secret, file = tmp_path / "secret", tmp_path / "perftui.toml"
    for path in (secret, file):
        path.touch(0o600)
    secret.write_text(postgres.password)
    file.write_text(
        '[env.lab]\nkind = "lab"\n[env.lab.backends.postgres]\nkind = "postgres"\n'
        f'dsn = "{postgres.bare_dsn}"\npassword = "file:{secret}"\n'
    )
    return Place(file, postgres)


@pytest.fixture
async def client(postgres: Any) -> AsyncIterator[Callable[[], Any]]:
    made: list[Any] = []

    async def connect() -> Any:
        made.append(
            await asyncpg.connect(postgres.dsn_of("shop"), server_settings={"application_name": "orders"})
        )
        return made[-1]

    yield connect
    admin = await postgres.admin()
    for connection in made:  # a client that hangs up leaves its statement running
        if not connection.is_closed():
            await admin.execute("select pg_terminate_backend($1, 5000)", connection.get_server_pid())
        connection.terminate()
    await admin.close()


def outcomes(state_dir: Path) -> list[tuple[str, str]]:
    lines = (state_dir / "audit.jsonl").read_text("utf-8").splitlines()
    return [(row["action"], row["outcome"]) for row in map(json.loads, lines)]


async def test_overview_agrees_with_the_server(place: Any, client: Any) -> None:
    app = await client()
    await app.execute("begin")
    async with console(place, "database.overview") as seen:
        await seen.sees(r"postgres · PostgreSQL 18")
        await seen.sees(r"primary · shop")
        found = await seen.sees(r" (\d+)/(\d+) ")
        assert int(found[2]) == int(await app.fetchval("show max_connections"))
        await seen.sees("1 in xact")


async def test_a_statement_is_ranked_and_explained_by_key(place: Any, client: Any) -> None:
    app = await client()
    async with console(place, "database.queries") as seen:
        await seen.sees(r"Statements of postgres")
        limit, n = time.monotonic() + 30, 0
        # Other tests left more statements than one look takes in: only one made since a look is surely new.
        while "flow_marker" not in await seen.text():
            n += 1
            sql = f"select relname as flow_marker_{n} from pg_class where relname = $1 and pg_sleep(0.02) is not null"
            await app.fetch(sql, "pg_class")
            assert time.monotonic() < limit
        await seen.press("/")
        await seen.types("flow_marker")
        await seen.press("w")
        await seen.sees(r"▸Analyzer")
        await seen.sees(r"generic plan, not run")
        await seen.sees(r"Index (Only )?Scan .*pg_class")
        await seen.press("T")
        await seen.sees("has no values to run with")


async def test_typed_sql_is_planned_and_run_only_when_asked(place: Any) -> None:
    async with console(place, "database.analyzer") as seen:
        await seen.sees("no plan yet")
        await seen.press("r")
        await seen.sees("planned, not run")
        await seen.types("select count(*) from generate_series(1,1000)")
        await seen.sees(r"plan, not run")
        await seen.sees("Function Scan on generate_series")
        await seen.press("T")
        await seen.sees("Run this statement for real")
        await seen.press("down", "enter")
        await seen.sees(r"run for real, rolled back")
        await seen.sees(r"ran \d")
        await seen.press("r")
        await seen.types("drop table orders")
        await seen.sees("not explained: .*syntax error")
        await seen.sees("Function Scan on generate_series")


async def test_the_root_of_a_pile_up_is_terminated_by_key(place: Any, client: Any, state_dir: Path) -> None:
    root, waiters = await client(), [await client() for _ in range(2)]
    await root.execute("begin; select pg_advisory_xact_lock(99)")
    tasks = [asyncio.ensure_future(w.execute("select pg_advisory_xact_lock(99)")) for w in waiters]
    pid = root.get_server_pid()
    async with console(place, "database.locks") as seen:
        await seen.sees(rf"■ {pid} +2")
        await seen.sees(r"wants Exclusive on")
        if "━ Waiting ━" not in await seen.text():
            await seen.press("shift+tab")
        await seen.sees(r"━ Waiting ━")
        await seen.press("K")
        await seen.sees(f"Terminate session {pid}")
        await seen.sees("its open transaction rolls back")
        await seen.types("1")
        await seen.sees("not the text asked for")
        await seen.press("backspace")
        await seen.types(str(pid))
        await seen.sees("terminated, gone after")
        await seen.press("escape")
        await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert outcomes(state_dir) == [("db.terminate", "started"), ("db.terminate", "done")]
    assert root.is_closed()


async def test_a_statement_is_cancelled_by_key_and_declined_first(
    place: Any, client: Any, state_dir: Path
) -> None:
    app = await client()
    task = asyncio.ensure_future(app.execute("select pg_sleep(60) as flow_cancel, 'private'"))
    async with console(place, "database.locks") as seen:
        await seen.sees(r"Timeout PgS")
        await seen.press("/")
        await seen.types("flow_cancel")
        await seen.press("x")
        await seen.sees("Cancel the statement of pid")
        await seen.sees(r"pg_sleep\(\?\)")
        await seen.press("n")
        await seen.sees("declined")
        assert not task.done()
        await seen.press("x")
        await seen.sees("Cancel the statement of pid")
        await seen.press("y")
        await seen.sees("cancelled, gone after")
    with pytest.raises(asyncpg.QueryCanceledError):
        await task
    assert outcomes(state_dir) == [("db.cancel", "declined"), ("db.cancel", "started"), ("db.cancel", "done")]
    assert "private" not in (state_dir / "audit.jsonl").read_text()


async def test_read_only_refuses(place: Any, client: Any) -> None:
    app = await client()
    async with console(place, "database.locks", read_only=True) as seen:
        await seen.sees(str(app.get_server_pid()))
        await seen.press("K")
        await seen.sees("read-only")
    assert await app.fetchval("select 1") == 1


async def test_hostile_sql_stays_inert(place: Any, client: Any) -> None:
    app = await client()
    await app.fetch(HOSTILE)
    async with console(place, "database.locks", (200, 60)) as seen:
        text = (await seen.sees(r"evil")).string
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\x07" not in text


async def test_lost_and_live_again(place: Any) -> None:
    async with console(place, "database.overview") as seen:
        await seen.sees(r"primary · shop")
        await place.server.kill()
        await seen.sees(r"(?i)lost")
        await seen.sees(r"PostgreSQL 18")
        await place.server.start()
        await seen.sees(r"● live", 30)


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (160, 48), (200, 60)))
async def test_every_tab_fits(place: Any, size: tuple[int, int]) -> None:
    async with console(place, "database.overview", size) as seen:
        await seen.sees("transactions")
        for word in ("Statements of", "Analyzer", "Replicas of", "Sessions of"):
            await seen.press("]")
            await seen.sees(word)
            lines = (await seen.text()).splitlines()
            assert len(lines) <= size[1]


async def test_panes_turn_where_there_is_no_room(place: Any) -> None:
    async with console(place, "database.analyzer", (80, 24)) as seen:
        await seen.press("r")
        await seen.types("select 1")
        await seen.sees("Result")
        await seen.press("v")
        await seen.sees("Statement on postgres")
        await seen.press("v")
        await seen.sees("Remarks")


async def test_with_a_replica_the_lag_is_told(place: Any, postgres: Any, postgres_replica: Any) -> None:
    admin = await postgres.admin()
    streams = "select count(*) from pg_stat_replication where state = 'streaming'"
    await auntil(lambda: admin.fetchval(streams), 60)
    await admin.close()
    async with console(place, "database.replicas") as seen:
        await seen.sees(r"● streaming")
        await seen.sees(r"alone-postgres-replica|replica")
