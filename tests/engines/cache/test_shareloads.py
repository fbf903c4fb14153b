"""Loads shared by real nodes because a console said so, within seconds, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.engines.cache import obeyed
from perftui.engines.cache.shareloads import NOT_REACHED, ShareLoads, shared
from perftui.instrument.cache import SHARED, Cache, stats
from perftui.model.cache import CommandSample, HotKey, Replication
from perftui.model.errors import PlanRejected
from perftui.model.noderecord import INDEX, pack
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import SharedLoads, TierStats
from perftui.model.tierview import TierFacts, TierNode
from tests.engines.cache.test_findings import NOW, conclude
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    monkeypatch.setattr(obeyed, "LOOK", 0.03)


@pytest.fixture
async def console(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


def quiet(_progress: object) -> None:
    """Nobody looks."""


def setting(console: Any, word: str) -> ShareLoads:
    return ShareLoads(console, "cache", namespace="shop", shared=word)


async def together(a: Cache, b: Cache, key: str) -> int:
    """Both miss the key before either has it; how often it was loaded."""
    loads = 0
    both = asyncio.Event()

    async def load() -> int:
        nonlocal loads
        loads += 1
        if loads == 2:
            both.set()
        try:
            await asyncio.wait_for(both.wait(), 0.3)
        except TimeoutError:
            pass
        return 7

    assert await asyncio.gather(a.get_or_set(key, load), b.get_or_set(key, load)) == [7, 7]
    return loads


async def test_nodes_share_their_loads_and_go_back(console: Valkey, valkey: Any) -> None:
    async with (
        Cache("shop", l2=valkey.url) as a,
        Cache("shop", l2=valkey.url) as b,
        Cache("shop", l2=valkey.url, defaults=SHARED) as already,
    ):
        for cache in (a, b, already):
            await cache._publisher.publish()  # type: ignore[union-attr]
        assert await together(a, b, "before") == 2
        action = setting(console, "on")
        plan = await action.plan()
        assert plan.summary == "cache shop: one load for all processes"
        assert plan.affects == (
            "2 nodes: a load in each process → one load for all processes",
            "1 node: one load for all processes → one load for all processes",
            *NOT_REACHED,
        )
        assert (plan.count, plan.reversible, plan.undo_note) == (3, True, "back to the nodes' own way")
        assert "takes a lease in L2" in plan.warnings[0]
        receipt = await action.run(quiet)
        assert receipt.summary.endswith("one load for all processes, obeyed at 3 of 3 nodes")
        assert await together(a, b, "after") == 1
        with pytest.raises(PlanRejected, match="is in force already"):
            await setting(console, "on").plan()
        second = setting(console, "off")
        assert "loaded by every process at once" in (await second.plan()).warnings[0]
        off = await second.run(quiet)
        assert not already.defaults.shared_flight
        with pytest.raises(PlanRejected, match="a load in each process is in force by now"):
            await action.undo(receipt)
        await second.undo(off)
        assert (await action.undo(receipt)).summary == "shop: back to the nodes' own way"
        await until(lambda: not a.defaults.shared_flight and already.defaults is SHARED)
        assert await together(a, b, "at last") == 2


async def test_a_ttl_that_is_set_stays(console: Valkey, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url) as cache:
        await cache._publisher.publish()  # type: ignore[union-attr]
        await console.set_namespace_ttl("shop", 90.0)
        action = setting(console, "on")
        await action.plan()
        receipt = await action.run(quiet)
        await until(lambda: (cache.defaults.ttl, cache.defaults.shared_flight) == (90.0, True))
        await action.undo(receipt)
        await until(lambda: (cache.defaults.ttl, cache.defaults.shared_flight) == (90.0, False))


@pytest.mark.parametrize("odd", ["0.5", "2", "inf", "-1"])
async def test_what_is_neither_on_nor_off_is_not_obeyed(console: Valkey, valkey: Any, odd: str) -> None:
    async with Cache("shop", l2=valkey.url) as cache:
        await console._work.one("ZADD", "__policy:shop", odd, "shared.1", deadline=5)
        await until(lambda: cache.stats().of("policy.refused") == 1)
        assert cache.stats().shared == SharedLoads(now=False, own=False)
        assert await console.namespace_shared("shop") is None


async def test_nodes_that_cannot_are_told_and_other_words_refused(console: Valkey) -> None:
    with pytest.raises(PlanRejected, match="shared loads are `on`, `off`, or `default`"):
        await setting(console, "maybe\x1b[31m").plan()
    with pytest.raises(PlanRejected, match="no node publishes it"):
        await setting(console, "on").plan()
    now = int((await console._work.one("TIME", deadline=5))[0])
    await console._work.one("SET", "__node:shop:old", pack(TierStats("shop", "old"), now), deadline=5)
    await console._work.one("ZADD", INDEX, now, "__node:shop:old", deadline=5)
    with pytest.raises(PlanRejected, match="they have no lock that others see"):
        await setting(console, "on").plan()


def node(name: str, told: SharedLoads | None) -> TierNode:
    return TierNode(name, "n" * 32, NOW, shared=told)


ALONE, ONE = SharedLoads(now=False, own=False), SharedLoads(now=True, own=True)
HERD = HotKey(b"shop:menu:home", 9, 0.09, 0.05, writes=6, writers=3, loads=6)
SAMPLE = CommandSample(NOW - 5, 0.5, 100, (HERD,), (("get", 94), ("set", 6)))


def test_a_stampede_offers_it_where_the_namespace_is_known() -> None:
    tiers = TierFacts((node("shop", ONE), node("shop:menu", ALONE), node("shop:menu", ONE)))
    found = conclude(watched=SAMPLE, tiers=tiers)["cache.stampede"]
    assert found.offer is not None
    assert (found.offer.action, dict(found.offer.params)) == (
        "cache.share-loads",
        {"namespace": "shop:menu", "shared": "on"},
    )
    assert (found.gain, found.gain_unit) == (10.0, "requests/s")


def test_and_nothing_where_that_is_so_or_not_known_or_at_a_replica() -> None:
    for tiers in (None, TierFacts((node("shop:menu", ONE),)), TierFacts((node("shop:menu", None),))):
        assert conclude(watched=SAMPLE, tiers=tiers)["cache.stampede"].offer is None
    copies = Replication("replica", primary="10.0.0.1:6379", link_up=True)
    tiers = TierFacts((node("shop:menu", ALONE),))
    assert conclude(watched=SAMPLE, tiers=tiers, replication=copies)["cache.stampede"].offer is None
    assert shared("cache", tiers, b"other:1") is None
