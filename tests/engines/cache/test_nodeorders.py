"""Loads ended and refused writes tried again at real nodes, planned, told and not undone; in a cluster too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines.cache import nodeorders as module
from perftui.engines.cache.nodeorders import CancelLoad, RetryWrites
from perftui.instrument.cache import Cache, stats, writequeue
from perftui.instrument.cache.context import LoadTimeout
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.lab.cluster import Cluster
from perftui.model.action import Progress
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected
from perftui.model.nodeorders import orders_key
from perftui.model.noderecord import INDEX, pack
from perftui.model.nodework import LongLoad, NodeWork, WaitingItem, mark_of
from perftui.model.options import ValkeyClusterOptions, ValkeyOptions
from perftui.model.tiers import TierStats
from tests.conftest import need_valkey
from tests.instrument.cache.test_orders import Book, Broken, Hang, long, work
from tests.topologies import a_cluster
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    monkeypatch.setattr(module, "LOOK", 0.03)
    monkeypatch.setattr(writequeue, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(writequeue, "GROWTH", 1.2)


@pytest.fixture
async def console(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


def quiet(_progress: object) -> None:
    """Nobody looks."""


def cancelling(console: Any, key: str, mark: str = "") -> CancelLoad:
    return CancelLoad(console, "cache", namespace="shop", key=key, mark=mark)


def retrying(console: Any) -> RetryWrites:
    return RetryWrites(console, "cache", namespace="shop")


async def planned(action: CancelLoad | RetryWrites) -> Any:
    """Its plan, once nodes have told enough for one."""

    async def plan() -> Any:
        try:
            return await action.plan()
        except PlanRejected:
            return None

    return await auntil(plan)


async def publish(console: Valkey, *nodes: TierStats) -> None:
    """Records that no node renews."""
    now = int((await console._work.one("TIME", deadline=5))[0])
    for one in nodes:
        key = f"__node:{one.namespace}:{one.node}"
        await console._work.one("SET", key, pack(one, now), deadline=5)
        await console._work.one("ZADD", INDEX, now, key, deadline=5)


async def test_a_load_is_cancelled_at_two_of_three_nodes(console: Valkey, valkey: Any) -> None:
    async with (
        Cache("shop", l2=valkey.url) as a,
        Cache("shop", l2=valkey.url) as b,
        Cache("shop", l2=valkey.url) as idle,
    ):
        hang = Hang()
        waiting = [asyncio.ensure_future(cache.get_or_set("slow", hang)) for cache in (a, b)]
        await until(lambda: hang.calls == 2)
        await idle._publisher.publish()  # type: ignore[union-attr]
        with pytest.raises(PlanRejected, match="cache shop slow: no node loads it for longer than 1 s"):
            await cancelling(console, "slow").plan()
        long(a, "slow", 90.0)
        long(b, "slow", 40.0)
        action = cancelling(console, "slow")

        async def both() -> Any:
            plan = await planned(action)
            return plan if plan.count == 2 else None

        plan = await auntil(both)
        assert plan.summary == "cache shop slow: end its load, at 3 nodes"
        assert plan.affects[0].startswith(f"{a.node[:8]}: for 1 m 3")
        assert plan.affects[1].startswith(f"{b.node[:8]}: for 4")
        assert plan.affects[2] == "who waits gets the stale value if there is one, else LoadTimeout"
        assert (plan.reversible, plan.undo_note) == (False, "")  # it says that this cannot be undone
        seen: list[Progress] = []
        receipt = await action.run(seen.append)
        assert receipt.summary == "cache shop slow: cancelled at 2 of 3 nodes"
        assert (receipt.done, receipt.untouched, seen[-1]) == (2, 0, Progress(3, 3, "nodes"))
        for caller in waiting:
            with pytest.raises(LoadTimeout):
                await caller
        with pytest.raises(PlanRejected, match="a load is not begun again"):
            await action.undo(receipt)
        again = await action.run(quiet)  # the same order: each has obeyed it
        assert again.done == 2


async def test_a_key_that_is_cut_is_named_by_its_mark(console: Valkey, valkey: Any) -> None:
    keys = ["k" * 300 + end for end in ("a", "b")]
    async with Cache("shop", l2=valkey.url) as cache:
        hang = Hang()
        waiting = [asyncio.ensure_future(cache.get_or_set(key, hang)) for key in keys]
        await until(lambda: hang.calls == 2)
        for key in keys:
            long(cache, key)
        await planned(cancelling(console, keys[1]))
        with pytest.raises(PlanRejected) as refused:
            await cancelling(console, "k" * 200).plan()
        assert sorted(map(mark_of, keys)) == str(refused.value).rpartition(" of ")[2].split(", ")
        for key, how in zip(
            keys, ({"key": mark_of(keys[0])}, {"key": "k", "mark": mark_of(keys[1])}), strict=True
        ):
            action = CancelLoad(console, "cache", namespace="shop", **how)
            await action.plan()
            assert (await action.run(quiet)).done == 1
            assert key not in cache.loads()
        for caller in waiting:
            with pytest.raises(LoadTimeout):
                await caller


async def test_one_that_nodes_have_no_room_to_tell_of_is_ended_too(console: Valkey, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url) as cache:
        hang = Hang()
        waiting = [asyncio.ensure_future(cache.get_or_set(f"k{n}", hang)) for n in range(7)]
        await until(lambda: hang.calls == 7)
        for n in range(7):
            long(cache, f"k{n}", 60.0 - n)
        action = cancelling(console, "k6")
        plan = await planned(action)
        assert plan.warnings == ("no node tells of it: they tell of their five oldest loads, and run more",)
        assert (await action.run(quiet)).summary == "cache shop k6: cancelled at 1 of 1 node"
        action = cancelling(console, "none")
        await action.plan()
        assert (await action.run(quiet)).summary == "cache shop none: no node was loading it any more"
        hang.gate.set()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert ended[:6] == ["loaded"] * 6
        assert isinstance(ended[6], LoadTimeout)


async def test_nodes_that_do_not_obey_are_told(
    console: Valkey, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    load = NodeWork((LongLoad("k", mark_of("k"), 99.0),), 1)
    await publish(console, TierStats("shop", "deafnode9", work=load), TierStats("shop", "mute"))
    action = cancelling(console, "k")
    assert (await action.plan()).warnings == ("1 nodes tell of no work: their version obeys no order",)
    with pytest.raises(PartlyDone) as partly:
        await action.run(quiet)
    assert partly.value.receipt.summary == "cache shop k: cancelled at 0 of 1 node; not told yet by deafnode"
    assert (partly.value.receipt.done, partly.value.receipt.untouched) == (0, 1)
    monkeypatch.setattr(module, "PATIENCE", 30.0)
    await console._work.one("UNLINK", orders_key("shop"), deadline=5)
    running = asyncio.ensure_future(action.run(quiet))

    async def ordered() -> bool:
        return bool(await console._work.one("EXISTS", orders_key("shop"), deadline=5))

    await auntil(ordered)
    running.cancel()
    with pytest.raises(Cancelled):
        await running
    await console._work.one("ZREM", INDEX, "__node:shop:deafnode9", deadline=5)
    with pytest.raises(PlanRejected, match="of a version that obeys no order"):
        await cancelling(console, "k").plan()
    await console._work.one("ZREM", INDEX, "__node:shop:mute", deadline=5)
    for action_ in (cancelling(console, "k"), retrying(console)):
        with pytest.raises(PlanRejected, match="no node publishes it"):
            await action_.plan()
        with pytest.raises(PlanRejected, match="nothing was planned"):
            await action_.run(quiet)


async def test_a_node_that_dies_meanwhile_is_not_waited_for(console: Valkey, valkey: Any) -> None:
    load = NodeWork((LongLoad("k", mark_of("k"), 99.0),), 1)
    await publish(console, TierStats("shop", "dying", work=load))
    action = cancelling(console, "k")
    await action.plan()
    running = asyncio.ensure_future(action.run(quiet))
    await console._work.one("ZREM", INDEX, "__node:shop:dying", deadline=5)
    assert (await running).summary == "cache shop k: cancelled at 0 of 1 node"


async def test_dead_letters_are_tried_again(console: Valkey, valkey: Any) -> None:
    book = Book(5)
    behind = WriteBehind(book)
    await behind.start()
    async with Cache("shop", l2=valkey.url, writes=behind) as cache, Cache("shop", l2=valkey.url) as other:
        await auntil(lambda: _both(console))
        with pytest.raises(PlanRejected, match="no write waits, and there is no dead letter"):
            await retrying(console).plan()
        await cache.write("k\x1b[2J", "v", how="behind")
        await until(lambda: cache.stats().gauges["writes.dead"] == 1)
        action = retrying(console)
        plan = await planned(action)
        assert plan.summary == "cache shop: try again 1 dead letter and 0 writes"
        assert plan.affects[:2] == (
            f"{cache.node[:8]}: 1 dead letter",
            "  failed last: ValueError: no such column",
        )
        assert plan.warnings == (
            "a letter goes over what was written of its key since, unless the writer minds sequences",
        )
        receipt = await action.run(quiet)
        assert receipt.summary == "cache shop: 1 write tried again, obeyed at 2 of 2 nodes"
        assert receipt.facts == {"nodes": {cache.node: 1, other.node: 0}}
        await until(lambda: book.writes == [("k\x1b[2J", "v")])
        with pytest.raises(PlanRejected, match="writes are not taken back"):
            await action.undo(receipt)


async def _both(console: Valkey) -> bool:
    return len((await console.nodes()).records) == 2


async def test_what_a_node_cannot_do_is_partly_done(console: Valkey, valkey: Any) -> None:
    behind = WriteBehind(Book(0), Broken())
    await behind.start()
    async with Cache("shop", l2=valkey.url, writes=behind) as cache:
        waits = NodeWork(waiting=(WaitingItem("write", "a\x1bb", 3.0),), error="why")
        gauges = {
            "writes.waiting": 2.0,
            "writes.oldest_s": 3.0,
            "writes.dead_shared": 1.0,
            "writes.dead": -1e300,
        }
        await publish(console, TierStats("shop", "n" * 32, gauges=gauges, work=waits))
        await auntil(lambda: _both(console))
        action = retrying(console)
        plan = await action.plan()
        assert plan.affects[:3] == (
            "nnnnnnnn: 1 dead letter in the journal of all nodes, 2 writes waiting, the oldest for 3.00 s",
            "  a?b",
            "  failed last: why",
        )
        await console._work.one("ZREM", INDEX, f"__node:shop:{'n' * 32}", deadline=5)
        with pytest.raises(PartlyDone) as partly:
            await action.run(quiet)
        assert partly.value.receipt.failed == (f"{cache.node[:8]}: disk full?[2J",)


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


async def test_in_a_cluster_too(cluster: Cluster) -> None:
    places = ",".join(f"{one.host}:{one.port}" for one in cluster.masters)
    options = ValkeyClusterOptions(url=f"redis+cluster://{places}", password=cluster.masters[0].password)
    console = ValkeyCluster("shards", options)
    async with Cache("shop", l2=cluster.url) as a, Cache("shop", l2=cluster.url) as b:
        hang = Hang()
        waiting = [asyncio.ensure_future(cache.get_or_set("slow", hang)) for cache in (a, b)]
        await until(lambda: hang.calls == 2)
        for cache in (a, b):
            long(cache, "slow")
        action = cancelling(console, "slow")

        async def both() -> bool:
            return bool((await planned(action)).count == 2)

        await auntil(both, 10)
        receipt = await action.run(quiet)
        assert (receipt.done, work(a).loads) == (2, ())
        for caller in waiting:
            with pytest.raises(LoadTimeout):
                await caller
    await console.close()
