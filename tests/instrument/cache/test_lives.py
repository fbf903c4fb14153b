"""How long each tier has a value, what it takes there, and what becomes of tiers that are let go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import MISS, Cache, EntryOptions, LoadTimeout
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.names import node_key
from perftui.instrument.cache.ports import Store
from perftui.model.errors import Lost
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_alone import Source
from tests.instrument.cache.test_shared import Failing
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SHORT = EntryOptions(ttl=60, l1_ttl=5)


async def test_l1_keeps_what_it_reads_from_l2_for_its_own_ttl(store: Store, other: Store) -> None:
    hand = Hand()
    source = Source("v", "again")
    async with Cache("shop", l2=store, publish=False) as a, Cache("shop", l2=other, clock=hand) as b:
        assert await a.get_or_set("k", source, options=SHORT) == "v"
        assert await b.get_or_set("k", source, options=SHORT) == "v"
        for cache in (a, b):
            left = cache.remaining("k")
            assert left is not None
            assert 4 < left[0] <= 5
            assert left[1] == 60
        hand.go(6)
        assert b.peek("k") is MISS
        assert b.sweep() == 1, "nothing is kept for fail-safe"
        assert await b.get("k", options=SHORT) == "v"
        assert (source.calls, b.stats().of("hit.l2")) == (1, 2)


@pytest.mark.parametrize(("size", "taken"), [(-1, 2), (2.5, 2), (1 << 60, (1 << 38) - 1)])
async def test_an_odd_size_that_a_loader_says_costs_neither_the_value_nor_its_order(
    size: Any, taken: int
) -> None:
    async def load(ctx: Any) -> str:
        ctx.size = size
        return "v"

    cache = Cache("shop", l1=Memory(10, bytes_=1 << 62))
    assert await cache.get_or_set("k", load) == "v"
    assert cache.memory is not None
    entry = cache.memory.look("k")
    assert entry is not None
    assert entry.stamp < cache._core.stamps.next()
    assert cache.memory.bytes == entry.size == taken


@pytest.mark.parametrize("long", [EntryOptions(ttl=10, l1_ttl=600), EntryOptions(ttl=600, l2_ttl=10)])
async def test_l1_has_nothing_for_longer_than_l2(store: Store, long: EntryOptions) -> None:
    async with Cache("shop", l2=store, publish=False) as cache:
        await cache.set("k", 1, options=long)
        left = cache.remaining("k")
        assert left is not None
        assert 9 < left[0] <= 10


async def test_the_end_of_l1s_own_ttl_is_no_reason_to_load_early(store: Store) -> None:
    hand, source = Hand(), Source("v", "early")
    how = SHORT.but(eager_at=0.5)
    async with Cache("shop", l2=store, clock=hand, publish=False) as cache:
        await cache.get_or_set("k", source, options=how)
        await until(lambda: cache.peek("k") == "v")  # L2 told of our own write, which is looked at
        hand.go(4)
        assert await cache.get_or_set("k", source, options=how) == "v"
        assert cache.stats().of("hit.l2") == cache.stats().of("early") == 0
        hand.go(30)
        await cache.set("k", "v", options=how)
        hand.go(4)
        cache._core.memory.look("k").ends = hand.monotonic() + 20  # type: ignore[union-attr]
        assert await cache.get_or_set("k", source, options=how) == "v"
        await until(lambda: source.calls == 2)


async def test_bytes_bound_a_memory_without_l2() -> None:
    async with Cache("shop", l1=Memory(1000, bytes_=10_000)) as cache:
        for n in range(100):
            await cache.set(f"k{n}", "x" * 1000)
        await cache.set("thing", object())
        gauges = cache.stats().gauges
        assert 8 <= gauges["l1.entries"] <= 11
        assert 8_000 < gauges["l1.bytes"] <= 10_000


async def test_the_size_that_a_loader_says_counts_with_l2_too(store: Store) -> None:
    async def heavy(ctx: Any) -> str:
        ctx.size = 5000
        return "small"

    async with Cache("shop", l1=Memory(1000, bytes_=10_000), l2=store, publish=False) as cache:
        for n in range(3):
            await cache.get_or_set(f"k{n}", heavy)
        assert cache.stats().gauges["l1.bytes"] == 10_000


async def test_of_what_cannot_be_written_no_older_value_is_left(store: Store, other: Store) -> None:
    failing = Failing(store)
    async with Cache("shop", l2=failing, publish=False) as a, Cache("shop", l2=other, publish=False) as b:
        await a.set("k", "old")
        assert await b.get("k") == "old"
        thing = object()
        await a.set("k", thing)
        assert await a.get("k") is thing
        await auntil(lambda: _is(b.get("k"), MISS))
        await b.set("k", "other")
        await auntil(lambda: _is(a.get("k"), "other"))
        failing.failing = True
        await a.set("k", thing)
        assert await b.get("k") == "other"
        failing.failing = False
        await auntil(lambda: _is(b.get("k"), MISS))


async def test_a_write_to_the_database_succeeds_whatever_the_cache_would_raise(store: Store) -> None:
    rows: dict[str, Any] = {}

    class Writer:
        async def write(self, items: Any) -> None:
            rows.update((item.key, item.value) for item in items)

    failing = Failing(store)
    loud = EntryOptions(raise_l2=True, raise_serialization=True, raise_backplane=True)
    async with Cache("shop", l2=failing, publish=False, writer=Writer(), defaults=loud) as cache:
        await cache.set("k", "old")
        thing = object()
        await cache.write("k", thing)
        failing.failing = True
        await cache.write("j", 1)
        await cache.write("i", 1, how="around", options=loud)
        assert rows == {"k": thing, "j": 1, "i": 1}
        with pytest.raises(Lost):
            await cache.set("j", 2)


async def test_who_waits_no_longer_for_anothers_load_gets_the_default() -> None:
    how = EntryOptions(ttl=60, fail_safe=True, lock_timeout=0.01)
    async with Cache("shop") as cache:
        gate = asyncio.Event()
        slow = Source("slow", gate=gate)
        first = asyncio.ensure_future(cache.get_or_set("k", slow))
        await until(lambda: slow.calls)
        bad = Source(OSError("db"))
        assert await cache.get_or_set("k", bad, fail_safe_default="none", options=how) == "none"
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("k", bad, options=how)
        hung = how.but(hard_timeout=0.03)
        assert await cache.get_or_set("k", slow, fail_safe_default="none", options=hung) == "none"
        with pytest.raises(LoadTimeout):
            await cache.get_or_set("k", slow, options=hung.but(background=False))
        await until(lambda: slow.cancelled)
        assert (slow.calls, slow.cancelled) == (3, 1)  # the other goes on behind
        gone = asyncio.ensure_future(cache.get_or_set("k", slow, options=how.but(background=False)))
        await until(lambda: slow.calls == 4)
        gone.cancel()
        await until(lambda: slow.cancelled == 2)  # nobody wants it any more
        gate.set()
        assert await first == "slow"


async def test_pulling_while_l2_is_away_gives_nobody_anything(store: Store) -> None:
    purged: list[Any] = []

    class Edge:
        async def purge(self, **what: Any) -> None:
            purged.append(what)

    failing = Failing(store)
    async with Cache("shop", l2=failing, publish=False, edge=Edge()) as cache:
        await cache.set("k", 1)
        await cache.set("j", 2)
        failing.failing = True
        assert await cache.pull("k", default="none") == "none"
        with pytest.raises(Lost):
            await cache.pull("k", options=EntryOptions(raise_l2=True))
        failing.failing = False
        assert await cache.pull_many(["k", "j", "i"]) == {"k": 1, "j": 2}
        assert purged == [{"keys": (key,), "tags": ()} for key in ("k", "j", "i")]
        assert cache.stats().of("remove") == 3
    async with Cache("shop", enabled=False) as off:
        assert await off.pull("k", default="none") == "none"


async def test_many_are_stale_at_once() -> None:
    async with Cache("shop", defaults=EntryOptions(fail_safe=True)) as cache:
        await cache.set_many({"a": 1, "b": 2, "c": 3})
        await cache.expire_many(["a", "b"])
        assert await cache.get_many("abc") == {"c": 3}
        assert await cache.get("a", allow_stale=True) == 1


async def test_an_l2_that_is_let_go_hears_no_more_of_the_node(l2: ValkeyServer, store: Store) -> None:
    async def told(name: str) -> bool:
        return await store.command("EXISTS", node_key("shop", name), key=b"") == 1

    async with Cache("shop", l2=l2.url) as cache:
        await auntil(lambda: told(cache.node))
        first = cache.store
        cache.attach(l2.url)
        assert cache.store is not first
        await auntil(lambda: _closed(first))
        await auntil(lambda: told(cache.node))
        last = cache.detach()
        assert last is not None
        await auntil(lambda: _not(told(cache.node)))
        assert [t for t in asyncio.all_tasks() if t.get_name() == "cache stats"] == []
        await last.close()


async def test_an_l2_that_another_takes_the_place_of_forgets_the_node(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l2=l2.url) as cache:
        key = node_key("shop", cache.node)
        await auntil(lambda: _is(store.command("EXISTS", key, key=b""), 1))
        first = cache.store
        cache.attach(l2.url.removesuffix("0") + "1")
        await auntil(lambda: _closed(first))
        assert await store.command("EXISTS", key, key=b"") == 0


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)


async def _not(asked: Any) -> bool:
    return not bool(await asked)


async def _closed(store: Any) -> bool:
    try:
        await store.command("PING", key=b"")
    except Lost as error:
        return "closed" in str(error)
    return False
