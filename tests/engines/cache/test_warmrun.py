"""A run ordered at a real server: done by a node of a real cache, waited for, taken back, given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache import warmrun
from perftui.engines.cache.warmrun import WarmRun
from perftui.instrument.cache import warming as warm
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.warming import Warming
from perftui.model.action import Progress
from perftui.model.errors import Cancelled, Lost, PartlyDone, PlanRejected
from perftui.model.options import ValkeyOptions
from perftui.model.warmqueue import Told, queue_key
from tests.rows import Rows
from tests.waiting import auntil

KEYS = [f"k{n}" for n in range(20)]
RUN = "0123456789ab"


@pytest.fixture
async def console(valkey: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Valkey]:
    monkeypatch.setattr(warm, "BEAT", 0.03)
    monkeypatch.setattr(warmrun, "LOOK", 0.03)
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def node(valkey: Any, console: Valkey, rows: Rows) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=valkey.url, source=rows) as cache:
        assert await Warming(cache, KEYS, rate=None, asked_every=0.02).ready(1.0)
        yield cache


def action(console: Valkey, **more: Any) -> WarmRun:
    return WarmRun(console, "cache", namespace="shop", name="start", run=RUN, rate=1000.0, **more)


def quiet(_progress: Progress) -> None:
    """Nobody looks."""


async def test_a_node_does_it_and_each_word_of_it_is_told(node: Cache, console: Valkey, rows: Rows) -> None:
    await node.remove_many(["k3", "k4"])
    one = action(console)
    plan = await one.plan()
    assert (plan.summary, plan.reversible) == ("warm cache shop start at 1000 loads a second", False)
    heard: list[Told] = []

    async def tell(told: Told) -> None:
        heard.append(told)

    one.tell = tell  # type: ignore[method-assign]
    seen: list[Progress] = []
    receipt = await one.run(seen.append)
    assert receipt.summary == "cache shop start: 2 keys loaded, 18 fresh already"
    assert (heard[-1].over, heard[-1].node, seen[-1].done, seen[-1].total) == (True, node.node, 20, 20)
    again = await action(console).run(quiet)  # the same id: it is over, and nothing is done twice
    assert (again.done, rows.loads.total()) == (2, 22)
    with pytest.raises(PlanRejected):
        await one.undo(receipt)


async def test_named_keys(node: Cache, console: Valkey, rows: Rows) -> None:
    one = action(console, what="keys", keys=["x", "y"])
    assert (await one.plan()).affects[0] == "2 keys: x, y"
    assert (await one.run(quiet)).done == 2
    with pytest.raises(PlanRejected, match="there are none"):
        await action(console, what="keys").plan()


async def test_failures_are_partly_done_and_told_by_kind(node: Cache, console: Valkey, rows: Rows) -> None:
    await node.remove("k3")
    rows.failing = True
    with pytest.raises(PartlyDone, match=r"0 keys loaded, 19 fresh already, 1 failed \(OSError\)"):
        await action(console).run(quiet)
    with pytest.raises(PartlyDone, match="Hot"):
        await WarmRun(
            console, "cache", namespace="shop", name="start", run="ba9876543210", what="top", top=5
        ).run(quiet)


async def test_cancelled_it_is_taken_back(node: Cache, console: Valkey, rows: Rows) -> None:
    await node.remove_many(KEYS)
    rows.gate.clear()
    running = asyncio.ensure_future(action(console).run(quiet))

    async def begun() -> bool:
        told, _ = await console.warm_told("shop", "start", RUN)
        return told is not None

    await auntil(begun)
    running.cancel()
    with pytest.raises(Cancelled, match="taken back"):
        await running
    assert await console._work.one("XLEN", queue_key("shop", "start"), deadline=2) == 0


async def test_nobody_there_it_is_given_up_and_withdrawn(
    console: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmrun, "PATIENCE", 0.2)
    with pytest.raises(PartlyDone, match="no node took it"):
        await action(console).run(quiet)
    assert await console._work.one("XLEN", queue_key("shop", "start"), deadline=2) == 0


async def test_a_node_that_falls_silent_is_not_waited_for_long(
    node: Cache, console: Valkey, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmrun, "PATIENCE", 0.3)
    await node.remove_many(KEYS)
    rows.gate.clear()
    running = asyncio.ensure_future(action(console).run(quiet))

    async def begun() -> bool:
        told, _ = await console.warm_told("shop", "start", RUN)
        return told is not None and told.beat > 1

    await auntil(begun)  # one that lives is, however slow its loads are
    await node.close()
    with pytest.raises(PartlyDone, match="says nothing any more"):
        await running


async def test_an_order_that_a_failover_lost_is_given_again(valkey: Any, console: Valkey, rows: Rows) -> None:
    running = asyncio.ensure_future(action(console).run(quiet))
    queue = queue_key("shop", "start")
    await auntil(lambda: console._work.one("XLEN", queue, deadline=2))
    await console._work.one("DEL", queue, deadline=2)
    await auntil(lambda: console._work.one("XLEN", queue, deadline=2))
    async with Cache("shop", l2=valkey.url, source=rows) as cache:
        assert await Warming(cache, KEYS, rate=None, asked_every=0.02).ready(1.0)
        assert (await running).facts["fresh"] == 20


async def test_a_server_that_is_away_from_the_start_is_lost() -> None:
    away = Valkey("cache", ValkeyOptions(url="redis://127.0.0.1:1/0"))
    with pytest.raises(Lost):
        await action(away).run(quiet)


@pytest.mark.parametrize("odd", [{"run": "no"}, {"name": "A b"}, {"what": "all"}])
async def test_what_is_no_run_is_no_action(console: Valkey, odd: dict[str, str]) -> None:
    with pytest.raises(PlanRejected, match="which keys"):
        WarmRun(console, "cache", **({"namespace": "shop", "name": "start", "run": RUN} | odd))
