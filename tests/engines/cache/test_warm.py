"""Nodes of a real cache, asked by the console to warm their keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache import warm
from perftui.engines.cache.warm import WarmKeys
from perftui.instrument.cache import stats
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.warming import Warming
from perftui.model.action import Progress
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected
from perftui.model.noderecord import NodeRecord, pack, unpack
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import TierStats
from perftui.model.warmask import ASK_LARGEST, WarmSet, ask_key, warm_sets
from tests.rows import Rows
from tests.waiting import auntil, until

KEYS = [f"k{n}" for n in range(20)]


@pytest.fixture
async def console(valkey: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Valkey]:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    monkeypatch.setattr(warm, "LOOK", 0.03)
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
async def nodes(valkey: Any, console: Valkey, rows: Rows) -> AsyncIterator[list[Cache]]:
    """Two, each with twenty warm keys, whose records tell so."""
    made = [Cache("shop", l2=valkey.url, source=rows) for _ in range(2)]
    for cache in made:
        assert await Warming(cache, KEYS, asked_every=0.02).ready(1.0)

    async def told() -> bool:
        sets = warm_sets((await console.nodes()).records)
        return len(sets) == 2 and all(one.runs == 1 for one in sets)

    await auntil(told)
    yield made
    for cache in made:
        await cache.close()


def quiet(_progress: Progress) -> None:
    """Nobody looks."""


async def test_they_load_what_is_not_fresh_once_for_all(
    nodes: list[Cache], console: Valkey, rows: Rows
) -> None:
    await nodes[0].remove_many(["k3", "k4"])
    action = WarmKeys(console, "cache", namespace="shop")
    plan = await action.plan()
    assert (plan.count, plan.reversible) == (20, False)
    assert plan.affects[0].startswith("nodes: 2; keys: 20")
    seen: list[Progress] = []
    receipt = await action.run(seen.append)
    assert receipt.summary == "cache shop start: 2 keys loaded at 2 nodes"
    assert (receipt.done, rows.loads.total()) == (2, 22)
    assert (seen[-1].done, seen[-1].total) == (40, 40)
    with pytest.raises(PlanRejected):
        await action.undo(receipt)
    assert len(await console._work.one("GET", ask_key("shop", "start"), deadline=2)) <= ASK_LARGEST


async def test_keys_that_fail_are_said(nodes: list[Cache], console: Valkey, rows: Rows) -> None:
    await nodes[0].remove("k3")
    rows.failing = True
    action = WarmKeys(console, "cache", namespace="shop")
    await action.plan()
    with pytest.raises(PartlyDone, match="failed") as found:
        await action.run(quiet)
    assert found.value.receipt.facts["loaded"] == 0


async def test_cancelled_or_alone_it_waits_no_longer(nodes: list[Cache], console: Valkey) -> None:
    for cache in nodes:
        for part in cache._parts:
            part._listening.cancel()  # type: ignore[attr-defined] - nobody does what is asked
    action = WarmKeys(console, "cache", namespace="shop")
    await action.plan()
    running = asyncio.ensure_future(action.run(quiet))
    await auntil(lambda: console._work.one("EXISTS", ask_key("shop", "start"), deadline=2))
    running.cancel()
    with pytest.raises(Cancelled, match="go on"):
        await running
    running = asyncio.ensure_future(action.run(quiet))
    for cache in nodes:
        await cache.close()
    await until(running.done)
    with pytest.raises(PartlyDone, match="gone"):
        await running


@pytest.mark.parametrize("odd", [{"namespace": "other"}, {"name": "other"}, {"name": "a.b\x1b"}])
async def test_a_set_nobody_has_is_no_plan(nodes: list[Cache], console: Valkey, odd: dict[str, str]) -> None:
    action = WarmKeys(console, "cache", **({"namespace": "shop"} | odd))
    with pytest.raises(PlanRejected, match="no node"):
        await action.plan()
    with pytest.raises(PlanRejected, match="planned"):
        await action.run(quiet)


def test_figures_nobody_can_have_are_not_believed() -> None:
    gauges = {"warm.a.total": 1e308, "warm.a.left": -1e308}
    told = unpack(pack(TierStats("shop", "n", {"warm.a.runs": 1}, gauges), 1.0))
    assert [(one.total, one.left) for one in warm_sets([told])] == [(10**9, 0)]


def test_sets_are_read_from_records() -> None:
    counts = {"warm.a.runs": 2, "warm.a.failed": 1, "warm.b-1.runs": 1, "warm.x.loaded": 4, "hit.l1": 3}
    told = unpack(pack(TierStats("shop", "n", counts, {"warm.a.total": 9.0, "warm.a.leads": 1.0}), 1.0))
    assert warm_sets([told, NodeRecord(TierStats("none", "m"), 1.0)]) == (
        WarmSet("shop", "n", "a", 2, 0, 0, 1, 9, 0, leads=True),
        WarmSet("shop", "n", "b-1", 1, 0, 0, 0, 0, 0, leads=False),
    )
