"""`perftui db` against a real server: rows on stdout, plans first, exit codes that can be scripted."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from perftui.cli import main
from tests.waiting import until


@pytest.fixture
def config(postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(postgres.password)
    file = tmp_path / "perftui.toml"
    file.touch(0o600)
    file.write_text(
        '[env.test]\nkind = "test"\n'
        f'[env.test.backends.db]\nkind = "postgres"\ndsn = "{postgres.bare_dsn}"\npassword = "file:{secret}"\n'
    )
    return str(file)


@pytest.fixture
async def app(postgres: Any) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        postgres.dsn_of("shop"), server_settings={"application_name": "orders"}
    )
    yield connection
    connection.terminate()


async def db(config: str, *words: str) -> int:
    """The command in a thread: it runs a loop of its own."""
    return await asyncio.to_thread(main, ["db", words[0], "--config", config, *words[1:]])


async def test_active_lists_sessions(config: str, app: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert await db(config, "active", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    mine = next(row for row in rows if row["pid"] == app.get_server_pid())
    assert mine["app"] == "orders"
    assert await db(config, "active") == 0
    assert f"{app.get_server_pid()} shop@shop orders" in capsys.readouterr().out


async def test_locks_shows_the_tree(
    config: str, app: Any, postgres: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await app.execute("begin; select pg_advisory_xact_lock(31)")
    other = await asyncpg.connect(postgres.dsn_of("shop"))
    waiting = asyncio.ensure_future(other.execute("select pg_advisory_xact_lock(31)"))
    admin = await postgres.admin()
    while not await admin.fetchval("select count(*) from pg_locks where not granted"):
        assert not waiting.done()
    assert await db(config, "locks") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{app.get_server_pid()} blocks 1")
    assert lines[1].startswith(f"  {other.get_server_pid()} wants Exclusive on advisory 0/31")
    assert await db(config, "locks", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["waiting"]) == 2
    await app.execute("rollback")
    await waiting
    other.terminate()
    await admin.close()


async def test_top_ranks_what_ran_meanwhile(
    config: str, app: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    statement = await app.prepare("select pg_sleep($1::float8) as top_marker")
    running = True

    async def load() -> None:
        while running:
            await statement.fetch(0.02)

    task = asyncio.ensure_future(load())
    try:
        assert await db(config, "top", "--json") == 0
    finally:
        running = False
        await task
    work = json.loads(capsys.readouterr().out)
    assert any("top_marker" in item["text"] for item in work["statements"])


async def test_replicas_says_what_there_is(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await db(config, "replicas") == 0
    assert "slot replica" in capsys.readouterr().out


async def test_explain_plans_and_refuses_nonsense(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "q.sql"
    file.write_text("select * from pg_class where relname = $1;\n")
    assert await db(config, "explain", str(file), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["generic"]
    assert answer["plan"]["nodes"][0]["rows"] is None
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"select count(*) from generate_series(1,10)"))
    )
    assert await db(config, "explain", "-", "--analyze") == 0
    assert "Aggregate" in capsys.readouterr().out
    file.write_text("drop table orders; select 1")
    assert await db(config, "explain", str(file)) == 3
    assert "perftui:" in capsys.readouterr().err
    assert await db(config, "explain", str(tmp_path / "nowhere.sql")) == 2


async def test_cancel_dry_run_refusal_and_deed(
    config: str, app: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = str(app.get_server_pid())
    flight = asyncio.ensure_future(app.execute("select pg_sleep(60)"))
    assert await db(config, "cancel", pid, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["action"] == "db.cancel"
    assert not flight.done()
    assert await db(config, "cancel", pid) == 4
    assert not flight.done()
    assert await db(config, "cancel", pid, "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["facts"]["ended"]
    with pytest.raises(asyncpg.QueryCanceledError):
        await flight


async def test_terminate_ends_the_session_and_is_audited(
    config: str, app: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = str(app.get_server_pid())
    assert await db(config, "terminate", pid, "--yes") == 0
    assert f"pid {pid}: session terminated" in capsys.readouterr().out
    await until(app.is_closed)
    audit = (tmp_path / "state" / "audit.jsonl").read_text()
    assert audit.count("db.terminate") == 2
    assert await db(config, "terminate", pid, "--yes") == 4


async def test_a_server_that_is_not_there_is_three(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(config)
    text = file.read_text()
    file.write_text(text.replace(text.partition("@127.0.0.1:")[2].partition("/")[0], "1"))
    assert await db(config, "active") == 3
    assert "PostgreSQL 127.0.0.1:1/shop" in capsys.readouterr().err
