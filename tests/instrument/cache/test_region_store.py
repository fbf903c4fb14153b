"""L2 on a pair of real regions: the loss of one, the promotion of the other, and the way back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache import Cache
from perftui.instrument.cache.ports import LinkChange, LinkEvent
from perftui.instrument.cache.region import RegionStore
from perftui.instrument.cache.resp import Late
from perftui.instrument.cache.store import open_store
from perftui.model.errors import BackendError, ConfigError, Lost, Refused
from perftui.model.regions import EPOCH_KEY, RAISE_EPOCH, epoch_of
from tests.conftest import need_valkey
from tests.topologies import regions
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.regions import Regions
    from perftui.lab.sentinel import Data


@pytest.fixture
async def pair(server_folder: Folder) -> AsyncIterator[Regions]:
    need_valkey()
    made = regions(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def opened(pair: Regions) -> AsyncIterator[RegionStore]:
    store = open_store(pair.url)
    assert isinstance(store, RegionStore)
    try:
        yield store
    finally:
        await store.close()


async def promote(server: Data) -> None:
    await server.ask("REPLICAOF", "NO", "ONE")
    await server.ask("EVAL", RAISE_EPOCH, 1, EPOCH_KEY)


async def follow(server: Data, other: Data) -> None:
    await server.ask("REPLICAOF", other.host, other.port)
    await auntil(lambda: in_step(server), 10)


async def in_step(server: Data) -> bool:
    return (await server.role()).get("master_link_status") == "up"


async def at(store: RegionStore, server: Data) -> None:
    """The store has come to write there."""
    await until(lambda: store.node.address.port == server.port and store.node.connected, 10)


async def test_a_lost_region_is_followed_by_the_promoted_one_and_back(pair: Regions) -> None:
    a, b = pair.servers[1], pair.servers[2]
    async with opened(pair) as store:
        events: list[LinkEvent] = []
        store.watch(events.append)
        await store.put(b"k", b"v", 600)
        assert await store.command("WAIT", 1, 1000, key=b"k") == 1
        assert a.password not in repr(store.node.address)
        await pair.kill(1)
        waiting = asyncio.create_task(store.put(b"later", b"w", 600, within=10))
        for _ in range(3):  # nobody was promoted: it waits, and does not write to the replica
            with pytest.raises(Late, match=r"no region is a primary that answers: .* is a replica"):
                await store.get(b"k", within=0.05)
        assert not waiting.done()
        await promote(b)
        await waiting
        assert await store.get_many([b"k", b"later"]) == [b"v", b"w"]
        assert (store.node.address.port, store.switches) == (b.port, 1)
        assert [e.node for e in events if e.change is LinkChange.MOVED] == [f"{a.host}:{a.port}"]

        await pair.revive(1)  # a primary again, and empty
        await auntil(lambda: in_view(store, 1), 10)
        assert await store.get(b"k") == b"v"
        async with opened(pair) as newcomer:
            assert await newcomer.get(b"k") == b"v"
        await follow(a, b)
        await pair.kill(2)
        await promote(a)
        await at(store, a)
        assert await store.get_many([b"k", b"later"]) == [b"v", b"w"]
        assert store.switches == 2


async def in_view(store: RegionStore, number: int) -> bool:
    return store._views[number - 1].role == "primary"


async def test_a_planned_switch_costs_no_error(pair: Regions) -> None:
    a, b = pair.servers[1], pair.servers[2]
    async with opened(pair) as store:
        written, stopped = 0, asyncio.Event()

        async def write() -> None:
            nonlocal written
            while not stopped.is_set():
                written += 1
                await store.command("SET", b"n", b"%d" % written, key=b"n", within=5)

        writing = [asyncio.create_task(write()) for _ in range(5)]
        await until(lambda: written > 50)
        await promote(b)
        await follow(a, b)
        await at(store, b)
        seen = written
        await until(lambda: written > seen + 50)
        stopped.set()
        await asyncio.gather(*writing)
        assert await store.command("INCR", b"fresh", key=b"fresh") == 1


async def test_a_replica_that_refuses_is_no_end(pair: Regions) -> None:
    """READONLY says that nothing was done: the command waits for the primary, and an error says who is none."""
    a, b = pair.servers[1], pair.servers[2]
    async with opened(pair) as store:
        await store.command("INCR", b"n", key=b"n")
        await a.ask("REPLICAOF", b.host, b.port)  # nobody is a primary now
        with pytest.raises(Late, match="is a replica"):
            await store.command("INCR", b"n", key=b"n", within=0.1)
        waiting = asyncio.create_task(store.command("INCR", b"n", key=b"n", within=10))
        await until(lambda: store._views[0].role == "replica")
        await promote(b)
        assert await waiting == 2


async def test_what_was_under_way_is_not_done_twice(pair: Regions) -> None:
    async with opened(pair) as store:
        await store.command("PING", key=b"")
        blocked = asyncio.create_task(store.command("BLPOP", b"none", 0, key=b"none"))
        await until(lambda: store.node._wire is not None and store.node._wire.in_flight)
        await pair.kill(1)
        with pytest.raises(Lost):
            await blocked


async def test_two_primaries_of_one_epoch_change_nothing_until_one_is_lost(pair: Regions) -> None:
    a, b = pair.servers[1], pair.servers[2]
    async with opened(pair) as store:
        await store.put(b"k", b"a", 600)
        await b.ask("REPLICAOF", "NO", "ONE")  # by hand, counted by nobody
        await auntil(lambda: in_view(store, 2), 5)
        assert await store.get(b"k") == b"a"
        assert store.switches == 0
        await pair.kill(1)
        await at(store, b)
        assert a.port != store.node.address.port


async def test_the_primary_in_use_is_seldom_asked_how_late_it_was_promoted(pair: Regions) -> None:
    async with opened(pair) as store:
        await store.put(b"k", b"v", 600)
        await store.command("CONFIG", "RESETSTAT", key=b"")
        asked = store._asked[0]._wire
        assert asked is not None
        heard = asked.heard_at
        await until(lambda: asked.heard_at > heard + 2, 10)
        said = (await store.command("INFO", "commandstats", key=b"")).decode()
        assert "cmdstat_role" in said
        assert "cmdstat_get" not in said


async def test_memory_is_not_trusted_over_a_switch(pair: Regions) -> None:
    a, b = pair.servers[1], pair.servers[2]
    async with Cache("shop", l2=pair.url) as cache:
        await cache.set("k", "v", ttl=600)
        await until(lambda: cache.hears)
        assert cache.peek("k") == "v"
        store = cache.store
        assert isinstance(store, RegionStore)
        assert await store.command("WAIT", 1, 1000, key=b"k") == 1
        await pair.kill(1)
        await until(lambda: not cache.peek("k"))
        await promote(b)
        await at(store, b)
        assert not cache.peek("k")
        assert await cache.get("k") == "v"
        await until(lambda: cache.hears)
        async with Cache("shop", l2=b.url) as other:
            await other.set("k", "w", ttl=600)
        await until(lambda: not cache.peek("k"))
        assert await cache.get("k") == "w"
    assert not a.pid


async def test_a_hung_region_is_left_once_another_is_promoted(pair: Regions) -> None:
    a, b = pair.servers[1], pair.servers[2]
    async with opened(pair) as store:
        await store.put(b"k", b"v", 600)
        assert await store.command("WAIT", 1, 1000, key=b"k") == 1
        await a.pause()
        try:
            await promote(b)
            assert await store.get(b"k", within=10) == b"v"
            await at(store, b)
        finally:
            await a.resume()


async def test_nobody_is_there_or_lets_us_in(pair: Regions) -> None:
    places = ",".join(f"{s.host}:{s.port}" for s in pair.servers.values())
    async with asyncio.timeout(5):
        store = open_store(f"redis+region://:wrong@{places}")
        with pytest.raises(Refused):
            await store.get(b"k")
        await store.close()
    store = open_store("redis+region://127.0.0.1:1,127.0.0.1:2")
    answers = await asyncio.gather(*(store.get(b"k", within=0.1) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(answer, Late) for answer in answers)
    await store.close()
    await store.close()
    with pytest.raises(Lost, match="closed"):
        await store.get(b"k")


async def test_after_a_while_without_a_primary_nobody_waits(
    pair: Regions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perftui.instrument.cache.region.GRACE", 0.2)
    async with opened(pair) as store:
        await store.put(b"k", b"v", 600)
        await pair.kill(1)
        began = time.monotonic()
        with pytest.raises(BackendError, match="no region is a primary"):
            await store.get(b"k", within=30)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("url", ["redis+region://one:1", "redis+region://one:1,one:1", "redis+region://"])
def test_a_pair_has_two_places(url: str) -> None:
    with pytest.raises(ConfigError, match="which regions"):
        open_store(url)


@pytest.mark.parametrize(
    ("said", "epoch"),
    [(b"3", 3), (None, 0), (b"", 0), (b"-1", 0), (b"x", 0), (b"9" * 19, 1 << 62), (b"9" * 99, 0), (7, 0)],
)
def test_the_epoch_is_a_number_or_none(said: object, epoch: int) -> None:
    assert epoch_of(said) == epoch
