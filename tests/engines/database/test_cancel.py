"""Cancel and terminate through the Conductor's steps, on a real server: the right one, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from perftui.backends.postgres import Postgres, PostgresOptions
from perftui.engines.database import DatabaseEngine
from perftui.engines.database.cancel import CancelQuery, TerminateSession
from perftui.model.action import Progress, Risk
from perftui.model.database import Session
from perftui.model.errors import PlanRejected
from perftui.model.health import Health, Link
from perftui.model.reading import Look


@pytest.fixture
async def db(postgres: Any) -> AsyncIterator[Postgres]:
    made = Postgres("db", PostgresOptions(dsn=postgres.dsn))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def app(postgres: Any) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        postgres.dsn_of("shop"), server_settings={"application_name": "orders"}
    )
    yield connection
    await ended(postgres, connection.get_server_pid())
    connection.terminate()


async def ended(postgres: Any, pid: int) -> None:
    """End a session for good: a client that hangs up leaves its statement running."""
    admin = await postgres.admin()
    await admin.execute("select pg_terminate_backend($1, 5000)", pid)
    await admin.close()


async def running(db: Postgres, app: Any, sql: str = "select pg_sleep(60), 'secret'") -> asyncio.Task[Any]:
    task = asyncio.ensure_future(app.execute(sql))
    while not (
        (session := await db.find_session(app.get_server_pid()))
        and session.active
        and "sleep" in session.query
    ):
        assert not task.done()
    return task


def quiet(_progress: Progress) -> None:
    pass


async def test_cancel_plans_runs_and_proves(db: Postgres, app: Any) -> None:
    pid = app.get_server_pid()
    task = await running(db, app)
    action = CancelQuery(db, "db", pid=pid)
    plan = await action.plan()
    assert action.target == f"db/{pid}"
    assert plan.count == 1
    assert not plan.reversible
    assert plan.challenge == ""
    text = "\n".join(plan.affects)
    assert f"pid {pid} shop@shop from orders" in text
    assert "pg_sleep(?)" in text
    assert "secret" not in text
    receipt = await action.run(quiet)
    assert receipt.facts["ended"]
    assert "cancelled, gone after" in receipt.summary
    with pytest.raises(asyncpg.QueryCanceledError):
        await task
    with pytest.raises(PlanRejected):
        await action.undo(receipt)


async def test_another_statement_than_the_planned_one_is_spared(db: Postgres, app: Any) -> None:
    first = await running(db, app)
    action = CancelQuery(db, "db", pid=app.get_server_pid())
    await action.plan()
    await db.cancel_query(app.get_server_pid(), *await marks(db, app))
    with pytest.raises(asyncpg.QueryCanceledError):
        await first
    second = await running(db, app, "select pg_sleep(60), 2")
    with pytest.raises(PlanRejected, match="nothing was cancelled"):
        await action.run(quiet)
    assert not second.done()
    second.cancel()


async def marks(db: Postgres, app: Any) -> tuple[float, float]:
    session = await db.find_session(app.get_server_pid())
    assert session is not None
    assert session.query_started is not None
    return session.started, session.query_started


async def test_a_recycled_pid_is_never_hit(db: Postgres, app: Any) -> None:
    pid = app.get_server_pid()
    for kind in (CancelQuery, TerminateSession):
        with pytest.raises(PlanRejected, match="another session"):
            await kind(db, "db", pid=pid, started=1.0).plan()
    task = await running(db, app)
    started, query_started = await marks(db, app)
    with pytest.raises(PlanRejected, match="another statement"):
        await CancelQuery(db, "db", pid=pid, started=started, query_started=query_started - 5).plan()
    assert not task.done()
    task.cancel()


async def test_terminate_asks_for_the_pid_and_ends_the_session(db: Postgres, app: Any) -> None:
    await app.execute("begin")
    pid = app.get_server_pid()
    action = TerminateSession(db, "db", pid=pid)
    plan = await action.plan()
    assert action.risk is Risk.DESTROYS
    assert plan.challenge == str(pid)
    assert "its open transaction rolls back" in plan.warnings
    receipt = await action.run(quiet)
    assert "terminated, gone after" in receipt.summary
    assert await db.find_session(pid) is None
    with pytest.raises(PlanRejected, match="no session has pid"):
        await TerminateSession(db, "db", pid=pid).plan()


async def test_idle_and_own_sessions_have_nothing_to_cancel(db: Postgres, app: Any) -> None:
    await app.execute("begin")
    with pytest.raises(PlanRejected, match="terminate it instead"):
        await CancelQuery(db, "db", pid=app.get_server_pid()).plan()
    own = next(s.pid for s in await db.activity() if s.own)
    with pytest.raises(PlanRejected, match="perftui itself"):
        await TerminateSession(db, "db", pid=own).plan()


class Fixed:
    """A power that shows one session, for what a real server shows only to other logins."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def find_session(self, pid: int) -> Session:
        return replace(self.session, pid=pid)

    async def cancel_query(self, pid: int, started: float, query_started: float) -> bool:
        return True

    async def terminate_session(self, pid: int, started: float) -> bool:
        return True


async def test_a_session_we_may_not_see_is_not_touched() -> None:
    with pytest.raises(PlanRejected, match="pg_monitor"):
        await TerminateSession(Fixed(Session(9, 0.0)), "db", pid=9).plan()


async def test_streams_and_workers_say_what_ending_them_means() -> None:
    stream = await TerminateSession(Fixed(Session(9, 5.0, kind="walsender")), "db", pid=9).plan()
    assert "falls behind" in stream.warnings[0]
    worker = await TerminateSession(Fixed(Session(9, 5.0, kind="autovacuum worker")), "db", pid=9).plan()
    assert "autovacuum" in worker.warnings[0]


async def test_the_engine_offers_what_frees_a_real_pile_up(db: Postgres, postgres: Any, app: Any) -> None:
    await app.execute("begin; select pg_advisory_xact_lock(4711)")
    others = [await asyncpg.connect(postgres.dsn_of("shop")) for _ in range(5)]
    tasks = [asyncio.ensure_future(o.execute("select pg_advisory_xact_lock(4711)")) for o in others]
    engine = DatabaseEngine()
    offers: list[Any] = []
    while not offers:
        look = Look("db", "postgres", await db.read(), Health(Link.LIVE, 0.0))
        report = engine.observe(0.0, {"db": look}, None)  # type: ignore[arg-type]
        offers = [f.offer for f in engine.findings(report) if f.id == "db.lock-storm" and f.offer]
    (offer,) = offers
    assert offer.action == "db.terminate"
    action = TerminateSession(db, offer.source, **dict(offer.params))
    assert (await action.plan()).challenge == str(app.get_server_pid())
    await action.run(quiet)
    await asyncio.gather(*tasks)
    for other in others:
        other.terminate()
