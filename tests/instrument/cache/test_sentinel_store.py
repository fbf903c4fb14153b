"""L2 on a group of real servers and sentinels: who is the master, and after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache.address import Address
from perftui.instrument.cache.node import Node
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.resp import Late
from perftui.instrument.cache.sentinel import SentinelStore
from perftui.instrument.cache.store import open_store
from perftui.lab.sentinel import GROUP, Sentinel
from perftui.model.errors import BackendError, Lost
from tests.conftest import need_valkey
from tests.topologies import a_group
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.sentinel import SentinelGroup
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture
async def group(server_folder: Folder) -> AsyncIterator[SentinelGroup]:
    need_valkey()
    made = a_group(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def store(group: SentinelGroup) -> AsyncIterator[SentinelStore]:
    made = open_store(group.url)
    assert isinstance(made, SentinelStore)
    yield made
    await made.close()


async def reads(store: SentinelStore) -> bool:
    try:
        return await store.get(b"k", within=0.3) == b"v"
    except BackendError:
        return False


@pytest.mark.slow
async def test_a_killed_master_is_followed(group: SentinelGroup, store: SentinelStore) -> None:
    events: list[LinkEvent] = []
    pushes: list[object] = []
    store.watch(lambda e: (pushes if e.change is LinkChange.PUSH else events).append(e))
    store.greet("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k", "NOLOOP")
    await store.put(b"k", b"v", 600)
    assert await store.command("WAIT", 2, 1000, key=b"k") == 2
    old = store.node.address
    assert old.port == group.data[0].port
    assert group.data[0].password not in repr(store.node.address)
    await group.data[0].kill()
    began = time.monotonic()
    assert not await reads(store)
    assert time.monotonic() - began < 0.5
    await auntil(lambda: reads(store), 10)
    assert store.node.address.port in {r.port for r in group.data[1:]}
    assert store.switches == 1
    assert [e.node for e in events if e.change is LinkChange.MOVED] == [old.name]
    other = open_store(f"redis://:{group.data[0].password}@{store.node.address.name}")
    await other.put(b"k", b"w", 600)
    await until(lambda: pushes)
    await other.close()
    await store.put(b"k", b"v", 600)


async def test_a_planned_switch_and_a_dead_sentinel(group: SentinelGroup, store: SentinelStore) -> None:
    await store.put(b"k", b"v", 600)
    assert await store.command("WAIT", 2, 1000, key=b"k") == 2
    await group.sentinels[0].kill()
    await group.sentinels[1].ask("SENTINEL", "FAILOVER", GROUP)
    await until(lambda: store.switches == 1, 10)
    await auntil(lambda: reads(store), 5)
    await auntil(lambda: writes(store), 5)


@pytest.mark.slow
async def test_sentinels_that_the_url_does_not_name_are_met(group: SentinelGroup) -> None:
    others = ",".join(f"{s.host}:{s.port}" for s in group.sentinels)
    store = open_store(group.url.replace(others, f"{group.sentinels[0].host}:{group.sentinels[0].port}"))
    assert isinstance(store, SentinelStore)
    try:
        await store.put(b"k", b"v", 600)
        await until(lambda: {n.address.port for n in store._asked} == {s.port for s in group.sentinels}, 5)
        assert await store.command("WAIT", 2, 1000, key=b"k") == 2
        await group.sentinels[0].kill()
        await group.data[0].kill()
        await auntil(lambda: reads(store), 20)
        assert store.switches == 1
    finally:
        await store.close()


@pytest.mark.slow
async def test_a_sentinel_that_missed_the_switch_misleads_nobody(
    group: SentinelGroup, server_folder: Folder
) -> None:
    dead, password = group.data[0], group.sentinels[0].password
    late = Sentinel(server_folder, "late-sentinel", dead, password, 500)
    await dead.kill()
    await late.start()  # it knows nobody but the dead
    store = open_store(group.url.replace("@", f"@{late.host}:{late.port},", 1))
    assert isinstance(store, SentinelStore)
    told: list[LinkEvent] = []
    store.watch(told.append)
    try:
        await auntil(lambda: reads_nothing(store), 20)
        second = store.node.address
        switched = store.switches
        told.clear()
        await next(one for one in group.data if one.port == second.port).kill()
        await auntil(lambda: writes(store), 20)
        assert store.switches == switched + 1
        assert store.node.address.port not in {dead.port, second.port}
        assert [e.node for e in told if e.change is LinkChange.MOVED] == [second.name]
        assert f"{dead.host}:{dead.port}" not in {e.node for e in told}
    finally:
        await store.close()
        await late.kill()


async def reads_nothing(store: SentinelStore) -> bool:
    try:
        return await store.get(b"nosuch", within=0.3) is None
    except BackendError:
        return False


async def writes(store: SentinelStore) -> bool:
    try:
        await store.put(b"k", b"v", 600, within=0.3)
    except BackendError:
        return False
    return True


async def test_a_replica_is_no_master(valkey: ValkeyServer, valkey_replica: ValkeyServer) -> None:
    at = Address(valkey_replica.host, valkey_replica.port, password=valkey_replica.password)
    node = Node(at, lambda _: None, [], "t", master=True)
    with pytest.raises(Lost, match="is no master"):
        await node.call(("GET", "k"), 1)
    await node.close()
    there = open_store(valkey_replica.url)
    with pytest.raises(Lost, match="READONLY"):
        await there.put(b"k", b"v", 60)
    await there.close()


async def test_nobody_knows_the_group(group: SentinelGroup) -> None:
    store = open_store(group.url.replace(f"/{GROUP}?", "/nosuch?"))
    began = time.monotonic()
    with pytest.raises(Late, match="no group nosuch"):
        await store.get(b"k", within=0.2)
    assert time.monotonic() - began < 0.4
    await store.close()
    with pytest.raises(Lost):
        await store.get(b"k")


async def test_no_sentinel_is_there() -> None:
    store = open_store("redis+sentinel://127.0.0.1:1,127.0.0.1:2/shop")
    answers = await asyncio.gather(*(store.get(b"k", within=0.1) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(a, Late) for a in answers)
    await store.close()
    await store.close()
