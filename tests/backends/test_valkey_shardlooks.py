"""Looking at a whole cluster's keys on real servers: samples with their intervals, pages, hot keys, slow logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.wholecluster import whole
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.shardkeys import slotted
from perftui.backends.valkey.shardlooks import merged
from perftui.engines.cache.dictionary import TrainDictionary
from perftui.instrument.cache import Cache
from perftui.instrument.cache.cluster import ClusterStore
from perftui.instrument.cache.store import open_store
from perftui.model.cache import CommandSample, HotKey
from perftui.model.cachecluster import ClusterReading
from perftui.model.options import ValkeyClusterOptions
from perftui.model.ports import CommandSampler, DictionaryKeeper, KeyspaceReader, NodeReader
from tests.conftest import need_valkey
from tests.topologies import a_cluster
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder

PAGES, CARTS, HEAVY = 6000, 1500, 2500


@pytest.fixture(scope="module")
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(scope="module")
async def store(cluster: Cluster) -> AsyncIterator[ClusterStore]:
    """Keys of three kinds; the heavy ones share a slot."""
    made = open_store(cluster.url)
    assert isinstance(made, ClusterStore)
    keys = [(b"page:%d" % n, b"x" * 40) for n in range(PAGES)]
    keys += [(b"cart:%d" % n, b"y" * 200) for n in range(CARTS)]
    keys += [(b"heavy:{one}:%d" % n, b"z" * 400) for n in range(HEAVY)]
    for at in range(0, len(keys), 500):
        await asyncio.gather(*(made.put(key, value, 900) for key, value in keys[at : at + 500]))
    yield made
    await made.close()


@pytest.fixture
async def shards(cluster: Cluster, store: ClusterStore) -> AsyncIterator[ValkeyCluster]:
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters)
    options = ValkeyClusterOptions(f"redis+cluster://{places}", password=cluster.masters[0].password)
    made = ValkeyCluster("shards", options)
    yield made
    await made.close()


async def look(shards: ValkeyCluster) -> ClusterReading:
    facts = (await shards.read()).facts
    assert isinstance(facts, ClusterReading)
    return facts


@pytest.mark.slow
async def test_shares_of_a_sample_lie_within_their_intervals(shards: ValkeyCluster) -> None:
    assert isinstance(shards, KeyspaceReader)
    counted = await shards.sample_keyspace(b"", 2000)
    assert counted.exact
    assert counted.total == counted.sampled == PAGES + CARTS + HEAVY
    truth = {share.prefix: share for share in counted.prefixes}
    assert {name: share.keys for name, share in truth.items()} == {
        b"page:": PAGES,
        b"cart:": CARTS,
        b"heavy:": HEAVY,
    }
    assert all(share.key_error == share.byte_error == 0.0 for share in truth.values())
    runs = [await shards.sample_keyspace(b"", 60) for _ in range(40)]
    right = asked = 0
    for run in runs:
        assert not run.exact
        assert 100 < run.sampled < 2000
        for share in run.prefixes:
            asked += 2
            right += abs(share.key_share - truth[share.prefix].key_share) <= share.key_error
            right += abs(share.byte_share - truth[share.prefix].byte_share) <= share.byte_error
    assert right / asked >= 0.9  # of 95 that are meant: 240 draws that hang together in sixes
    few, many = (
        sum(s.byte_error for s in r.prefixes) for r in (runs[0], await shards.sample_keyspace(b"", 400))
    )
    assert many < few
    assert {key.key[:6] for key in runs[0].biggest[:5]} == {b"heavy:"}
    assert all(key.ttl_s for key in runs[0].biggest)


async def test_pages_go_over_all_nodes_and_say_how_far_they_are(shards: ValkeyCluster) -> None:
    seen: list[bytes] = []
    shares = []
    cursor = 0
    while True:
        page = await shards.page_keys(b"cart:*", cursor, 200)
        seen += [row.key for row in page.rows]
        shares.append(page.scanned)
        assert page.total == PAGES + CARTS + HEAVY
        if not (cursor := page.cursor):
            break
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0 < shares[0] < 0.6
    assert set(seen) == {b"cart:%d" % n for n in range(CARTS)}
    assert page.rows[0].kind == "string"


async def test_hits_by_prefix_are_asked_at_the_primary_of_each_slot(
    shards: ValkeyCluster, store: ClusterStore
) -> None:
    """Of the pages asked for all are there, of the carts five of six."""
    stop = asyncio.Event()

    async def ask() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            await store.get_many([b"page:%d" % (n % PAGES), b"cart:%d" % (37 * n % (CARTS + 300))])

    asking = asyncio.create_task(ask())
    try:
        sample = await shards.sample_commands(3000, 0.5)
    finally:
        stop.set()
        await asking
    found = {row.prefix: row for row in sample.hits}
    assert sample.hits_limit == ""
    assert set(found) == {b"page:", b"cart:"}
    assert found[b"page:"].ratio == 1.0
    cart = found[b"cart:"]
    assert cart.unsure == 0
    assert cart.low <= 5 / 6 <= cart.high
    assert cart.high - cart.low < 0.2
    reading = await look(shards)  # asking is no lookup of anybody
    assert all((m.reading.misses_per_s or 0) >= 0 for m in reading.primaries if m.reading)


async def test_hot_keys_come_from_every_primary(shards: ValkeyCluster, store: ClusterStore) -> None:
    assert isinstance(shards, CommandSampler)
    await look(shards)
    done = asyncio.Event()

    async def load() -> None:
        n = 0
        while not done.is_set():
            n += 1
            await store.get_many([b"page:7", b"page:7", b"cart:%d" % (n % CARTS)])

    loading = asyncio.create_task(load())
    try:
        sample = await shards.sample_commands(3000, 0.5)
        burst = await shards.watch_accesses(3000, 0.5)
    finally:
        done.set()
        await loading
    assert sample.commands > 100
    assert sample.keys[0].key == b"page:7"
    assert sum(hot.share for hot in sample.keys) <= 1.0
    assert len(sample.keys) > 5
    assert {access.key[:5] for access in burst.accesses} == {b"page:", b"cart:"}
    times = [access.at for access in burst.accesses]
    assert times == sorted(times)


async def test_slow_commands_and_costs_are_those_of_all_nodes(
    shards: ValkeyCluster, store: ClusterStore, cluster: Cluster
) -> None:
    await look(shards)
    for master in cluster.masters:
        await master.ask("CONFIG", "SET", "slowlog-log-slower-than", 0)
    await store.get_many([b"page:%d" % n for n in range(300)])
    for master in cluster.masters:
        await master.ask("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    reading = whole(await look(shards))
    assert reading is not None
    assert {entry.node for entry in reading.slow} >= {f"127.0.0.1:{m.port}" for m in cluster.masters}
    assert [entry.at for entry in reading.slow] == sorted((e.at for e in reading.slow), reverse=True)
    assert reading.keys == PAGES + CARTS + HEAVY
    assert reading.mode == "cluster"
    assert reading.replication.role == "cluster"
    assert len(reading.replication.replicas) == 3


async def test_latency_and_costs_add_up_over_the_primaries(
    shards: ValkeyCluster, store: ClusterStore
) -> None:
    looked: list[ClusterReading] = []

    async def told() -> bool:
        await store.get_many([b"page:%d" % n for n in range(300)])
        looked.append(await look(shards))
        return sum(bool(m.reading and m.reading.latency) for m in looked[-1].primaries) == 3

    await auntil(told, 10)
    one = whole(reading := looked[-1])
    assert one is not None
    parts = [m.reading for m in reading.members if m.role == "primary" and m.reading is not None]
    reads = {part.name: part for part in one.latency}["read"]
    assert reads.per_s == pytest.approx(sum(p.per_s for x in parts for p in x.latency if p.name == "read"))
    assert 0 < reads.p50_s <= reads.p99_s < 0.1
    assert sum(cost.share for cost in one.commands) == pytest.approx(1.0, abs=0.05)
    got = {cost.name: cost.calls_per_s for cost in one.commands}
    assert got["get"] == pytest.approx(
        sum(c.calls_per_s for x in parts for c in x.commands if c.name == "get")
    )
    labels = {m.key.name for m in (await shards.read()).samples}
    assert {"rss_bytes", "p95_s", "latency_bucket_per_s", "used_bytes"} <= labels


async def test_what_tables_a_node_keeps_is_told_by_its_version(shards: ValkeyCluster) -> None:
    reading = await look(shards)
    facts = next(m.reading for m in reading.members if m.reading is not None)
    assert slotted(facts)
    assert not slotted(replace(facts, mode="standalone"))
    for product, version, said in (
        ("Valkey", "7.2.5", False),
        ("Valkey", "8.0.1", True),
        ("Redis", "7.0.15", False),
        ("Redis", "7.4.0", True),
        ("Redis", "8.2.1", True),
        ("Redis", "?", False),
    ):
        assert slotted(replace(facts, product=product, version=version)) is said


def test_a_busy_node_that_was_full_sooner_weighs_more() -> None:
    busy = CommandSample(1.0, 0.1, 1000, (HotKey(b"a", 500, 0.5, 0.03, 2, 1, 1),), (("get", 1000),))
    calm = CommandSample(2.0, 0.5, 1000, (HotKey(b"b", 1000, 1.0, 0.01),), (("get", 900), ("set", 100)))
    both = merged([busy, calm], ["a:1", "b:1"])
    assert dict(both.parts) == pytest.approx({"a:1": 10 / 12, "b:1": 2 / 12})
    assert [(hot.key, hot.count) for hot in both.keys] == [(b"a", 500), (b"b", 1000)]
    assert both.keys[0].share == pytest.approx(0.5 * 10 / 12)
    assert both.keys[1].error == pytest.approx(0.01 * 2 / 12)
    assert (both.at, both.took_s, both.commands) == (2.0, 0.5, 2000)
    assert both.names == (("get", 1900), ("set", 100))
    nothing = CommandSample(1.0, 0.5, 0, (), ())
    assert merged([nothing, nothing]).keys == ()


async def test_nodes_of_the_library_and_its_dictionaries_are_found_in_a_cluster(
    shards: ValkeyCluster, cluster: Cluster
) -> None:
    assert isinstance(shards, NodeReader)
    assert isinstance(shards, DictionaryKeeper)
    async with (
        Cache("shop", l1=50, l2=cluster.url) as one,
        Cache("other", l1=50, l2=cluster.url) as two,
    ):
        for n in range(300):
            await one.set(f"p{n}", {"id": n, "notes": [f"article {n % 7} of the house of {n % 5}"] * 40})
        for cache in (one, two):
            await cache._publisher.publish()
        look = await shards.nodes()
        assert {record.stats.namespace for record in look.records} == {"shop", "other"}
        assert not look.unreadable
        train = TrainDictionary(shards, "shards", namespace="shop")
        plan = await train.plan()
        assert any(line.startswith("zstd+dictionary: ") for line in plan.affects)
        receipt = await train.run(lambda _p: None)
        assert (await shards.dictionary_state("shop")).current == receipt.undo["number"]
        await train.undo(receipt)
        assert (await shards.dictionary_state("shop")).current == 0


def test_how_long_a_key_lives_is_kept_whichever_server_tells_it() -> None:
    tells, silent = (
        CommandSample(1.0, 0.5, 10, (HotKey(b"k", 5, 0.5, 0.1, ttl_s=ttl),), ()) for ttl in (30.0, None)
    )
    for samples in ((tells, silent), (silent, tells)):
        assert merged(samples).keys[0].ttl_s == 30.0
