"""The PostgreSQL backend against real servers: looks, statements, locks, plans, acting, bad days."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from perftui.backends.postgres import Postgres, questions
from perftui.model.database import DatabaseReading
from perftui.model.errors import BackendError, Lost, Refused, Unsupported
from perftui.model.ports import (
    ActivityReader,
    Explainer,
    FigureSource,
    QueryCanceller,
    SettingsReader,
    StatementReader,
)
from tests.backends.contract import At, BackendContract, Make
from tests.backends.pg import backend_of, facts, seen, session_of

Connect = Callable[[], Awaitable[Any]]


@pytest.fixture
async def db(postgres: Any) -> AsyncIterator[Postgres]:
    made = backend_of(postgres.dsn)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def client(postgres: Any) -> AsyncIterator[Connect]:
    """Connections of an application, closed at the end."""
    made: list[Any] = []

    async def connect() -> Any:
        settings = {"application_name": "orders"}
        made.append(await asyncpg.connect(postgres.dsn_of("shop"), server_settings=settings))
        return made[-1]

    yield connect
    for connection in made:
        connection.terminate()


class TestContract(BackendContract):
    powers = (FigureSource, ActivityReader, Explainer, QueryCanceller, SettingsReader, StatementReader)

    @pytest.fixture
    def live(self, postgres: Any) -> Make:
        return lambda: backend_of(postgres.bare_dsn, password=postgres.password)

    @pytest.fixture
    def at(self, postgres: Any, secret: str) -> At:
        return lambda port: backend_of(f"postgresql://perftui:{secret}@127.0.0.1:{port}/shop")

    @pytest.fixture
    def wrong_login(self, postgres: Any) -> Make:
        return lambda: backend_of(postgres.bare_dsn, password="not-this-one")

    @pytest.fixture
    def secret(self, postgres: Any) -> str:
        return str(postgres.password)


async def test_figures_agree_with_an_independent_client(db: Postgres, postgres: Any, client: Connect) -> None:
    app = await client()
    await app.execute("begin")
    admin = await postgres.admin()
    reading = await facts(db)
    rows = await admin.fetch("select pid from pg_stat_activity where backend_type = 'client backend'")
    await admin.close()
    assert reading.connections.used == len(rows)
    assert reading.connections.maximum == int(await app.fetchval("show max_connections"))
    assert reading.connections.idle_in_transaction >= 1
    mine = session_of(reading, app.get_server_pid())
    assert mine is not None
    assert (mine.user, mine.app, mine.state, mine.own) == ("shop", "orders", "idle in transaction", False)
    assert mine.idle_in_transaction
    assert sum(1 for s in reading.sessions if s.own) >= 2


async def test_rates_follow_the_counters(db: Postgres, client: Connect) -> None:
    app = await client()
    await facts(db)
    for _ in range(50):
        await app.execute("select 1")
    # A backend reports its counters at most once a second, and when it ends.
    await app.close()
    assert await seen(db, lambda r: (r.totals.tps or 0) > 1)


async def test_statements_are_deltas_and_leave_our_own_out(db: Postgres, client: Connect) -> None:
    app = await client()
    await app.execute("select count(*) from generate_series(1, 1000) as before_the_first_look")
    await facts(db)
    statement = await app.prepare("select pg_sleep($1::float8) as marker_statement")
    for _ in range(3):
        await statement.fetch(0.01)

    def pick(reading: DatabaseReading) -> Any:
        work = reading.workload
        return work and next((s for s in work.statements if "marker_statement" in s.text), None)

    found = await seen(db, pick)
    assert found.calls == 3
    assert 0.009 < found.mean_s < 0.2
    assert found.user == "shop"
    assert found.database == "shop"
    work = (await facts(db)).workload
    assert work is not None
    assert not any("before_the_first_look" in s.text for s in work.statements)
    assert not any(questions.MARK in s.text for s in work.statements)
    assert sum(s.share for s in work.statements) <= 1.0001
    assert "marker_statement" not in await db.statement_text(1)
    assert "pg_sleep($1" in await db.statement_text(found.query_id)


async def test_a_reset_gives_no_negative_figures(db: Postgres, postgres: Any, client: Connect) -> None:
    app = await client()
    for _ in range(20):
        await app.fetch("select 'reset_probe', $1::int", 1)
    await facts(db)
    admin = await postgres.admin()
    await admin.execute("select pg_stat_statements_reset(), pg_stat_reset()")
    await admin.close()
    await app.fetch("select 'reset_probe', $1::int", 1)
    for _ in range(3):
        reading = await db.read()
        assert all(m.value >= 0 for m in reading.samples), reading.samples


async def test_lock_waits_are_seen_with_who_blocks(db: Postgres, client: Connect) -> None:
    holder, waiter = await client(), await client()
    await holder.execute("create temp table if not exists unrelated(x int)")
    await holder.execute(
        "begin; lock table pg_temp.unrelated in access exclusive mode; select pg_advisory_xact_lock(77)"
    )
    flight = asyncio.ensure_future(waiter.execute("select pg_advisory_xact_lock(77)"))
    pid, root = waiter.get_server_pid(), holder.get_server_pid()
    reading = await seen(db, lambda r: r if (s := session_of(r, pid)) and s.blocked_by else None)
    waiting = session_of(reading, pid)
    assert waiting is not None
    assert waiting.blocked_by == (root,)
    assert (waiting.wait_class, waiting.wait_event) == ("Lock", "advisory")
    assert dict(reading.waits)["Lock"] == 1
    assert reading.connections.waiting == 1
    wanted = [lock for lock in reading.locks if lock.pid == pid and not lock.granted]
    assert wanted[0].target == "advisory 0/77"
    assert (wanted[0].waited or 0) >= 0
    assert any(lock.granted and lock.pid == root for lock in reading.locks)
    await holder.execute("rollback")
    await flight
    assert (await facts(db)).locks == ()


async def test_cancel_hits_only_that_statement_of_that_session(db: Postgres, client: Connect) -> None:
    app = await client()
    pid = app.get_server_pid()
    flight = asyncio.ensure_future(app.execute("select pg_sleep(60)"))
    await seen(db, lambda r: (s := session_of(r, pid)) and s.active)
    found = await db.find_session(pid)
    assert found is not None
    assert found.query_started is not None
    assert not await db.cancel_query(pid, found.started + 1, found.query_started)
    assert not await db.cancel_query(pid, found.started, found.query_started - 1)
    assert not await db.terminate_session(pid, found.started - 1)
    assert not flight.done()
    assert await db.cancel_query(pid, found.started, found.query_started)
    with pytest.raises(asyncpg.QueryCanceledError):
        await flight
    assert await app.fetchval("select 1") == 1
    assert await db.terminate_session(pid, found.started)
    await seen(db, lambda r: session_of(r, pid) is None)
    assert await db.find_session(pid) is None


async def test_activity_is_all_sessions(db: Postgres, client: Connect) -> None:
    app = await client()
    assert app.get_server_pid() in {s.pid for s in await db.activity()}


async def test_explain_plain_generic_and_for_real(db: Postgres, client: Connect) -> None:
    plain = await db.explain("select * from pg_class where relname = 'x' -- why;")
    assert not plain.plan.executed
    assert not plain.generic
    generic = await db.explain("select * from pg_class where relname = $1 and oid = $2;")
    assert generic.generic
    assert any("$1" in line for node in generic.plan.nodes for line in node.detail)
    assert "plan_cache_mode" not in dict(generic.plan.settings)
    again = await db.explain("explain (analyze, buffers) select 1")
    assert not again.plan.executed
    real = await db.explain("select count(*) from generate_series(1, 1000)", analyze=True)
    assert real.plan.executed
    assert real.plan.execution_s is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "selec",
        "select 1; drop table if exists orders",
        "select $1",
        "vacuum",
        "select '\x00'",
        "select 1) ; delete from pg_class; --",
        "\x1b[2J",
    ],
)
async def test_what_cannot_be_planned_is_told_in_a_sentence(db: Postgres, text: str) -> None:
    if text == "select $1":  # a lone parameter is text to the server
        assert (await db.explain(text)).generic
        return
    with pytest.raises(Unsupported) as caught:
        await db.explain(text)
    assert str(caught.value).isprintable()


async def test_explain_never_changes_anything(db: Postgres, client: Connect) -> None:
    app = await client()
    await app.execute("create table if not exists explain_probe as select 1 as x")
    await db.explain("delete from explain_probe")
    with pytest.raises(Unsupported, match="read-only"):
        await db.explain("delete from explain_probe", analyze=True)
    with pytest.raises(Unsupported, match="parameters"):
        await db.explain("select * from explain_probe where x = $1", analyze=True)
    assert await app.fetchval("select count(*) from explain_probe") == 1
    await app.execute("drop table explain_probe")


async def test_explain_for_real_ends_at_its_limit(db: Postgres) -> None:
    began = time.monotonic()
    with pytest.raises(Lost):
        await db.explain("select pg_sleep(30)", analyze=True, limit=0.3)
    assert time.monotonic() - began < 3
    await seen(db, lambda r: not any("pg_sleep(30)" in s.query and s.active for s in r.sessions))


async def test_a_standby_tells_its_own_side(postgres: Any, postgres_replica: Any) -> None:
    standby, primary = backend_of(postgres_replica.dsn), backend_of(postgres.dsn)
    mine = await facts(standby)
    mine = await facts(standby)
    assert mine.server.standby
    assert mine.receiver is not None
    assert mine.receiver.status == "streaming"
    assert mine.receiver.lag_s is not None
    replicas = await seen(primary, lambda r: r.replicas)
    assert replicas[0].state == "streaming"
    assert replicas[0].replay_bytes is not None
    assert replicas[0].lag_s is not None
    await asyncio.gather(standby.close(), primary.close())


async def test_a_login_without_rights_says_what_it_lacks(postgres: Any) -> None:
    admin = await postgres.admin()
    await admin.execute("drop role if exists poor; create role poor login password 'poor'")
    parts = urlsplit(postgres.dsn)
    poor = backend_of(f"postgresql://poor:poor@{parts.hostname}:{parts.port}/shop")
    try:
        reading = await facts(poor)
        remedies = {limit.remedy for limit in reading.limits}
        assert 'GRANT pg_monitor TO "poor";' in remedies
        assert 'GRANT pg_signal_backend TO "poor";' in remedies
        other = next(s for s in await poor.activity() if s.app == "lab")
        assert (other.started, other.state) == (0.0, "")
        assert not await poor.terminate_session(other.pid, other.started)
    finally:
        await poor.close()
        await admin.execute("drop role poor")
        await admin.close()


async def test_a_superusers_session_is_out_of_reach(db: Postgres, postgres: Any) -> None:
    admin = await postgres.admin()
    found = await db.find_session(admin.get_server_pid())
    assert found is not None
    with pytest.raises(Refused):
        await db.terminate_session(found.pid, found.started)
    await admin.close()


async def test_without_the_extension_the_rest_is_there(postgres: Any) -> None:
    parts = urlsplit(postgres.dsn)
    bare = backend_of(
        f"postgresql://{parts.netloc.rpartition('@')[0]}@{parts.hostname}:{parts.port}/postgres"
    )
    try:
        reading = await facts(bare)
        assert reading.workload is None
        assert [limit.remedy for limit in reading.limits] == ["CREATE EXTENSION pg_stat_statements;"]
        with pytest.raises(Unsupported, match="CREATE EXTENSION"):
            await bare.statement_text(1)
    finally:
        await bare.close()


@pytest.mark.parametrize("where", ["no_such_database", "shop"])
async def test_a_refused_login_names_place_not_secret(postgres: Any, where: str) -> None:
    parts = urlsplit(postgres.dsn)
    password = postgres.password if where != "shop" else "wrong-secret"
    db = backend_of(f"postgresql://perftui:{password}@{parts.hostname}:{parts.port}/{where}")
    with pytest.raises(Refused) as caught:
        await db.open()
    text = str(caught.value)
    assert f"{parts.hostname}:{parts.port}/{where} as perftui" in text
    assert password not in text
    await db.close()


async def test_killed_paused_and_back(db: Postgres, postgres: Any) -> None:
    await facts(db)
    await postgres.pause()
    try:
        began = time.monotonic()
        with pytest.raises(Lost):
            await db.read()
        assert time.monotonic() - began < db.deadline
    finally:
        await postgres.resume()
    assert (await facts(db)).server.version >= 150000
    await postgres.kill()
    with pytest.raises(Lost):
        await db.read()
    await postgres.start()
    reading = await db.read()
    assert all(m.value >= 0 for m in reading.samples)
    assert reading.facts.totals.tps is None


async def fill(client: Connect, most: int) -> list[Any]:
    """Connections until the server has no room for another."""
    hoard: list[Any] = []
    try:
        while len(hoard) < most:
            hoard.append(await client())
    except asyncpg.TooManyConnectionsError:
        return hoard
    raise AssertionError("the server never filled up")


async def test_a_full_server_can_still_be_rescued(db: Postgres, postgres: Any, client: Connect) -> None:
    room = (await facts(db)).connections
    hoard = await fill(client, room.maximum + 1)
    other = backend_of(postgres.dsn)
    with pytest.raises(Lost):
        await other.read()
    await other.close()
    found = await db.find_session(hoard[0].get_server_pid())
    assert found is not None
    assert await db.terminate_session(found.pid, found.started)


async def test_concurrent_reads_and_deeds_do_not_meet(db: Postgres) -> None:
    pid = next(s.pid for s in await db.activity() if s.own)
    answers = await asyncio.gather(*(db.read() for _ in range(5)), *(db.find_session(pid) for _ in range(5)))
    assert len(answers) == 10


async def test_a_select_tells_numbers_with_labels_and_changes_nothing(db: Postgres) -> None:
    rows = await db.figures("SELECT 'EUR' AS currency, 12.5 UNION ALL SELECT 'JPY', 900 ORDER BY 1")
    assert [(f.labels, f.value) for f in rows] == [
        ((("currency", "EUR"),), 12.5),
        ((("currency", "JPY"),), 900.0),
    ]
    assert [f.value for f in await db.figures("SELECT count(*) FROM pg_class WHERE false")] == [0.0]
    for wrong in ("CREATE TABLE t (i int)", "SELECT 1; SELECT 2", "SELECT 'x'"):
        with pytest.raises(BackendError):
            await db.figures(wrong)
