"""A cluster's and a group's keys purged into a file and brought back, also when a master dies or slots move meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.sentinel import ValkeySentinel
from perftui.engines.cache.keyfile import contents
from perftui.engines.cache.purgefile import PurgeToFile
from perftui.engines.cache.restorefile import RestoreFile
from perftui.instrument.cache.cluster import ClusterStore
from perftui.instrument.cache.store import open_store
from perftui.lab.sentinel import GROUP
from perftui.model.action import Progress
from perftui.model.cache import KeyTally
from perftui.model.errors import Lost, PartlyDone
from perftui.model.options import ValkeyClusterOptions, ValkeySentinelOptions
from tests.backends.test_valkey_shardkeys import fill, names
from tests.conftest import need_valkey
from tests.topologies import a_cluster, a_group
from tests.waiting import auntil

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


def of(cluster: Cluster) -> ValkeyCluster:
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.members.values())
    return ValkeyCluster(
        "shards", ValkeyClusterOptions(f"redis+cluster://{places}", "", cluster.masters[0].password)
    )


@pytest.fixture
async def shards(cluster: Cluster) -> AsyncIterator[ValkeyCluster]:
    made = of(cluster)
    yield made
    await made.close()


def quiet(_progress: Progress) -> None:
    pass


async def test_a_cluster_is_purged_into_a_file_and_brought_back(
    shards: ValkeyCluster, store: ClusterStore, cluster: Cluster, tmp_path: Path
) -> None:
    await fill(store, 900)
    await store.put(b"cart:1", b"stays", None)
    await store.put(b"page:{of one}:a", b"tagged", None)
    file = str(tmp_path / "purged")
    purge = PurgeToFile(shards, "shards", file=file, pattern=b"page:*")
    assert (await purge.plan()).count == 901
    receipt = await purge.run(quiet)
    assert receipt.done == sum(receipt.facts["nodes"].values()) == 901
    assert len(receipt.facts["nodes"]) == 3
    assert "by node: 127.0.0.1:" in receipt.summary
    assert await names(shards, b"*") == {b"cart:1"}
    fresh = of(cluster)  # another process, which has not looked at the map yet
    back = RestoreFile(fresh, "shards", file=file)
    assert (await back.plan()).count == 901
    assert (await back.run(quiet)).done == 901
    again = await back.run(quiet)
    assert (again.done, again.facts["same"], again.facts["kept"]) == (0, 901, 0)
    assert await store.get_many([b"page:1", b"page:2", b"page:{of one}:a"]) == [b"v1", b"v2", b"tagged"]
    lives = [await store.command("PTTL", b"page:%d" % n, key=b"page:%d" % n) for n in (1, 2)]
    assert 0 < int(lives[0]) <= 500_000
    assert int(lives[1]) == -1
    await store.put(b"page:5", b"newer", None)
    with pytest.raises(PartlyDone, match="900 stood there with the same values, 1 left in"):
        await back.run(quiet)
    await fresh.close()


async def test_a_master_that_dies_in_the_middle_leaves_nothing_behind_and_nothing_unsaved(
    shards: ValkeyCluster, store: ClusterStore, cluster: Cluster, tmp_path: Path
) -> None:
    await fill(store, 6000)
    for master in cluster.masters:
        await master.ask("WAIT", 1, 2000)
    purge = PurgeToFile(shards, "shards", file=str(tmp_path / "purged"), pattern=b"page:*")
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
    assert receipt.done == 6000
    assert (await purge.undo(receipt)).done == 6000
    assert len(await names(shards, b"page:*")) == 6000
    assert await store.get_many([b"page:%d" % n for n in range(6000)]) == [b"v%d" % n for n in range(6000)]


async def test_slots_that_moved_are_lost_and_begun_anew(
    shards: ValkeyCluster, store: ClusterStore, tmp_path: Path
) -> None:
    await fill(store, 300)
    await names(shards, b"page:*")
    tally = KeyTally()
    await shards._primaries()
    dumps, rest = await shards.dump_keys([b"page:%d" % n for n in range(300)], tally)
    stale = shards._known
    giver, taker = sorted((m for m in stale if m.role == "primary"), key=lambda m: m.slots)[:2]
    await shards.move_slots(giver, taker, giver.slots, lambda *_: None)
    for work in (
        lambda: shards.dump_keys([dump.key for dump in dumps], tally),
        lambda: shards.unlink_dumps(dumps, tally),
        lambda: shards.put_dumps(dumps, tally, True),
    ):
        shards._known = stale
        with pytest.raises(Lost, match="does not hold all of these slots now"):
            await work()
    assert (len(dumps), rest, tally.failed, tally.unsure) == (300, [], 0, 0)
    purge = PurgeToFile(shards, "shards", file=str(tmp_path / "purged"), pattern=b"page:*")
    receipt = await purge.run(quiet)
    assert await names(shards, b"page:*") == set()
    assert (await purge.undo(receipt)).done == 300


@pytest.mark.slow
async def test_a_group_whose_primary_dies_in_the_middle(server_folder: Folder, tmp_path: Path) -> None:
    need_valkey()
    group = a_group(server_folder)
    await group.start()
    told = {"password": group.data[0].password, "sentinel_password": group.sentinels[0].password}
    place = f"redis+sentinel://127.0.0.1:{group.sentinels[0].port}/{GROUP}"
    backend = ValkeySentinel("group", ValkeySentinelOptions(place, **told))
    try:
        await backend.read()
        (primary,) = await backend._primaries()
        made: list[tuple[Any, ...]] = [("SET", f"page:{n}", f"v{n}") for n in range(4000)]
        await primary.work.ask([*made, ("WAIT", 2, 2000)], 10)
        purge = PurgeToFile(backend, "group", file=str(tmp_path / "purged"), pattern="page:*")
        killing: list[asyncio.Task[None]] = []
        server = next(one for one in group.data if primary.name.endswith(f":{one.port}"))

        def reported(progress: Progress) -> None:
            if progress.done > 1200 and not killing:
                killing.append(asyncio.create_task(server.kill()))

        receipt = await purge.run(reported)
        await killing[0]
        assert receipt.done == contents(tmp_path / "purged").keys == 4000
        assert await names(backend, b"page:*") == set()  # type: ignore[arg-type]
        assert (await purge.undo(receipt)).done == 4000

        async def there() -> bool:
            return len(await names(backend, b"page:*")) == 4000  # type: ignore[arg-type]

        await auntil(there)
    finally:
        await backend.close()
        await group.stop()
