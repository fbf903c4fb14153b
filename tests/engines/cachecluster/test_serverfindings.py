"""Memory and settings of several servers: one finding with the evidence of each, one action that sets all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.pair import ValkeyRegions
from perftui.backends.valkey.sentinel import ValkeySentinel
from perftui.draw import format as fmt
from perftui.engines.cache.configure import SetParameter
from perftui.engines.cache.giveback import GiveBack
from perftui.engines.cachecluster import ClusterEngine
from perftui.engines.cachecluster.serverfindings import server_findings
from perftui.lab.sentinel import GROUP
from perftui.model.cache import Loose
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterView
from perftui.model.errors import Cancelled, Lost, PartlyDone, PlanRejected
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.health import Health, Link
from perftui.model.options import ValkeyClusterOptions, ValkeyRegionsOptions, ValkeySentinelOptions
from perftui.model.reading import Look
from tests.conftest import need_valkey
from tests.engines.cache.history import History
from tests.engines.cachecluster.test_cluster import primary, replica
from tests.topologies import a_cluster, a_group, regions

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

HEALTH = Health(Link.LIVE, 100.0)
SIZE, USED = 64 << 20, 62 << 20


def of(member: ClusterMember, **more: Any) -> ClusterMember:
    assert member.reading is not None
    return replace(member, reading=replace(member.reading, **more))


def found(*members: ClusterMember, **view: Any) -> dict[str, Finding]:
    regions_ = view.pop("regions", False)
    reading = ClusterReading(3, members, 2, regions=regions_, slotted=not regions_)
    return {
        one.id: one for one in server_findings(100.0, ClusterView("shop", HEALTH, reading, 100.0, **view))
    }


def test_memory_without_a_limit_names_each_and_asks_for_the_largest() -> None:
    one = found(
        of(primary("a", 0, 9), max_bytes=0, used_bytes=10 << 20),
        of(primary("b", 10, 19), max_bytes=0, used_bytes=100 << 20),
        of(primary("c", 20, 29), max_bytes=SIZE, policy="allkeys-lru"),
        replica("d", "a"),
    )["cache.no-memory-limit"]
    assert [text.partition(": ")[0] for text in one.evidence] == ["a:1", "a:1", "b:1", "b:1"]
    assert one.offer == Offer(
        "cache.configure",
        "shop",
        "Set maxmemory to 256 MiB",
        (("parameter", "maxmemory"), ("value", str(256 << 20))),
    )
    assert one.effort is Effort.KEY


def test_a_full_primary_is_told_with_its_evidence() -> None:
    full: dict[str, Any] = {"max_bytes": SIZE, "used_bytes": USED, "policy": "noeviction"}
    told = found(of(primary("a", 0, 9), **full), of(primary("b", 10, 19), **(full | {"used_bytes": 1 << 20})))
    near = told["cache.memory-near-limit"]
    assert near.severity is Severity.CRITICAL
    assert near.evidence == ("a:1: 62.0 MiB of 64.0 MiB used (96.9%), policy noeviction",)
    assert near.offer is not None
    assert dict(near.offer.params)["parameter"] == "maxmemory-policy"
    assert len(told["cache.noeviction"].evidence) == 2
    lesser = of(primary("b", 10, 19), **(full | {"used_bytes": 58 << 20, "policy": "allkeys-lru"}))
    both = found(lesser, of(primary("a", 0, 9), **full))["cache.memory-near-limit"]
    assert (both.severity, len(both.evidence) > 1) == (Severity.CRITICAL, True)


def test_a_purge_is_offered_where_keys_are_purged_from_here() -> None:
    full: dict[str, Any] = {
        "max_bytes": SIZE,
        "used_bytes": USED,
        "policy": "allkeys-lru",
        "evicted_per_s": 3.0,
    }
    two = (of(primary("a", 0, 9), **full), of(primary("b", 10, 19), **full))
    told = found(*two)
    assert told["cache.memory-near-limit"].offer == Offer("cache.purge", "shop", "Purge keys by pattern")
    assert told["cache.evicting"].gain == 6.0
    assert found(*two, regions=True)["cache.memory-near-limit"].offer is None


def test_how_a_replica_is_set_up_counts_too() -> None:
    risky = (("latency-monitor-threshold", "0"), ("default-user", "nopass"))
    safe: dict[str, Any] = {"max_bytes": SIZE, "policy": "allkeys-lru"}
    told = found(of(primary("a", 0, 9), **safe), of(replica("b", "a"), **safe, settings=risky))
    assert told.keys() == {"cache.no-latency-monitor", "cache.no-password"}
    assert told["cache.no-password"].evidence[0].startswith("b:1: ")
    assert told["cache.no-latency-monitor"].offer is not None


def test_memory_is_given_back_where_most_is_free() -> None:
    kept: dict[str, Any] = {"used_bytes": 512 << 20, "rss_bytes": 1 << 30, "allocator": "jemalloc-5.3.0"}
    kept |= {"max_bytes": 1 << 30, "policy": "allkeys-lru", "loose": Loose(400 << 20, 90 << 20)}
    more = kept | {"rss_bytes": 2 << 30, "loose": Loose(1 << 30, 0)}
    one = found(of(primary("a", 0, 9), **kept), of(replica("b", "a"), **more))["cache.fragmented"]
    assert one.offer == Offer(
        "cache.give-back", "shop", "Give 1.00 GiB back to the system, at b:1", (("node", "b:1"),)
    )
    assert one.effort is Effort.KEY


def test_many_servers_are_counted_not_listed() -> None:
    one = found(*(of(primary(f"p{n}", n, n), max_bytes=0) for n in range(9)))["cache.no-memory-limit"]
    assert one.evidence[-1] == "and 5 more: p4:1, p5:1, p6:1, p7:1"


def test_what_fills_soon_is_given_room_at_each_server() -> None:
    half: dict[str, Any] = {"max_bytes": SIZE, "used_bytes": SIZE // 2, "policy": "allkeys-lru"}
    one = found(of(primary("a", 0, 9), **half), of(primary("b", 10, 19), **half), full_in_s=600.0)
    offer = one["cache.memory-fills"].offer
    assert offer is not None
    assert offer.title == "Set maxmemory to 128 MiB at each server"


def nothing(_progress: object) -> None:
    """Progress that nobody looks at."""


async def held(backend: Any, name: str = "maxmemory-policy") -> dict[str, str]:
    return dict((await backend.parameters(name)).values)


async def offered(backend: Any) -> dict[str, Offer]:
    engine = ClusterEngine()
    await backend.read()
    reading = await backend.read()
    report = engine.observe(reading.at, {"shop": Look("shop", backend.kind, reading, HEALTH)}, History())
    return {one.id: one.offer for one in engine.findings(report) if one.offer is not None}


async def test_one_action_sets_a_cluster_and_undo_gives_each_its_own(server_folder: Folder) -> None:
    need_valkey()
    cluster = a_cluster(server_folder)
    await cluster.start()
    password = cluster.masters[0].password
    url = f"redis+cluster://127.0.0.1:{cluster.masters[0].port}"
    backend = ValkeyCluster("shop", ValkeyClusterOptions(url=url, password=password))
    try:
        await asyncio.gather(
            *(
                m.ask("CONFIG", "SET", "maxmemory", "64mb", "maxmemory-policy", "noeviction")
                for m in cluster.masters
            )
        )
        await cluster.replicas[0].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
        before = await held(backend)
        offer = (await offered(backend))["cache.noeviction"]
        action = SetParameter(backend, "shop", **dict(offer.params))
        plan = await action.plan()
        assert any("now allkeys-lfu, then allkeys-lru: 127.0.0.1:" in text for text in plan.affects)
        receipt = await action.run(nothing)
        assert set((await held(backend)).values()) == {"allkeys-lru"}
        assert "cache.noeviction" not in await offered(backend)
        with pytest.raises(PlanRejected, match="already"):
            await SetParameter(backend, "shop", **dict(offer.params)).plan()
        await action.undo(receipt)
        assert await held(backend) == before
        await partly(backend, cluster.replicas[1], before)
    finally:
        await backend.close()
        await cluster.stop()


async def partly(backend: ValkeyCluster, lost: Any, before: dict[str, str]) -> None:
    """One server goes between plan and run."""
    action = SetParameter(backend, "shop", parameter="maxmemory-policy", value="volatile-lru")
    await action.plan()
    await lost.stop()
    with pytest.raises(PartlyDone) as done:
        await action.run(nothing)
    receipt = done.value.receipt
    at = f"127.0.0.1:{lost.port}"
    assert receipt.done == len(before) - 1
    assert [text.partition(" ")[0] for text in receipt.failed] == [f"{at}:"]
    again = await SetParameter(backend, "shop", parameter="maxmemory-policy", value="allkeys-lru").plan()
    assert again.warnings[0].startswith(f"{at} keeps what it has")
    await action.undo(receipt)
    assert await held(backend) == {node: value for node, value in before.items() if node != at}


async def test_a_group_is_set_whole(server_folder: Folder) -> None:
    need_valkey()
    group = a_group(server_folder)
    await group.start()
    one = group.data[0]
    options = ValkeySentinelOptions(
        url=f"redis+sentinel://127.0.0.1:{group.sentinels[0].port}/{GROUP}",
        password=one.password,
        sentinel_password=group.sentinels[0].password,
    )
    backend = ValkeySentinel("shop", options)
    try:
        await backend.read()
        await one.ask("CONFIG", "SET", "maxmemory", "0")
        offer = (await offered(backend))["cache.no-memory-limit"]
        action = SetParameter(backend, "shop", **dict(offer.params))
        plan = await action.plan()
        said = f"{SIZE} ({fmt.bytes_(SIZE)})"
        assert plan.summary == f"set maxmemory of shop to {said}"
        assert f"now 0, then {said}: {one.host}:{one.port}" in plan.affects
        assert plan.undo_note == "sets it back to 0"
        receipt = await action.run(nothing)
        assert receipt.summary == f"maxmemory of shop is {said}"
        assert set((await held(backend, "maxmemory")).values()) == {str(SIZE)}
        await action.undo(receipt)
        assert "0" in (await held(backend, "maxmemory")).values()
    finally:
        await backend.close()
        await group.stop()


async def test_a_pair_is_set_whole(server_folder: Folder) -> None:
    need_valkey()
    pair = regions(server_folder)
    await pair.start()
    a, b = pair.servers.values()
    url = f"redis+region://127.0.0.1:{a.port},127.0.0.1:{b.port}"
    backend = ValkeyRegions("shop", ValkeyRegionsOptions(url=url, password=a.password))
    try:
        action = SetParameter(backend, "shop", parameter="slowlog-log-slower-than", value="7000")
        await action.plan()
        receipt = await action.run(nothing)
        assert receipt.done == 2
        assert list((await held(backend, "slowlog-log-slower-than")).values()) == ["7000", "7000"]
        await action.undo(receipt)
        assert "7000" not in (await held(backend, "slowlog-log-slower-than")).values()
        with pytest.raises(PlanRejected, match="no server is none of these"):
            await GiveBack(backend, "shop").plan()
        at = f"127.0.0.1:{b.port}"
        with pytest.raises(PlanRejected, match=f"shop {at} uses libc"):
            await GiveBack(backend, "shop", node=at).plan()
    finally:
        await backend.close()
        await pair.stop()


class Failing:
    """Servers that fail or are given up, as their names say."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = nodes

    async def parameters(self, _name: str) -> Any:
        from perftui.model.serverconfig import ParameterLook

        return ParameterLook(tuple((node, "old") for node in self.nodes))

    async def set_parameter(self, _name: str, _value: str, node: str = "") -> None:
        if node == "lost":
            raise Lost("gone")
        if node == "stop":
            raise asyncio.CancelledError


async def test_given_up_half_way_it_tells_what_was_done() -> None:
    action = SetParameter(Failing("a", "stop", "b"), "shop", parameter="maxmemory", value="new")
    await action.plan()
    with pytest.raises(Cancelled) as ended:
        await action.run(nothing)
    assert ended.value.receipt is not None
    assert ended.value.receipt.undo == {"parameter": "maxmemory", "values": {"a": "old"}, "source": "shop"}
    none = SetParameter(Failing("lost"), "shop", parameter="maxmemory", value="new")
    await none.plan()
    with pytest.raises(Lost):
        await none.run(nothing)
