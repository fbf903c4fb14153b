"""Two real regions, each with an L2 of its own: what is told in one is heard in the other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.slots import SLOTS, slot_of
from perftui.instrument.cache import Cache, EntryOptions
from perftui.instrument.cache.arriving import APART as MARGIN
from perftui.instrument.cache.names import stream_key, value_key
from perftui.instrument.cache.ports import NoticeKind, Store
from perftui.instrument.cache.relay import BEFORE, Place, Relay
from perftui.instrument.cache.stamp import Stamps, instant, shifted
from perftui.instrument.cache.store import open_store
from perftui.lab.regions import APART
from tests.conftest import need_valkey
from tests.topologies import a_cluster, regions
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.regions import Regions

NAME = "shop"
LONG = EntryOptions(ttl=600, fail_safe=True)


@pytest.fixture(scope="module")
async def both(server_folder: Folder) -> AsyncIterator[Regions]:
    need_valkey()
    made = regions(server_folder, APART)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def apart(both: Regions) -> Regions:
    """Both up and empty."""
    for number, server in both.servers.items():
        if not server.pid:
            await both.revive(number)
        await server.ask("FLUSHALL")
    return both


@asynccontextmanager
async def node(home: str, peer: str, **how: Any) -> AsyncIterator[tuple[Cache, Relay]]:
    """A cache in one region that is told of another."""
    async with Cache(NAME, l2=home, defaults=LONG) as cache:
        relay = Relay(cache, peer, **how)
        yield cache, relay


@asynccontextmanager
async def pair(apart: Regions, **how: Any) -> AsyncIterator[tuple[Cache, Cache, Relay, Relay]]:
    """One node in each region, both reading on."""
    a, b = apart.urls
    async with AsyncExitStack() as stack:
        first, there = await stack.enter_async_context(node(a, b, **how))
        second, here = await stack.enter_async_context(node(b, a, **how))
        await begun(there, here)
        yield first, second, there, here


async def begun(*relays: Relay) -> None:
    """Each knows its place."""
    for relay in relays:
        await auntil(partial(placed, relay), 10)


async def placed(relay: Relay) -> bool:
    store = relay._cache.store
    return relay.leads and store is not None and await store.get(relay._place) is not None


async def later(cache: Cache) -> Store:
    """Once its clock shows so much more that no estimate of it could take one write for the other."""
    store = cache.store
    assert store is not None
    told = store.now()
    await until(lambda: store.now() > told + 2 * MARGIN)
    return store


async def loads(value: object) -> object:
    return value


async def test_a_set_is_heard_in_the_other_region(apart: Regions) -> None:
    async with pair(apart) as (a, b, there, here):
        await b.set("k", "old")
        await until(lambda: there.applied == 1)
        await a.set("k", "new")
        await until(lambda: not b.peek("k"))
        assert not await b.get("k")
        assert await b.get_or_set("k", lambda: loads("loaded")) == "loaded"
        assert (await a.get("k"), here.applied, here.valued) == ("new", 1, 0)
        figures = b.stats()
        assert figures.counters["relay.peer.applied"] == 1
        assert figures.gauges["relay.peer.behind"] == 0
        assert "relay.peer" in figures.sketches


async def test_values_cross_where_wanted(apart: Regions) -> None:
    async with pair(apart, values=True) as (a, b, there, here):
        await a.set("k", {"n": 1}, tags=["t"], ttl=60)
        await until(lambda: here.valued == 1)
        assert await b.get("k") == {"n": 1}
        await a.remove_by_tag("t")
        await until(lambda: here.applied == 2)
        assert not await b.get("k")
        assert await b.get("k", allow_stale=True) == {"n": 1}
        await a.set("k", "next", tags=["t"])
        await until(lambda: here.valued == 2)
        await b.remove_by_tag("t", mode="remove")
        await until(lambda: there.applied == 1)
        assert not await a.get("k", allow_stale=True)


@pytest.mark.parametrize("values", [False, True])
async def test_nothing_comes_back_as_an_echo(apart: Regions, values: bool) -> None:
    async with pair(apart, values=values) as (a, b, there, here):
        await a.set("k", 1)
        await a.expire("k")
        await a.remove("j")
        await a.remove_by_tag("t", "u")
        await until(lambda: here.applied == 5)
        await b.set("end", 1)
        await until(lambda: there.applied == 1)
        assert (there.sent, here.sent) == (5, 1)
        assert await length(apart, 1) == 5
        assert await length(apart, 2) == 1


async def length(apart: Regions, number: int) -> int:
    return int(await apart.servers[number].ask("XLEN", stream_key(NAME, "relay")))


async def test_loads_do_not_cross(apart: Regions) -> None:
    async with pair(apart) as (a, b, there, here):
        assert await a.get_or_set("k", lambda: loads("a")) == "a"
        assert await b.get_or_set("k", lambda: loads("b")) == "b"
        await a.set("end", 1)
        await until(lambda: here.applied == 1)
        assert (there.sent, await a.get("k"), await b.get("k")) == (1, "a", "b")
        await a.set("k", "quiet", options=LONG.but(notify=False))
        assert there.sent == 1


async def test_the_later_of_two_writes_stands_in_both(apart: Regions) -> None:
    async with pair(apart, values=True) as (a, b, there, here):
        await apart.servers[2].pause()  # b's region stands still
        try:
            await a.set("k", "first")
        finally:
            await apart.servers[2].resume()
        await later(b)
        await b.set("k", "second")
        await until(lambda: there.applied == 1 and here.applied == 1, 10)
        assert await a.get("k") == "second"
        assert await b.get("k") == "second"


async def test_removal_clear_and_the_other_nodes_of_a_region(apart: Regions) -> None:
    async with pair(apart) as (a, b, _, here), Cache(NAME, l2=apart.urls[1]) as other:
        for key in ("k", "j", "i"):
            await b.set(key, key)
            assert await other.get(key) == key
        await a.remove("k")
        await until(lambda: not other.peek("k"))
        assert not await other.get("k", allow_stale=True)
        await a.expire("j")
        await until(lambda: not other.peek("j"))
        assert not await other.get("j")
        assert await other.get("j", allow_stale=True) == "j"
        await a.clear()
        await until(lambda: not other.peek("i"))
        assert not await other.get("i", allow_stale=True)
        assert here.applied == 3
        await a.set("p", 1)
        await b.set("q", "q")
        assert await a.pull("p") == 1
        await until(lambda: here.applied == 5)


async def test_what_is_said_twice_harms_nobody(apart: Regions) -> None:
    async with pair(apart, values=True) as (a, b, _, here):
        await a.set("k", "a", tags=["t"])
        await a.remove("j")
        await until(lambda: here.applied == 2)
        store = await later(b)
        await b.set("k", "b")
        await b.set("j", "j")
        await here._keep_place(store, BEFORE)  # as another node would that heard nothing of it
        here._task.cancel()
        async with node(*reversed(apart.urls), values=True) as (_, again):
            await until(lambda: again.applied == 2, 10)
            assert again.lost == 0
            assert (await b.get("k"), await b.get("j")) == ("b", "j")


async def test_a_link_that_is_killed_and_back_misses_nothing(apart: Regions) -> None:
    async with pair(apart) as (a, b, _, here):
        await apart.servers[1].ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await b.set("k", "old")
        await a.set("k", "new")
        await until(lambda: here.applied == 1, 10)
        assert not await b.get("k")
        await apart.servers[1].pause()
        await until(lambda: here.trouble, 10)
        assert b.stats().gauges["relay.peer.silent_s"] > 0
        await apart.servers[1].resume()
        await until(lambda: not here.trouble, 10)
        for n in range(20):
            await a.set(f"k{n}", n)
        await until(lambda: here.applied == 21, 10)
        assert here.lost == 0


async def test_a_place_that_is_lost_drops_everything(apart: Regions, caplog: Any) -> None:
    async with pair(apart) as (a, b, _, here):
        await a.set("first", 1)
        await until(lambda: here.applied == 1)
        await b.set("k", "k")
        await apart.kill(1)  # comes back empty: what it had not told is gone with it
        await apart.revive(1)
        await until(lambda: here.lost == 1, 10)
        assert "lost its place in region peer" in caplog.text
        assert not await b.get("k", allow_stale=True)
        await b.set("k", "again")
        await a.set("k", "a")
        await until(lambda: not b.peek("k"), 10)
        assert here.lost == 1


async def test_more_than_is_kept_drops_everything(apart: Regions) -> None:
    a, b = apart.urls
    async with node(b, a) as (second, here):
        await begun(here)
        await second.set("k", "k")
    async with node(a, b, bound=100) as (first, there):
        for n in range(400):
            await first.set(f"k{n}", n)
        assert there.sent == 400
        assert await length(apart, 1) < 250
        async with node(b, a) as (second, here):
            await until(lambda: here.lost == 1, 10)
            assert not await second.get("k")
            await first.set("more", 1)
            await until(lambda: here.applied == 1)


async def test_one_node_of_a_region_reads_and_another_goes_on(apart: Regions) -> None:
    a, b = apart.urls
    async with node(a, b) as (first, _), node(b, a) as (_, one), node(b, a) as (second, two):
        await until(lambda: one.leads + two.leads == 1, 10)
        leader, other = (one, two) if one.leads else (two, one)
        await begun(leader)
        await first.set("k", 1)
        await until(lambda: leader.applied == 1, 10)
        await leader.close()
        await leader.close()
        await until(lambda: other.leads, 10)
        await first.set("j", 1)
        await until(lambda: other.applied == 1, 10)
        assert (other.lost, second.relaying in {one, two, None}) == (0, True)


async def test_what_l2_does_not_take_is_told_later(apart: Regions) -> None:
    async with pair(apart) as (a, b, there, here):
        await b.set("k", "old")
        await until(lambda: there.applied == 1)
        await apart.servers[1].pause()
        await a.set("k", "new")
        await a.remove_by_tag("t")
        assert there.unsent == 2
        await apart.servers[1].resume()
        await until(lambda: here.applied >= 2, 20)  # what had been sent was done late, and is said again
        assert not await b.get("k")


async def test_a_write_waits_for_the_relay_no_longer_than_for_l2(apart: Regions) -> None:
    async with pair(apart) as (a, _, there, here):
        await apart.servers[1].pause()
        try:
            for n in range(6):  # until the breaker opens
                await a.set(f"k{n}", n, options=LONG.but(l2_hard=0.05))
            assert there.unsent == 6
            began = time.monotonic()
            await a.set("k", 1)
            assert time.monotonic() - began < 0.3
            await a.set("j", 1, options=LONG.but(l2_background=True))
            await until(lambda: there.unsent == 8)
        finally:
            await apart.servers[1].resume()
        await until(lambda: here.applied >= 8, 20)


async def test_what_cannot_be_read_drops_everything(apart: Regions) -> None:
    async with pair(apart) as (a, b, _, here):
        await a.set("k", 1)
        await until(lambda: here.applied == 1)
        await b.set("k", "k")
        stream = stream_key(NAME, "relay")
        last = await here._tail()
        follows = b"%d-0" % (last.number + 1)
        await apart.servers[1].ask("XADD", stream, follows, "n", "\x1b[2J", "t", "x", "p", last.mark)
        await until(lambda: here.damaged == 1)
        assert not await b.get("k", allow_stale=True)
        await b.set("k", "k")
        await apart.servers[1].ask("XADD", stream, b"%d-7" % (int(follows.split(b"-")[0]) + 5), "n", "")
        await until(lambda: here.lost == 1)
        assert not await b.get("k", allow_stale=True)


async def test_a_value_packed_elsewhere_or_gone_is_loaded(apart: Regions) -> None:
    async with pair(apart, values=True) as (a, b, there, here):
        await b.set("k", "b")
        await until(lambda: there.valued == 1)
        stamp = a._core.stamps.next()
        await apart.servers[1].ask("SET", value_key(NAME, "k"), b"\xc1Pnonsense")
        await there.tell(NoticeKind.SET, ["k", "never"], stamp, gone=False, within=1.0)
        await until(lambda: here.applied == 2)
        assert here.valued == 0
        assert not await b.get("k")


async def test_numbers_that_a_failover_gave_to_others_are_no_place(apart: Regions) -> None:
    async with pair(apart) as (a, b, _, here):
        for n in range(5):
            await a.set(f"k{n}", n)
        await until(lambda: here.applied == 5)
        await b.set("k", "k")
        place = await here._tail()
        stream = stream_key(NAME, "relay")
        again = (f"{place.number}-0", "n", "x"), (f"{place.number + 1}-0", "n", "y")
        async with apart.servers[1].client() as client, client.pipeline(transaction=True) as both:
            both.execute_command("DEL", stream)
            for words in again:
                both.execute_command("XADD", stream, *words)
            await both.execute()
        await until(lambda: here.lost == 1)
        assert not await b.get("k", allow_stale=True)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (None, None),
        (b"", None),
        (b"7", None),
        (b"x a", None),
        (b"7 a", Place(7, b"a")),
        (b"9" * 19 + b" a", None),
        (b"7 " + b"a" * 17, None),
    ],
)
def test_a_place_that_was_kept(text: bytes | None, place: Place | None) -> None:
    assert Place.of(text) == place
    assert place is None or Place.of(place.text()) == place


async def test_a_cluster_is_a_region(apart: Regions, server_folder: Folder) -> None:
    """A Stream and its reader in a cluster, through the loss of the master that holds it."""
    cluster = a_cluster(server_folder)
    try:
        await cluster.start()
        alone = apart.urls[1]
        async with node(cluster.url, alone) as (a, there), node(alone, cluster.url) as (b, here):
            await begun(there, here)
            await b.set("k", "old")
            await until(lambda: there.applied == 1, 10)
            await a.set("k", "new", tags=["t"])
            await until(lambda: here.applied == 1, 10)
            assert not await b.get("k")
            await b.set("j", "j")
            holder = slot_of(stream_key(NAME, "relay")) * len(cluster.masters) // SLOTS
            await cluster.kill(holder + 1)
            await a.remove("j")
            await auntil(lambda: absent(b, "j"), 20)
    finally:
        await cluster.stop()


async def absent(cache: Cache, key: str) -> bool:
    return not await cache.get(key)


@pytest.mark.parametrize("how", [{"name": ""}, {"name": "A b"}, {"name": "x" * 33}, {"bound": 0}])
async def test_a_relay_needs_a_name_and_room(how: dict[str, Any]) -> None:
    async with Cache(NAME) as cache:
        with pytest.raises(ValueError, match="region's name"):
            Relay(cache, "redis://127.0.0.1:1", **how)


async def test_without_an_l2_nothing_crosses(apart: Regions) -> None:
    peer = open_store(apart.urls[1])
    async with Cache(NAME) as cache:
        relay = Relay(cache, peer)
        await cache.remove_by_tag("t")
        assert (relay.unsent, relay.leads) == (1, False)
        await cache.set("k", 1)
        assert await cache.get("k") == 1
    await peer.close()


def test_a_stamp_by_another_clock() -> None:
    stamps = Stamps(lambda: 1000.0, b"n" * 8)
    one = stamps.next()
    assert instant(shifted(one, 2.5)) == instant(one) + 2.5
    assert shifted(one, 2.5)[8:] == one[8:]
    assert shifted(one, -5000.0)[:8] == b"\0" * 8
    assert shifted(one, 0.0) == one
