"""L2 on a cluster of six real servers: routing, moving slots, and what is left when masters die."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.slots import slot_of
from perftui.instrument.cache import MISS, Cache, node
from perftui.instrument.cache.cluster import ClusterStore, SomeLost
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.resp import Answered
from perftui.instrument.cache.store import open_store
from perftui.model.errors import BackendError, Lost, Protocol
from tests.conftest import need_valkey
from tests.instrument.cache.talker import GREETING, Script
from tests.topologies import a_cluster
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder

KEYS = [b"key:%d" % n for n in range(300)]
STAMP = [b"PB\x01\x00" + bytes([n]) * 16 for n in range(3)]


@asynccontextmanager
async def started(folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.fixture(scope="module")
async def whole(server_folder: Folder) -> AsyncIterator[Cluster]:
    """One that tests leave as it was."""
    async with started(server_folder) as made:
        yield made


@pytest.fixture
async def calm(whole: Cluster) -> AsyncIterator[ClusterStore]:
    """A store on it."""
    made = open_store(whole.url)
    assert isinstance(made, ClusterStore)
    yield made
    await made.close()


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    """One that a test may leave in pieces."""
    async with started(server_folder) as made:
        yield made


@pytest.fixture
async def store(cluster: Cluster) -> AsyncIterator[ClusterStore]:
    made = open_store(cluster.url)
    assert isinstance(made, ClusterStore)
    yield made
    await made.close()


async def fill(store: ClusterStore) -> None:
    await asyncio.gather(*(store.put(key, key, 600) for key in KEYS))


async def reads(store: ClusterStore, key: bytes, within: float = 0.5) -> bool:
    try:
        return await store.get(key, within=within) == key
    except BackendError:
        return False


async def test_keys_of_all_slots_by_one_store(whole: Cluster, calm: ClusterStore) -> None:
    await fill(calm)
    assert await calm.get_many([*KEYS, b"absent"]) == [*KEYS, None]
    assert len([m for m in whole.masters if await m.ask("DBSIZE") > 50]) == 3
    assert calm.refreshed == 1
    assert calm.redirected == 0
    assert await calm.put_if_newer(b"{x}a", STAMP[2], 60)
    assert not await calm.put_if_newer(b"{x}a", STAMP[1], 60)
    assert await calm.get(b"{x}a") == STAMP[2]
    seconds, _ = await calm.command("TIME", key=b"")
    assert calm.now() == pytest.approx(int(seconds), abs=2)
    await calm.close()
    await calm.close()
    with pytest.raises(Lost):
        await calm.get(KEYS[0])


async def test_a_slot_that_moves_is_followed(cluster: Cluster, store: ClusterStore) -> None:
    await fill(store)
    key = KEYS[0]
    slot = slot_of(key)
    source = next(m for n, m in enumerate(cluster.masters) if slot <= 16_384 * (n + 1) // 3 - 1)
    target = next(m for m in cluster.masters if m is not source)
    await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id)
    await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id)
    before = store.redirected
    assert (
        await store.get(b"absent{" + key + b"}") is None
    )  # ASK: not there any more, so it would be new here
    assert store.redirected > before
    assert await store.get(key) == key
    await source.ask("MIGRATE", target.host, target.port, "", 0, 5000, "AUTH", target.password, "KEYS", key)
    assert await store.get(key) == key
    await store.put(key, key, 600)
    assert await target.ask("DBSIZE") + await source.ask("DBSIZE") > 0
    for member in (target, source):
        await member.ask("CLUSTER", "SETSLOT", slot, "NODE", target.node_id)
    before, mapped = store.redirected, store.refreshed
    assert await store.get_many([key] * 200) == [key] * 200
    assert store.redirected - before <= 200
    before = store.redirected
    assert await store.get_many([key] * 200) == [key] * 200
    assert store.redirected == before
    assert store.refreshed - mapped <= 2


async def test_a_storm_of_moved_reads_the_map_once_each_tenth(calm: ClusterStore) -> None:
    await fill(calm)
    calm._owners = [calm._owners[0]] * len(calm._owners)
    began, mapped = time.monotonic(), calm.refreshed
    assert await asyncio.gather(*(calm.get(key) for key in KEYS * 10)) == KEYS * 10
    assert calm.redirected > 100
    assert calm.refreshed - mapped <= 1 + (time.monotonic() - began) / 0.1
    before = calm.redirected
    assert await calm.get_many(KEYS) == KEYS
    assert calm.redirected == before


async def test_a_killed_master_is_followed_by_its_replica(cluster: Cluster, store: ClusterStore) -> None:
    await fill(store)
    for member in cluster.masters:
        await member.ask("WAIT", 1, 1000)
    events: list[LinkEvent] = []
    store.watch(events.append)
    victim = cluster.masters[1]
    theirs = [key for key in KEYS if 16_384 // 3 <= slot_of(key) < 16_384 * 2 // 3]
    others = [key for key in KEYS if key not in theirs]
    await victim.kill()
    began = time.monotonic()
    assert not await reads(store, theirs[0])
    assert time.monotonic() - began < 0.6
    assert await store.get_many(others, within=1) == others
    with pytest.raises(SomeLost) as caught:
        await store.get_many(KEYS, within=1)
    for key, answer in zip(KEYS, caught.value.answers, strict=True):
        assert isinstance(answer, Lost) if key in theirs else answer == key
    await auntil(lambda: reads(store, theirs[0]), 6)
    assert await store.get_many(KEYS) == KEYS
    await store.put(theirs[0], theirs[0], 60)
    gone = f"{victim.host}:{victim.port}"
    await until(lambda: any(e.change is LinkChange.MOVED and e.node == gone for e in events))


async def test_a_hung_master_costs_the_deadline_alone(cluster: Cluster, store: ClusterStore) -> None:
    await fill(store)
    victim = cluster.masters[0]
    theirs = next(key for key in KEYS if slot_of(key) < 16_384 // 3)
    other = next(key for key in KEYS if slot_of(key) >= 16_384 // 3)
    await victim.pause()
    try:
        began = time.monotonic()
        assert not await reads(store, theirs, 0.05)
        assert time.monotonic() - began < 0.15
        assert await reads(store, other)
        await auntil(lambda: reads(store, theirs, 0.2), 6)
    finally:
        await victim.resume()
    assert await reads(store, theirs)


async def test_greetings_are_said_at_every_master_and_after_a_failover(
    cluster: Cluster, store: ClusterStore
) -> None:
    pushes: list[bytes] = []
    up: set[str] = set()

    def told(event: LinkEvent) -> None:
        if event.change is LinkChange.PUSH and event.payload[1]:
            pushes.extend(event.payload[1])
        elif event.change is LinkChange.UP:
            up.add(event.node)

    store.watch(told)
    store.greet("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "key:", "NOLOOP")
    await until(lambda: len(up) >= 3)
    other = open_store(cluster.url)
    try:
        await asyncio.gather(*(other.put(key, b"v", 60) for key in KEYS))
        await until(lambda: len(set(pushes)) == len(KEYS))
        pushes.clear()
        promoted = cluster.replicas[2]
        await promoted.ask("CLUSTER", "FAILOVER")
        await until(lambda: f"{promoted.host}:{promoted.port}" in up)
        await asyncio.gather(*(other.put(key, b"w", 60) for key in KEYS))
        await until(lambda: len(set(pushes)) == len(KEYS))
    finally:
        await other.close()


async def test_one_node_that_refuses_tracking_is_told_of_until_it_allows_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "AGAIN_FIRST", 0.1)
    monkeypatch.setattr(node, "AGAIN_LONGEST", 0.2)
    await cluster.masters[1].ask("ACL", "SETUSER", "default", "-client|tracking")
    async with Cache("shop", l2=cluster.url) as cache:
        await until(lambda: cache.stats().gauges["linked"] == 0)
        await asyncio.gather(*(cache.set(f"k{n}", n) for n in range(30)))
        assert not cache.hears
        await cluster.masters[1].ask("ACL", "SETUSER", "default", "+client|tracking")
        await until(lambda: cache.hears)
        assert cache.stats().gauges["linked"] == 1
        assert await cache.get_many([f"k{n}" for n in range(30)]) == {f"k{n}": n for n in range(30)}


async def test_memory_is_not_trusted_over_a_failover(cluster: Cluster) -> None:
    async with Cache("shop", l2=cluster.url) as cache:
        await until(lambda: cache.hears)
        keys = [f"k{n}" for n in range(30)]
        await asyncio.gather(*(cache.set(key, "old") for key in keys))
        assert all(cache.peek(key) == "old" for key in keys)
        store = open_store(cluster.url)
        lost = next(key for key in keys if slot_of(f"shop:{key}".encode()) <= 5460)
        for master in cluster.masters:
            assert await master.ask("WAIT", 1, 1000) >= 0
        await cluster.replicas[0].ask("CLUSTER", "FAILOVER")
        await until(lambda: not any(cache.peek(key) == "old" for key in keys), 10)
        await store.command(
            "DEL", f"shop:{lost}", key=f"shop:{lost}".encode()
        )  # as if it had never come over
        await store.close()
        assert await cache.get(lost) is MISS
        kept = [key for key in keys if key != lost]
        assert await cache.get_many(kept) == dict.fromkeys(kept, "old")


async def test_a_slot_nobody_has_fails_alone(cluster: Cluster, store: ClusterStore) -> None:
    await fill(store)
    slot = slot_of(KEYS[0])
    owner = next(m for n, m in enumerate(cluster.masters) if slot <= 16_384 * (n + 1) // 3 - 1)
    for member in cluster.masters:
        await member.ask("CLUSTER", "DELSLOTS", slot)
    await auntil(lambda: fails(store, KEYS[0]))
    rest = [key for key in KEYS if slot_of(key) != slot]
    assert await store.get_many(rest) == rest
    assert owner.pid


async def fails(store: ClusterStore, key: bytes) -> bool:
    try:
        await store.get(key, within=0.5)
    except Lost:
        return True
    return False


async def test_a_server_that_is_no_cluster_says_so(server_folder: Folder) -> None:
    need_valkey()
    from perftui.lab.valkey import ValkeyServer

    alone = ValkeyServer(server_folder, "no-cluster")
    await alone.start()
    store = open_store(alone.url.replace("redis://", "redis+cluster://"))
    with pytest.raises(Answered, match="cluster support disabled"):
        await store.get(b"k", within=1)
    await store.close()
    await alone.stop()


@pytest.mark.parametrize(
    "map_",
    [
        b"*1\r\n*2\r\n:0\r\n:5\r\n",
        b"*1\r\n$3\r\nabc\r\n",
        b":5\r\n",
        b"*1\r\n*3\r\n:0\r\n:5\r\n*2\r\n:1\r\n$1\r\nx\r\n",
    ],
)
async def test_a_map_that_is_none_is_said_to_be_none(map_: bytes) -> None:
    async with Script(GREETING, map_) as port:
        store = open_store(f"redis+cluster://127.0.0.1:{port}")
        with pytest.raises(Protocol, match="map that cannot be read"):
            await store.get(b"k", within=1)
        await store.close()


async def test_a_redirection_to_nowhere_is_said_to_be_none() -> None:
    here = b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:%d\r\n"
    async with Script(GREETING, here, b"-MOVED\r\n") as port:
        store = open_store(f"redis+cluster://127.0.0.1:{port}")
        with pytest.raises(Protocol, match="sent us nowhere"):
            await store.get(b"k", within=1)
        await store.close()


async def test_many_are_asked_for_in_one_packet_a_master(whole: Cluster) -> None:
    async with Cache("shop", l1=None, l2=whole.url) as cache:
        keys = [f"many:{n}" for n in range(60)]
        await cache.set_many(dict.fromkeys(keys[::2], 1))
        nodes = cache.store._nodes.values()  # type: ignore[union-attr]
        wires = [node._wire for node in nodes if node._wire is not None]
        packets = [wire._transport.write for wire in wires]
        sent: list[bytes] = []
        for wire, write in zip(wires, packets, strict=True):

            def counted(data: bytes, write: Any = write) -> None:
                sent.append(data)
                write(data)

            wire._transport = Counted(wire._transport, counted)
        assert await cache.has_many([*keys, keys[0]]) == {key: n % 2 == 0 for n, key in enumerate(keys)}
        gets = [data for data in sent if b"GET" in data]
        assert len(gets) == len({slot_owner(cache, key) for key in keys})


def slot_owner(cache: Cache, key: str) -> object:
    return cache.store._owners[slot_of(f"shop:{key}".encode())]  # type: ignore[union-attr]


class Counted:
    """A transport that tells what is written."""

    def __init__(self, real: Any, write: Any) -> None:
        self._real, self.write = real, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
