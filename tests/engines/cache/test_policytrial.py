"""Reads of a real server recorded in looks and replayed by policies, bounded, stopped half-way, on the tab."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perftui.analysis import accesstrace
from perftui.analysis.policies import OPTIMUM, POLICIES
from perftui.backends.valkey import Valkey
from perftui.backends.valkey.link import Link, parse_url
from perftui.engines.cache import policytrial
from perftui.engines.cache.policytrial import PolicyTrial
from perftui.model.action import Progress
from perftui.model.errors import Cancelled, PlanRejected
from perftui.model.options import ValkeyOptions
from perftui.model.policytable import PolicyTable
from tests.waiting import until


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    await made._work.ask([("SET", f"item:{n}", b"x" * (50 + n)) for n in range(200)], 5)
    yield made
    await made.close()


@pytest.fixture
async def traffic(valkey: Any, server: Valkey) -> AsyncIterator[None]:
    """A client that reads few items often and all of them in turn."""

    async def visit() -> None:
        link = Link(parse_url(valkey.url))
        try:
            for turn in range(10**9):
                names = [f"item:{n}" for n in (turn % 5, turn % 200, turn % 3)]
                await link.ask([("GET", name) for name in names], 5)
        finally:
            await link.close()

    task = asyncio.create_task(visit())
    yield
    task.cancel()


async def test_what_is_read_is_recorded_and_replayed(
    server: Valkey, traffic: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Progress] = []
    folder = tmp_path / "traces"
    act = PolicyTrial(server, "cache", folder=str(folder), looks=3, length=0.3, pause=0.05, kept=1)
    plan = await act.plan()
    assert "3 looks" in plan.summary
    assert "65 to 85 % more CPU" in plan.warnings[0]
    receipt = await act.run(told.append)
    table = receipt.facts["table"]
    assert isinstance(table, PolicyTable)
    assert 3 < table.keys <= 200
    assert [row.entries for row in table.rows] == sorted(row.entries for row in table.rows)
    assert [name for name, _ in table.rows[0].hits] == [*POLICIES, OPTIMUM]
    for row in table.rows:
        best = row.of(OPTIMUM)
        assert best is not None
        assert all(hit <= best + 1e-9 for _, hit in row.hits)
    assert [p.note for p in told if "sizes" in p.note]
    (file,) = folder.glob("*.trace")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert accesstrace.read(file.read_bytes()).distinct == table.keys
    await act.run(told.append)
    assert len(list(folder.glob("*.trace"))) == 1
    monkeypatch.setattr(policytrial, "MOST", 10)
    full = (await act.run(told.append)).facts["table"]
    assert full.accesses == 10


async def test_stopped_it_keeps_what_was_recorded(server: Valkey, traffic: None, tmp_path: Path) -> None:
    told: list[Progress] = []
    act = PolicyTrial(server, "cache", folder=str(tmp_path), looks=50, length=0.1, pause=60)
    running = asyncio.create_task(act.run(told.append))
    await until(lambda: told, 20)
    running.cancel()
    with pytest.raises(Cancelled) as stopped:
        await running
    assert stopped.value.receipt is not None
    file = Path(stopped.value.receipt.facts["file"])
    assert len(accesstrace.read(file.read_bytes())) == stopped.value.receipt.done > 0


async def test_nothing_read_and_too_much_asked_are_refused(server: Valkey, tmp_path: Path) -> None:
    with pytest.raises(PlanRejected, match="nothing was read"):
        await PolicyTrial(server, "cache", folder=str(tmp_path), looks=1, length=0.05).run(lambda _p: None)
    assert not list(tmp_path.iterdir())
    with pytest.raises(PlanRejected, match="1 to 1000 looks"):
        await PolicyTrial(server, "cache", folder=str(tmp_path), looks=0).plan()
