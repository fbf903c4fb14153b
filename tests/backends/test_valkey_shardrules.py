"""Shipped rules about caches on clusters, groups and region pairs: of each server, and each thing once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.alertexpr import selected, vector
from perftui.analysis.metricnames import metric_labels
from perftui.analysis.promql import Shelf, evaluate, parse
from perftui.analysis.ruleexport import expression
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.nodelook import measures
from perftui.backends.valkey.pair import ValkeyRegions
from perftui.backends.valkey.sentinel import ValkeySentinel
from perftui.lab.sentinel import GROUP
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import Rule
from perftui.model.cache import ReplicaLink, Replication
from perftui.model.cachecluster import SLOTS, ClusterReading
from perftui.model.options import ValkeyClusterOptions, ValkeyRegionsOptions, ValkeySentinelOptions
from perftui.model.series import SeriesKey
from tests.conftest import need_valkey
from tests.engines.cachecluster.test_cluster import primary, replica
from tests.topologies import a_cluster, a_group, regions
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

RULES = {rule.name: rule for rule in DEFAULTS if rule.name.startswith("Cache")}
KINDS = ("valkey-cluster", "valkey-sentinel", "valkey-regions")
MIB = 1 << 20
BACKLOG = 16 << 10


@dataclass(frozen=True)
class Shop:
    """Several servers as one backend: a primary, and a replica of it."""

    backend: Any
    primary: Any
    replica: Any

    async def told(self) -> dict[SeriesKey, float]:
        return {sample.key: sample.value for sample in (await self.backend.read()).samples}

    async def true_at(self, name: str) -> list[str]:
        return at(RULES[name], await self.told(), self.backend.kind)


def at(rule: Rule, figures: Mapping[SeriesKey, float], kind: str) -> list[str]:
    """Where a rule is true: the port of each server, empty where it is told of all together."""
    kinds = {"shop": kind, "other": "postgres"}
    found = vector(
        rule,
        selected(rule, figures, kinds),
        lambda key, *_: [figures[key]] if key in figures else [],
        0.0,
    )
    return sorted(dict(one.labels).get("node", "").rpartition(":")[2] for one in found)


@asynccontextmanager
async def shards(folder: Folder) -> AsyncIterator[Shop]:
    made = a_cluster(folder)
    await made.start()
    one = made.masters[0]
    url = f"redis+cluster://127.0.0.1:{one.port}"
    backend = ValkeyCluster("shop", ValkeyClusterOptions(url=url, password=one.password))
    try:
        await backend.read()
        members = (await backend.read()).facts.members
        mine = next(m.id for m in members if m.address.endswith(f":{one.port}"))
        port = next(m.address for m in members if m.primary == mine).rpartition(":")[2]
        yield Shop(backend, one, next(r for r in made.replicas if str(r.port) == port))
    finally:
        await backend.close()
        await made.stop()


@asynccontextmanager
async def group(folder: Folder) -> AsyncIterator[Shop]:
    made = a_group(folder)
    await made.start()
    options = ValkeySentinelOptions(
        url=f"redis+sentinel://127.0.0.1:{made.sentinels[0].port}/{GROUP}",
        password=made.data[0].password,
        sentinel_password=made.sentinels[0].password,
    )
    backend = ValkeySentinel("shop", options)
    try:
        yield Shop(backend, *made.data[:2])
    finally:
        await backend.close()
        await made.stop()


@asynccontextmanager
async def pair(folder: Folder) -> AsyncIterator[Shop]:
    made = regions(folder)
    await made.start()
    a, b = made.servers.values()
    url = f"redis+region://127.0.0.1:{a.port},127.0.0.1:{b.port}"
    backend = ValkeyRegions("shop", ValkeyRegionsOptions(url=url, password=a.password))
    try:
        yield Shop(backend, a, b)
    finally:
        await backend.close()
        await made.stop()


FORMS = {"valkey-cluster": shards, "valkey-sentinel": group, "valkey-regions": pair}


@pytest.fixture(params=KINDS)
async def shop(request: pytest.FixtureRequest, server_folder: Folder) -> AsyncIterator[Shop]:
    need_valkey()
    async with FORMS[request.param](server_folder) as made:
        yield made


@pytest.mark.slow
async def test_each_servers_memory_buffers_and_lag_are_told_of_it_alone(shop: Shop) -> None:
    here = [str(shop.primary.port)]
    await grown(shop)
    await auntil(lambda: _is(shop, "CacheMemoryNearLimit", here), 20)
    assert await shop.true_at("CacheMemoryNearLimitCritical") == here
    await shop.primary.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await auntil(lambda: _is(shop, "CacheMemoryNearLimitCritical", []), 20)  # it lives there by design
    assert await shop.true_at("CacheMemoryNearLimit") == here
    await shop.primary.ask("CONFIG", "SET", "maxmemory", "0")
    await auntil(lambda: _is(shop, "CacheMemoryNearLimit", []), 20)
    await a_client_reads_nothing(shop)
    await a_replica_is_behind(shop)


async def grown(shop: Shop) -> None:
    """Both servers so full that a limit set now is near; the replica has it too and need not act."""
    slot = "{" + await tag(shop) + "}"
    for n in range(20):
        await shop.primary.ask("SET", f"{slot}{n}", "x" * 200_000)
    used = int((await shop.primary.ask("INFO", "memory")).decode().split("used_memory:")[1].split()[0])
    for one in (shop.primary, shop.replica):
        await one.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await one.ask("CONFIG", "SET", "maxmemory", str(int(used / 0.97)))


async def tag(shop: Shop) -> str:
    """Part of a key that the primary holds."""
    if shop.backend.kind != "valkey-cluster":
        return "a"
    for n in range(1000):
        slot = int(await shop.primary.ask("CLUSTER", "KEYSLOT", str(n)))
        member = next(m for m in (await shop.backend.read()).facts.members if _is_at(m, shop.primary))
        if any(first <= slot <= last for first, last in member.slots):
            return str(n)
    raise AssertionError("no slot")


def _is_at(member: Any, server: Any) -> bool:
    return bool(member.address.endswith(f":{server.port}"))


async def _is(shop: Shop, rule: str, ports: list[str]) -> bool:
    return await shop.true_at(rule) == ports


async def a_client_reads_nothing(shop: Shop) -> None:
    """From a replica, which has buffers of its own."""
    slot = "{" + await tag(shop) + "}"
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.replica.port)
    try:
        await shop.primary.ask("SET", f"{slot}large", "x" * 1_000_000)
        assert await shop.true_at("CacheClientBuffers") == []
        writer.write(b"AUTH " + shop.replica.password.encode() + b"\r\nREADONLY\r\n")
        writer.write(f"GET {slot}large\r\n".encode() * 40)
        await writer.drain()
        await auntil(lambda: _is(shop, "CacheClientBuffers", [str(shop.replica.port)]), 20)
        assert reader is not None
    finally:
        writer.close()


async def a_replica_is_behind(shop: Shop) -> None:
    """By more than a backlog that keeps little, until it says once a second what it has."""
    slot, port = "{" + await tag(shop) + "}", str(shop.replica.port)
    await shop.primary.ask("CONFIG", "SET", "repl-backlog-size", str(BACKLOG))
    await auntil(lambda: _is(shop, "CacheReplicaBehind", []), 20)

    async def behind() -> bool:
        await shop.primary.ask("SET", f"{slot}more", "x" * BACKLOG)
        return port in await shop.true_at("CacheReplicaBehind")

    await auntil(behind, 20)


def test_the_lag_of_a_replica_that_is_silent_to_us_is_told_by_its_primary() -> None:
    ahead = primary("a", 0, SLOTS - 1)
    assert ahead.reading is not None
    link = ReplicaLink("b:1", "online", 900, 1.0)
    ahead = replace(
        ahead,
        reading=replace(ahead.reading, replication=Replication(replicas=(link,), backlog=1000)),
    )
    silent = replace(replica("b", "a"), reading=None, why="no answer")
    reading = ClusterReading(1, (ahead, silent), 1)
    figures = {one.key: one.value for one in measures("shop", reading)}
    assert at(RULES["CacheReplicaBehind"], figures, "valkey-cluster") == ["1"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_of_rules_files_chooses_the_same(kind: str) -> None:
    labels = ((("node", "a:1"),), (("node", "b:1"),))
    figures: dict[SeriesKey, float] = {
        SeriesKey("shop", name, ()): value
        for name, value in (("used_bytes", 200.0 * MIB), ("max_bytes", 201.0 * MIB), ("evicted_per_s", 150.0))
    }
    for number, where in enumerate(labels):
        mine = {"memory_ratio": (0.96, 0.97)[number], "keeps_keys": float(number), "used_bytes": 100.0 * MIB}
        mine |= {"client_buffer_bytes": (15.0, 17.0)[number] * MIB, "lag_bytes": 9.0}
        mine |= {"backlog_limit_bytes": (10.0, 100.0)[number]}
        figures |= {SeriesKey("shop", name, where): value for name, value in mine.items()}
    wanted = {
        "CacheMemoryNearLimit": ["1", "1"],
        "CacheMemoryNearLimitCritical": ["1"],
        "CacheClientBuffers": ["1"],
        "CacheReplicaBehind": ["1"],
        "CacheEvicting": [""],
    }
    shelf = Shelf()
    for key, value in figures.items():
        shelf.append(metric_labels(key, kind), 100.0, value)
    for name, rule in RULES.items():
        assert at(rule, figures, kind) == wanted.get(name, [])
        for others in ({"shop": kind}, {"shop": kind, "one": "valkey"}):
            points = evaluate(parse(expression(rule, others)), shelf, 100.0)
            assert len(points) == len(wanted.get(name, [])), name
