"""The TTL of a namespace set for real nodes, obeyed within seconds, and taken back; a cluster's too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines.cache import obeyed
from perftui.engines.cache.ttl import NOT_REACHED, SetTtl, longer
from perftui.instrument.cache import Cache, stats
from perftui.lab.cluster import Cluster
from perftui.model.action import Progress
from perftui.model.cache import CommandSample, HotKey, Replication
from perftui.model.errors import Cancelled, PlanRejected
from perftui.model.namespacepolicy import TTL, policy_key
from perftui.model.noderecord import INDEX, pack
from perftui.model.options import ValkeyClusterOptions, ValkeyOptions
from perftui.model.tiers import DefaultTtl, EntryOptions, TierStats
from perftui.model.tierview import TierFacts, TierNode
from tests.conftest import need_valkey
from tests.engines.cache.test_findings import NOW, conclude, minute
from tests.topologies import a_cluster
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

KEY = policy_key("shop")


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


def setting(console: Any, ttl: str) -> SetTtl:
    return SetTtl(console, "cache", namespace="shop", ttl=ttl)


async def done(action: SetTtl) -> Any:
    await action.plan()
    return await action.run(quiet)


async def test_two_nodes_obey_within_seconds_and_go_back(console: Valkey, valkey: Any) -> None:
    async with (
        Cache("shop", l2=valkey.url) as a,
        Cache("shop", l2=valkey.url, defaults=EntryOptions(ttl=60.0)) as b,
        Cache("shop", l2=valkey.url, defaults=EntryOptions(ttl=0.0)) as none,
    ):
        for cache in (a, b, none):
            await cache._publisher.publish()  # type: ignore[union-attr]
        action = setting(console, "2m")
        plan = await action.plan()
        assert plan.summary == "cache shop: a TTL of 2 m for entries given none"
        assert sorted(plan.affects) == sorted(
            (
                "1 node: 5 m → 2 m",
                "1 node: 1 m → 2 m",
                "1 node: not kept → not kept: its options let nothing be stored",
                *NOT_REACHED,
            )
        )
        assert (plan.count, plan.reversible, plan.undo_note) == (3, True, "back to the nodes' own TTL")
        assert "served for longer" in plan.warnings[0]
        seen: list[Progress] = []
        receipt = await action.run(seen.append)
        assert (a.defaults.ttl, b.defaults.ttl, none.defaults.ttl) == (120.0, 120.0, 0.0)
        assert (receipt.done, receipt.untouched, seen[-1]) == (3, 0, Progress(3, 3, "nodes"))
        assert receipt.summary.endswith("a TTL of 2 m for entries given none, obeyed at 3 of 3 nodes")
        with pytest.raises(PlanRejected, match="a TTL of 2 m for entries given none is in force already"):
            await setting(console, "120s").plan()
        second = await done(setting(console, "1h"))
        with pytest.raises(PlanRejected, match="a TTL of 1 h is in force by now"):
            await setting(console, "2m").undo(receipt)
        assert (await setting(console, "1h").undo(second)).summary == "shop: back to a TTL of 2 m"
        await until(lambda: a.defaults.ttl == b.defaults.ttl == 120.0)
        back = await setting(console, "2m").undo(receipt)
        assert back.summary == "shop: back to the nodes' own TTL"
        await until(lambda: (a.defaults.ttl, b.defaults.ttl) == (300.0, 60.0))
        assert not await console._work.one("EXISTS", KEY, deadline=5)


async def test_it_goes_back_to_the_options_also_by_itself(console: Valkey, valkey: Any) -> None:
    async with Cache("shop", l2=valkey.url) as cache:
        await cache._publisher.publish()  # type: ignore[union-attr]
        await done(setting(console, "2m"))
        action = setting(console, "default")
        assert (await action.plan()).affects[0] == "1 node: 2 m → 5 m, 5 m by its options"
        receipt = await action.run(quiet)
        assert cache.defaults.ttl == 300.0
        await action.undo(receipt)
        await until(lambda: cache.defaults.ttl == 120.0)
    await until_gone(console)
    with pytest.raises(PlanRejected, match="no node publishes it"):
        await setting(console, "3m").plan()
    await done(setting(console, "default"))  # nobody is there; what was set goes
    with pytest.raises(PlanRejected, match="no node publishes it"):
        await setting(console, "default").plan()


async def until_gone(console: Valkey) -> None:
    async def none() -> bool:
        return not (await console.nodes()).records

    await auntil(none)


@pytest.mark.parametrize("ttl", ["5", "0s", "-1m", "9999d", "soon\x1b[31m"])
async def test_what_is_no_duration_is_refused(console: Valkey, ttl: str) -> None:
    with pytest.raises(PlanRejected) as refused:
        await setting(console, ttl).plan()
    assert "\x1b" not in str(refused.value)
    with pytest.raises(PlanRejected, match="nothing was planned"):
        await setting(console, "5m").run(quiet)


async def test_nonsense_that_stands_there_makes_room(console: Valkey, valkey: Any) -> None:
    ask = console._work.one
    async with Cache("shop", l2=valkey.url) as cache:
        await cache._publisher.publish()  # type: ignore[union-attr]
        for odd in (("ZADD", KEY, "inf", TTL), ("SET", KEY, b"x" * 9999)):
            await ask("UNLINK", KEY, deadline=5)
            await ask(*odd, deadline=5)
            await until(lambda: cache.policy._odd)
            assert await console.namespace_ttl("shop") is None
            receipt = await done(setting(console, "2m"))
            assert (cache.defaults.ttl, receipt.undo["before"]) == (120.0, None)
            await setting(console, "2m").undo(receipt)
        await ask("SET", KEY, "x", deadline=5)
        await console.set_namespace_ttl("shop", None)
        assert not await ask("EXISTS", KEY, deadline=5)


async def test_nodes_that_do_not_obey_are_told(
    console: Valkey, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(obeyed, "PATIENCE", 0.3)
    now = int((await console._work.one("TIME", deadline=5))[0])
    for node, ttl in (("deaf", DefaultTtl(60.0, 60.0)), ("mute", None)):
        await console._work.one(
            "SET", f"__node:shop:{node}", pack(TierStats("shop", node, ttl=ttl), now), deadline=5
        )
        await console._work.one("ZADD", INDEX, now, f"__node:shop:{node}", deadline=5)
    action = setting(console, "5m")
    assert (
        "1 node would not obey: their version knows no TTL that is set here" in (await action.plan()).warnings
    )
    receipt = await action.run(quiet)
    assert (receipt.done, receipt.untouched) == (0, 1)
    assert receipt.summary.endswith("obeyed at 0 of 1 node; not yet at deaf")
    monkeypatch.setattr(obeyed, "PATIENCE", 30.0)
    action = setting(console, "6m")
    await action.plan()
    running = asyncio.ensure_future(action.run(quiet))

    async def is_set() -> bool:
        return await console.namespace_ttl("shop") == 360.0

    await auntil(is_set)
    running.cancel()
    with pytest.raises(Cancelled) as stopped:
        await running
    assert stopped.value.receipt is not None
    assert stopped.value.receipt.undo == {"namespace": "shop", "ttl": 360.0, "before": 300.0}
    await console._work.one("ZREM", INDEX, "__node:shop:deaf", deadline=5)
    with pytest.raises(PlanRejected, match="their version knows no TTL that is set here"):
        await setting(console, "5m").plan()


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
    with suppress(PlanRejected):
        await setting(console, "2m").plan()
    async with Cache("shop", l2=cluster.url) as a, Cache("shop", l2=cluster.url) as b:
        await a._publisher.publish()  # type: ignore[union-attr]
        await b._publisher.publish()  # type: ignore[union-attr]
        receipt = await done(setting(console, "2m"))
        assert (a.defaults.ttl, b.defaults.ttl, receipt.done) == (120.0, 120.0, 2)
        await setting(console, "2m").undo(receipt)
        await until(lambda: a.defaults.ttl == b.defaults.ttl == 300.0)
    await console.close()


def loads(*names: tuple[bytes, int]) -> Iterator[HotKey]:
    for name, count in names:
        yield HotKey(name, count, 0.1, 0.05, writes=count, writers=1, loads=count, ttl_s=60.0)


def watched(*names: tuple[bytes, int]) -> CommandSample:
    return CommandSample(NOW - 5, 2.0, 5000, tuple(loads(*names)), ())


def node(name: str, ttl: DefaultTtl | None) -> TierNode:
    return TierNode(name, "n" * 32, NOW, ttl=ttl)


LOW = minute(50, 50)
SEEN = watched((b"shop:menu:1", 20), (b"shop:cart:2", 5), (b"other:3", 9))


def test_a_low_hit_ratio_offers_a_longer_ttl_where_the_namespace_is_known() -> None:
    tiers = TierFacts((node("shop:menu", DefaultTtl(60.0, 60.0)), node("shop", None)))
    found = conclude(LOW, watched=SEEN, tiers=tiers)["cache.hit-ratio-low"]
    assert "100% of the 34 loads seen in 2.00 s were of shop:menu:* (TTL 1 m 00 s)" in found.evidence[-1]
    assert found.offer is not None
    assert (found.offer.action, found.offer.title) == ("cache.set-ttl", "Set the TTL of shop:menu to 2 m")
    assert dict(found.offer.params) == {"namespace": "shop:menu", "ttl": "120s"}


@pytest.mark.parametrize("ttl", [None, DefaultTtl(float("inf"), 60.0), DefaultTtl(0.0, 0.0)])
def test_and_none_where_there_is_no_ttl_to_lengthen(ttl: DefaultTtl | None) -> None:
    tiers = TierFacts((node("shop:menu", ttl),))
    assert conclude(LOW, watched=SEEN, tiers=tiers)["cache.hit-ratio-low"].offer is None
    assert longer("cache", "shop:menu", 0.0) is longer("cache", "shop:menu", float("inf")) is None


def test_nor_of_few_loads_at_a_replica_or_while_keys_are_evicted() -> None:
    tiers = TierFacts((node("shop:menu", DefaultTtl(60.0, 60.0)),))
    few = watched((b"shop:menu:1", 3))
    assert conclude(LOW, watched=few, tiers=tiers)["cache.hit-ratio-low"].offer is None
    found = conclude(LOW, watched=SEEN, tiers=tiers, evicted_per_s=5.0)["cache.hit-ratio-low"]
    assert found.offer is not None
    assert found.offer.action == "cache.configure"
    copies = Replication("replica", primary="10.0.0.1:6379", link_up=True)
    found = conclude(LOW, watched=SEEN, tiers=tiers, replication=copies)["cache.hit-ratio-low"]
    assert found.offer is None  # it takes no change
    old = replace(SEEN, at=NOW - 3600)
    assert conclude(LOW, watched=old, tiers=tiers)["cache.hit-ratio-low"].offer is None
