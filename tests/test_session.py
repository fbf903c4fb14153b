"""The session on real servers: topics, probes, demand, actions, and backends that fail alone."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from perftui.config import load
from perftui.lab import Lab
from perftui.model.errors import PlanRejected, Unsupported
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.moment import Moment, TimeState
from perftui.model.schedule import TUNING_TOPIC
from perftui.session import Session
from tests.console import session_on, state_dir
from tests.waiting import until

__all__ = ["state_dir"]

pytestmark = pytest.mark.usefixtures("state_dir")


WRITE_AND_DIE = """
import sys, time
from pathlib import Path
from perftui.model.action import Outcome
from perftui.model.auditlog import AuditEntry
from perftui.runtime.audit import Audit
entry = AuditEntry(at=time.time(), run="abc", user="", origin="", env="lab", action="scaling.set",
                   target="pool", outcome=Outcome.STARTED, plan="Scale pool from 3 to 12")
Audit(Path(sys.argv[1])).write(entry)
"""


@asynccontextmanager
async def running(session: Session) -> AsyncIterator[Session]:
    await session.start()
    try:
        yield session
    finally:
        await session.close()


async def frame_with(session: Session, topic: str, ready: Any, within: float = 15.0) -> Frame:
    async with asyncio.timeout(within):
        async for frame in session.watch(topic):
            if ready(frame):
                return frame
    raise AssertionError


async def test_every_engine_reports_on_the_lab(lab: Lab) -> None:
    async with running(session_on(lab)) as session:
        for topic in ("cache", "cdn", "database", "autoscaling", "resources"):
            frame = await frame_with(session, topic, lambda f: f.report is not None)
            assert frame.error == ""
            assert {h.link for h in frame.health.values()} <= {Link.LIVE, Link.LATE, Link.WAITING}
        found = await frame_with(session, "findings", lambda f: f.report is not None)
        assert found.report.score.total > 0


async def test_watching_raises_the_pace_and_leaving_lowers_it(lab: Lab) -> None:
    session = session_on(lab)
    with session.topic("cache").hold():
        async with running(session):
            poller = session._pollers["valkey"]
            assert poller.period == poller.backend.period
    assert poller.period == poller.backend.idle_period
    with session.topic("cache").hold():
        assert poller.period == poller.backend.period
    assert poller.period == poller.backend.idle_period
    with session.topic("findings").hold():
        assert poller.period == poller.backend.idle_period


async def test_probe_publishes_what_it_read_or_why_not(lab: Lab) -> None:
    async with running(session_on(lab)) as session:
        await frame_with(session, "cdn", lambda f: f.report is not None)

        async def look(edge: Any) -> Any:
            return await edge.look_at("/")

        frame = await session.probe("cdn.look", "edge", "EdgeVerifier", look)
        assert frame.report.status == 200
        assert session.frame("cdn.look") is frame

        async def hang(_edge: Any) -> Any:
            await asyncio.Event().wait()

        late = await session.probe("cdn.look", "edge", "EdgeVerifier", hang, deadline=0.05)
        assert "no answer" in late.error
        assert late.report is frame.report
        wrong = await session.probe("cdn.look", "valkey", "EdgeVerifier", look)
        assert "cannot do this" in wrong.error
        gone = await session.probe("cdn.look", "nobody", "EdgeVerifier", look)
        assert "no backend nobody" in gone.error


async def test_actions_are_offered_only_where_they_can_be_done(lab: Lab) -> None:
    async with running(session_on(lab)) as session:
        await frame_with(session, "autoscaling", lambda f: f.report is not None)
        assert session.can("scaling.set", "pool") == (True, "")
        assert not session.can("scaling.set", "valkey")[0]
        assert not session.can("no.such", "pool")[0]
        session.read_only = True
        assert "read-only" in session.can("scaling.set", "pool")[1]
        session.read_only = False
        with pytest.raises(Unsupported):
            session.action("cdn.purge", "pool", targets=["/"])
        with pytest.raises(PlanRejected, match="does not take that"):
            session.action("scaling.set", "pool", colour="red")


async def test_one_lost_backend_leaves_the_others_alone(lab: Lab, tmp_path: Path) -> None:
    text = lab.config_toml() + '\n[env.lab.backends.dead]\nkind = "valkey"\nurl = "redis://127.0.0.1:9/0"\n'
    path = tmp_path / "perftui.toml"
    path.write_text(text, "utf-8")
    config = load(path, "lab", {})
    async with running(Session.open(config, config.environment)) as session:
        frame = await frame_with(
            session,
            "cache",
            lambda f: f.report is not None and f.health["dead"].link is Link.LOST,
        )
        assert frame.health["valkey"].link is Link.LIVE
        assert frame.health["dead"].error
        assert not session.can("cache.purge", "dead")[0]
        events = await frame_with(session, "events", lambda f: f.report is not None)
        assert any(e.title == "dead lost" for e in events.report.events)


async def test_a_secret_that_cannot_be_had_refuses_one_backend_only(lab: Lab, tmp_path: Path) -> None:
    text = (
        lab.config_toml()
        + '\n[env.lab.backends.locked]\nkind = "valkey"\nurl = "redis://127.0.0.1:9/0"\npassword = "env:NO_SUCH"\n'
    )
    path = tmp_path / "perftui.toml"
    path.write_text(text, "utf-8")
    config = load(path, "lab", {})
    async with running(Session.open(config, config.environment)) as session:
        frame = await frame_with(
            session, "cache", lambda f: f.report is not None and f.health["locked"].link is Link.REFUSED
        )
        assert "NO_SUCH" in frame.health["locked"].error


async def test_of_the_past_only_series_are_kept(lab: Lab) -> None:
    async with running(session_on(lab)) as session:
        frame = await frame_with(session, "cache", lambda f: f.report is not None)
        assert session.at(Moment(frame.at), "cache").report is not None
        past = session.at(Moment(frame.at - 60, TimeState.PAST), "cache")
        assert past.report is None
        assert past.at == frame.at - 60
        assert past.error


async def test_close_twice_and_unstarted(lab: Lab) -> None:
    session = session_on(lab)
    await session.close()
    async with running(session_on(lab)) as other:
        await other.close()


async def test_an_action_an_earlier_console_never_ended_is_told(lab: Lab, state_dir: Path) -> None:
    session = session_on(lab)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITE_AND_DIE, str(state_dir / "audit.jsonl")
    )
    assert await child.wait() == 0
    async with running(session):
        wanted = "unfinished: Scale pool from 3 to 12"
        await frame_with(
            session, "events", lambda f: f.report and any(e.title == wanted for e in f.report.events)
        )


async def test_a_store_that_cannot_be_opened_is_said_and_costs_only_memory(lab: Lab, state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (state_dir / "store.sqlite").write_bytes(b"this is no database" * 100)
    config = load(lab.config_path(), "lab", {})
    async with running(Session.open(config, config.environment, remember=True)) as session:
        await frame_with(session, "cache", lambda f: f.report is not None and not f.stale)
        await until(lambda: session.problem, 10)
        assert "store.sqlite" in session.problem
        assert session.history.series(next(iter(session.history.keys("valkey"))), 0, 1e12)


def written(state_dir: Path) -> dict[str, list[Any]]:
    """Every row of a store, whatever its tables."""
    with closing(sqlite3.connect(state_dir / "store.sqlite")) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: store.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}


async def test_who_recalls_sees_what_was_kept_and_writes_nothing(lab: Lab, state_dir: Path) -> None:
    config, before_us = load(lab.config_path(), "lab", {}), {*threading.enumerate()}
    async with running(Session.open(config, config.environment, remember=True)) as session:
        await frame_with(session, "cache", lambda f: f.report is not None and not f.stale)
        session.note("tea")
        ruled = await frame_with(session, "alerts", lambda f: f.report and f.report.evaluated)
        key = next(iter(session.history.keys("valkey")))
        began = next(iter(session.history.series(key, 0, 1e12))).at
    await until(lambda: not any("store writer" in t.name for t in {*threading.enumerate()} - before_us), 10)
    before = written(state_dir)

    async with running(Session.open(config, config.environment, recall=True)) as other:
        frame = await frame_with(other, "alerts", lambda f: f.report and f.report.evaluated)
        assert frame.report.evaluated >= ruled.report.evaluated
        assert [r.rule.name for r in frame.report.rules] == [r.rule.name for r in ruled.report.rules]
        await frame_with(
            other, "events", lambda f: f.report and any(e.title == "tea" for e in f.report.events)
        )
        assert (await frame_with(other, TUNING_TOPIC, lambda f: f.report)).report.rows
        await frame_with(other, "cache", lambda f: f.report is not None and not f.stale)
        await until(lambda: next(iter(other.history.series(key, 0, 1e12))).at <= began + 1, 5)
    assert written(state_dir) == before


async def test_who_recalls_makes_no_store(lab: Lab, state_dir: Path) -> None:
    config = load(lab.config_path(), "lab", {})
    async with running(Session.open(config, config.environment, recall=True)) as session:
        frame = await frame_with(session, "alerts", lambda f: f.error)
        assert "nothing is remembered" in frame.error
    assert not (state_dir / "store.sqlite").exists()
