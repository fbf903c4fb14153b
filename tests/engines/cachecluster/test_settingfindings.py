"""Settings that differ among the servers of a cluster, a group or a pair: told once, and evened out at one go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines.cache.configure import SetParameter
from perftui.engines.cachecluster.settingfindings import setting_findings
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterView
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.options import ValkeyClusterOptions
from tests.conftest import need_valkey
from tests.engines.cachecluster.test_cluster import primary, replica
from tests.engines.cachecluster.test_serverfindings import HEALTH, held, nothing, of, offered
from tests.topologies import a_cluster
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

SIZE = 64 << 20
SET: dict[str, Any] = {"max_bytes": SIZE, "policy": "allkeys-lru"}


def found(*members: ClusterMember, slotted: bool = True) -> dict[str, Finding]:
    reading = ClusterReading(3, members, 2, slotted=slotted)
    told = setting_findings(100.0, ClusterView("shop", HEALTH, reading, 100.0))
    return {dict(one.labels)["setting"]: one for one in told}


def test_servers_that_are_alike_are_not_told() -> None:
    assert found(of(primary("a", 0, 9), **SET), of(replica("b", "a"), **SET)) == {}


def test_a_replica_that_could_not_go_on_is_a_warning() -> None:
    small = of(replica("b", "a"), **(SET | {"max_bytes": SIZE // 2}))
    one = found(of(primary("a", 0, 9), **SET), small)["maxmemory"]
    assert (one.severity, one.effort) == (Severity.WARNING, Effort.KEY)
    assert one.evidence[:2] == ("64.0 MiB at a:1", "32.0 MiB at b:1")
    assert one.offer is not None
    assert (one.offer.title, dict(one.offer.params)["value"]) == (
        "Set maxmemory to 64.0 MiB at each server",
        str(SIZE),
    )
    large = of(replica("b", "a"), **(SET | {"max_bytes": 2 * SIZE}))
    assert found(of(primary("a", 0, 9), **SET), large)["maxmemory"].severity is Severity.INFO
    endless = of(replica("b", "a"), **(SET | {"max_bytes": 0}))
    assert found(of(primary("a", 0, 9), **SET), endless)["maxmemory"].severity is Severity.INFO
    keeps = of(replica("b", "a"), **(SET | {"policy": "volatile-lru"}))
    assert found(of(primary("a", 0, 9), **SET), keeps, slotted=False)["maxmemory-policy"].severity is (
        Severity.WARNING
    )


def test_most_primaries_say_what_the_others_are_set_to() -> None:
    lru, lfu = SET, SET | {"policy": "allkeys-lfu"}
    one = found(
        of(primary("a", 0, 9), **lfu),
        of(primary("b", 10, 19), **lru),
        of(primary("c", 20, 29), **lfu),
        *(of(replica(f"r{n}", "b"), **lru) for n in range(5)),
    )["maxmemory-policy"]
    assert one.severity is Severity.INFO
    assert one.evidence[1] == "allkeys-lru at b:1, r0:1, r1:1, r2:1 and 2 more"
    assert one.offer is not None
    assert dict(one.offer.params) == {"parameter": "maxmemory-policy", "value": "allkeys-lfu"}


def test_limits_that_go_with_the_slots_are_meant_so() -> None:
    two = of(primary("a", 0, 9), **SET), of(primary("b", 10, 29), **(SET | {"max_bytes": 2 * SIZE}))
    assert found(*two) == {}
    assert found(*two, of(replica("c", "b"), **(SET | {"max_bytes": 2 * SIZE}))) == {}
    one = found(*two, of(replica("c", "b"), **SET))["maxmemory"]
    assert (one.severity, one.offer, one.effort) == (Severity.WARNING, None, Effort.MINUTES)
    even = of(primary("a", 0, 9), **SET), of(primary("b", 10, 19), **(SET | {"max_bytes": 2 * SIZE}))
    assert found(*even)["maxmemory"].severity is Severity.INFO


def test_what_a_risk_says_already_is_not_told_again() -> None:
    none = of(primary("b", 10, 19), **(SET | {"max_bytes": 0}))
    assert found(of(primary("a", 0, 9), **SET), none) == {}
    refuses = of(primary("b", 10, 19), **(SET | {"policy": "noeviction"}))
    assert found(of(primary("a", 0, 9), **SET), refuses) == {}
    quiet: dict[str, Any] = {"settings": (("latency-monitor-threshold", "0"),)}
    loud: dict[str, Any] = {"settings": (("latency-monitor-threshold", "100"),)}
    assert found(of(primary("a", 0, 9), **SET, **loud), of(primary("b", 10, 19), **SET, **quiet)) == {}


def test_the_slow_log_is_compared_where_both_tell() -> None:
    a = of(primary("a", 0, 9), **SET, slow_threshold_s=0.01)
    b = of(primary("b", 10, 19), **SET, slow_threshold_s=0.005)
    one = found(a, b)["slowlog-log-slower-than"]
    assert one.offer is not None
    assert dict(one.offer.params)["value"] in {"10000", "5000"}
    silent = replace(b, reading=None, why="no answer")
    assert found(a, silent) == {}
    assert found(a, of(b, slow_threshold_s=None)) == {}


@pytest.mark.parametrize("name", ["maxmemory", "slowlog-log-slower-than"])
async def test_a_real_cluster_is_evened_out_and_each_gets_its_own_back(
    server_folder: Folder, name: str
) -> None:
    need_valkey()
    cluster = a_cluster(server_folder)
    await cluster.start()
    password = cluster.masters[0].password
    url = f"redis+cluster://127.0.0.1:{cluster.masters[0].port}"
    backend = ValkeyCluster("shop", ValkeyClusterOptions(url=url, password=password))
    every = (*cluster.masters, *cluster.replicas)
    try:
        await asyncio.gather(*(one.ask("CONFIG", "SET", name, str(SIZE)) for one in every))
        await cluster.replicas[0].ask("CONFIG", "SET", name, str(SIZE // 2))
        before = await held(backend, name)

        async def told() -> Any:
            return next(
                (o for o in (await offered(backend)).values() if ("parameter", name) in o.params), None
            )

        action = SetParameter(backend, "shop", **dict((await auntil(told, 20)).params))
        await action.plan()
        receipt = await action.run(nothing)
        assert (receipt.done, set((await held(backend, name)).values())) == (1, {str(SIZE)})
        assert await told() is None
        await action.undo(receipt)
        assert await held(backend, name) == before
    finally:
        await backend.close()
        await cluster.stop()
