"""Purges of a whole cluster on real servers: counted, moved away, brought back, also when a master dies meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.info import parse, whole
from perftui.backends.valkey.shardkeys import by_slot, together
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.restore import RestoreKeys
from perftui.instrument.cache.cluster import ClusterStore
from perftui.instrument.cache.store import open_store
from perftui.lab.ports import free_port
from perftui.model.action import Progress
from perftui.model.cache import KeySurvey, KeyTally
from perftui.model.errors import Lost
from perftui.model.options import ValkeyClusterOptions
from tests.conftest import need_valkey
from tests.topologies import a_cluster

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def store(cluster: Cluster) -> AsyncIterator[ClusterStore]:
    made = open_store(cluster.url)
    assert isinstance(made, ClusterStore)
    yield made
    await made.close()


@pytest.fixture
async def shards(cluster: Cluster) -> AsyncIterator[ValkeyCluster]:
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.members.values())
    made = ValkeyCluster(
        "shards", ValkeyClusterOptions(f"redis+cluster://{places}", "", cluster.masters[0].password)
    )
    yield made
    await made.close()


async def fill(store: ClusterStore, count: int) -> None:
    for begin in range(0, count, 500):
        keys = range(begin, min(count, begin + 500))
        await asyncio.gather(*(store.put(b"page:%d" % n, b"v%d" % n, 500 if n % 2 else None) for n in keys))


async def names(shards: ValkeyCluster, pattern: bytes) -> set[bytes]:
    found: set[bytes] = set()
    cursor = 0
    while True:
        cursor, some = await shards.scan(pattern, cursor, 500)
        found.update(some)
        if cursor == 0:
            return found


async def test_a_purge_counts_moves_and_brings_back(shards: ValkeyCluster, store: ClusterStore) -> None:
    await fill(store, 900)
    await store.put(b"cart:1", b"stays", None)
    await store.put(b"page:{of one}:a", b"tagged", None)
    purge = PurgeKeys(shards, "shards", pattern=b"page:*")
    plan = await purge.plan()
    assert plan.count == 901
    assert plan.affects[0].startswith("901 of 902 keys match page:*")
    receipt = await purge.run(lambda _p: None)
    assert receipt.done == 901
    assert await names(shards, b"*") == {b"cart:1"}
    back = await RestoreKeys(shards, "shards", quarantine=purge.quarantine).run(lambda _p: None)
    assert back.done == 901
    assert await store.get_many([b"page:1", b"page:2", b"page:{of one}:a"]) == [b"v1", b"v2", b"tagged"]
    lives = [await store.command("PTTL", b"page:%d" % n, key=b"page:%d" % n) for n in (1, 2)]
    assert 0 < int(lives[0]) <= 500_000
    assert int(lives[1]) == -1
    gone = await PurgeKeys(shards, "shards", pattern=b"page:1*", keep=0.0).run(lambda _p: None)
    assert gone.undo is None
    assert await names(shards, b"page:1*") == set()
    rows = await shards.weigh([b"page:2", b"cart:1", b"absent"])
    assert {row.key for row in rows} == {b"page:2", b"cart:1"}


async def test_moving_away_adds_nothing_to_the_hit_ratio(
    shards: ValkeyCluster, store: ClusterStore, cluster: Cluster
) -> None:
    await fill(store, 300)
    await shards._primaries()
    before, own = await lookups(cluster), counted(shards)
    tally = KeyTally()
    await shards.quarantine_keys([*(b"page:%d" % n for n in range(300)), b"absent"], "q", 60.0, tally)
    assert (tally.done, tally.absent) == (300, 1)
    assert await lookups(cluster) - before == counted(shards) - own == Counter(hits=300, misses=1)


async def lookups(cluster: Cluster) -> Counter[str]:
    """What the masters counted, together."""
    told = [parse(await master.ask("INFO", "everything")) for master in cluster.masters]
    return Counter(
        hits=sum(whole(fields, "keyspace_hits") for fields in told),
        misses=sum(whole(fields, "keyspace_misses") for fields in told),
    )


def counted(shards: ValkeyCluster) -> Counter[str]:
    """What of it the console knows as its own."""
    known = shards._shards.values()
    return Counter(
        hits=sum(shard.own_hits for shard in known), misses=sum(shard.own_misses for shard in known)
    )


async def test_a_master_that_dies_in_the_middle_leaves_nothing_behind(
    shards: ValkeyCluster, store: ClusterStore, cluster: Cluster
) -> None:
    await fill(store, 6000)
    for master in cluster.masters:
        await master.ask("WAIT", 1, 2000)
    purge = PurgeKeys(shards, "shards", pattern=b"page:*")
    assert (await purge.plan()).count == 6000
    killing: list[asyncio.Task[None]] = []
    notes: list[str] = []

    def reported(progress: Progress) -> None:
        notes.append(progress.note)
        if progress.done > 2500 and not killing:
            killing.append(asyncio.create_task(cluster.masters[1].kill()))

    receipt = await purge.run(reported)
    await killing[0]
    assert "connection lost, trying again" in notes
    assert await names(shards, b"page:*") == set()
    assert receipt.done >= 5500  # what the dead master had moved last may be lost with it
    back = await purge.undo(receipt)
    assert back.done == len(await names(shards, b"page:*"))
    assert back.done >= 5500


async def test_slots_that_moved_are_lost_and_begun_anew(
    shards: ValkeyCluster, store: ClusterStore, cluster: Cluster
) -> None:
    await fill(store, 300)
    await names(shards, b"page:*")
    tally = KeyTally()
    await shards._primaries()
    stale = shards._known
    giver, taker = sorted((m for m in stale if m.role == "primary"), key=lambda m: m.slots)[:2]
    await shards.move_slots(giver, taker, giver.slots, lambda *_: None)
    shards._known = stale
    keys = [b"page:%d" % n for n in range(300)]
    with pytest.raises(Lost, match="does not hold all of these slots now"):
        await shards.quarantine_keys(keys, "q", 60.0, tally)
    with pytest.raises(Lost, match="does not hold all of these slots now"):
        await shards.delete_keys(keys, tally)
    assert tally.failed == 0
    assert tally.unsure == 0
    await PurgeKeys(shards, "shards", pattern=b"page:*").run(lambda _p: None)
    assert await names(shards, b"page:*") == set()


async def test_each_key_of_a_slot_is_counted(shards: ValkeyCluster, store: ClusterStore) -> None:
    """Those of a slot go by one command, whose answer is how many there were."""
    here = [b"{one}:%d" % n for n in range(5)] + [b"alone"]
    await asyncio.gather(*(store.put(key, b"v", None) for key in here))
    tally = KeyTally()
    await shards.read()
    await shards.delete_keys([*here[:3], b"{one}:absent", *here[3:], b"{two}:absent"], tally)
    assert (tally.done, tally.absent, tally.failed, tally.unsure) == (6, 2, 0, 0)
    assert await names(shards, b"{one}:*") == set()


async def test_a_cluster_that_is_not_whole_is_not_purged_by_halves(
    shards: ValkeyCluster, cluster: Cluster
) -> None:
    await shards.read()
    await cluster.masters[0].pause()
    try:
        with pytest.raises(Lost, match="is not whole"):
            await shards.scan(b"*", 0, 100)
    finally:
        await cluster.masters[0].resume()


def test_names_of_a_slot_are_together() -> None:
    assert by_slot([b"{a}1", b"b", b"{a}2"]) == [[b"{a}1", b"{a}2"], [b"b"]]


def test_surveys_add_up() -> None:
    def part(**more: Any) -> KeySurvey:
        return KeySurvey(
            **{
                "pattern": b"p",
                "count": 10,
                "scanned": 1.0,
                "sample": (),
                "bytes_": 100,
                "bytes_error": 3,
                "total": 50,
                "role": "primary",
                "policy": "noeviction",
                **more,
            }
        )

    both = together([part(), part(bytes_error=4, scanned=0.5, policy="allkeys-lru")], 10)
    assert (both.count, both.bytes_, both.bytes_error, both.total, both.scanned) == (20, 200, 5, 100, 0.75)
    assert both.policy == "policies that differ"
    assert together([part(total=0)], 10).scanned == 1.0


async def test_a_purge_of_a_cluster_that_is_away_is_lost_not_planned() -> None:
    away = ValkeyCluster("shards", ValkeyClusterOptions(f"redis+cluster://127.0.0.1:{free_port()}"))
    with pytest.raises(Lost):
        await PurgeKeys(away, "shards", pattern="page:*").plan()
    await away.close()


async def test_a_probe_is_the_slowest_primarys(shards: ValkeyCluster, store: ClusterStore) -> None:
    await shards.read()
    assert 0 < await shards.probe_purge() < 5
    shards._known = tuple(replace(one, failed=True) for one in shards._known)
    with pytest.raises(Lost, match="no primary"):
        await shards.probe_purge()
