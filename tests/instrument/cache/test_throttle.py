"""A stale value that had to be served is the entry for a while, and no longer than what happens to its key allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import MISS, Cache, EntryOptions
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.ports import Store
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_alone import Source
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SAFE = EntryOptions(ttl=60, fail_safe=True, fail_safe_max=600, throttle=5)
SHORT = SAFE.but(ttl=0.05)
SLOW = SAFE.but(soft_timeout=0.02)
FAILS = OSError("db")


@pytest.fixture
async def pair(l2: ValkeyServer, store: Store) -> AsyncIterator[tuple[Cache, Cache]]:
    async with Cache("shop", l2=l2.url) as a, Cache("shop", l2=l2.url) as b:
        for cache in (a, b):
            await cache.get("nothing")
        await until(lambda: a.hears and b.hears)
        yield a, b


@pytest.fixture
async def stale(pair: tuple[Cache, Cache]) -> tuple[Cache, Cache]:
    """Both have a value of `k` whose life is over."""
    a, b = pair
    await a.set("k", "old", tags=["t"], options=SHORT)
    await auntil(lambda: _is(a.get("k"), MISS))
    assert await b.get("k", allow_stale=True) == "old"
    return pair


@pytest.mark.parametrize("name", ["t", EVERYTHING])
async def test_made_stale_by_a_tag_it_is_served_for_as_long_as_after_its_life(name: str) -> None:
    hand, source = Hand(), Source(FAILS)
    async with Cache("shop", clock=hand) as cache:
        await cache.set("k", "old", tags=["t"], options=SAFE)
        await cache.remove_by_tag(name)
        for _ in range(5):
            assert await cache.get_or_set("k", source, options=SAFE) == "old"
        assert (source.calls, cache.peek("k")) == (1, "old")
        hand.go(SAFE.throttle)
        assert await cache.get_or_set("k", source, options=SAFE) == "old"
        assert source.calls == 2
        await cache.remove_by_tag(name)
        assert cache.peek("k") is MISS
        assert await cache.get_or_set("k", source, options=SAFE) == "old"
        await cache.remove_by_tag(name, mode="remove")
        assert await cache.get("k", allow_stale=True) is MISS
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("k", source, options=SAFE)


async def test_other_nodes_take_it_from_l2_and_drop_it_when_the_tag_changes_again(
    pair: tuple[Cache, Cache],
) -> None:
    a, b = pair
    source, theirs = Source(FAILS), Source(FAILS)
    await a.set("k", "old", tags=["t"], options=SAFE)
    assert await b.get("k") == "old"
    await a.clear(keep_stale=True)
    await auntil(lambda: _is(b.get("k"), MISS))
    assert await a.get_or_set("k", source, options=SAFE) == "old"
    await auntil(lambda: _is(b.get("k"), "old"))
    for cache, one in ((a, source), (b, theirs)) * 3:
        assert await cache.get_or_set("k", one, options=SAFE) == "old"
    assert (source.calls, theirs.calls) == (1, 0)
    await a.remove_by_tag("t")
    await auntil(lambda: _is(b.get("k"), MISS))
    assert await a.get("k") is MISS


@pytest.mark.parametrize("how", ["tag", "key"])
async def test_changed_while_a_load_fails_it_is_not_put_back(stale: tuple[Cache, Cache], how: str) -> None:
    a, _ = stale
    source = Source(FAILS, gate=asyncio.Event())
    asked = asyncio.ensure_future(a.get_or_set("k", source, options=SAFE))
    await until(lambda: source.calls)
    await (a.remove_by_tag("t") if how == "tag" else a.remove("k"))
    source.gate.set()
    assert await asked == "old"
    assert (a.peek("k"), await a.get("k")) == (MISS, MISS)


async def test_served_for_a_slow_load_it_does_not_void_that(stale: tuple[Cache, Cache]) -> None:
    a, _ = stale
    source = Source("new", gate=asyncio.Event())
    assert await a.get_or_set("k", source, options=SLOW) == "old"
    assert await a.get_or_set("k", source, options=SLOW) == "old"
    await _round(a)
    source.gate.set()
    await auntil(lambda: _is(a.get("k"), "new"))
    assert (source.calls, a.stats().of("load.void")) == (1, 0)


async def test_nor_the_load_of_another_node(stale: tuple[Cache, Cache]) -> None:
    a, b = stale
    source, theirs = Source("new", gate=asyncio.Event()), Source("theirs")
    asked = asyncio.ensure_future(a.get_or_set("k", source, options=SAFE.but(shared_flight=True)))
    await until(lambda: source.calls)
    assert await b.get_or_set("k", theirs, options=SLOW.but(shared_flight=True)) == "old"
    await _round(b)
    await _round(a)
    source.gate.set()
    assert await asked == "new"
    await auntil(lambda: _is(b.get("k"), "new"))
    assert (theirs.calls, a.stats().of("load.void")) == (0, 0)


async def test_who_waited_too_long_for_another_node_gets_the_stale_value_where_there_is_one(
    stale: tuple[Cache, Cache],
) -> None:
    a, b = stale
    how = SAFE.but(shared_flight=True, lock_timeout=0.05)
    source, theirs = Source("new", gate=asyncio.Event()), Source("theirs")
    asked = [asyncio.ensure_future(a.get_or_set(key, source, options=how)) for key in ("k", "none")]
    await until(lambda: source.calls == 2)
    assert await asyncio.gather(*(b.get_or_set("k", theirs, options=how) for _ in range(3))) == ["old"] * 3
    assert (theirs.calls, await b.get("k"), b.peek("k")) == (0, "old", "old")
    assert b.stats().of("stale.lock") >= 1
    assert await b.get_or_set("none", theirs, options=how) == "theirs"
    assert await b.get_or_set("k", theirs, options=how.but(fail_safe=False)) == "old", "fresh for throttle"
    source.gate.set()
    assert await asyncio.gather(*asked) == ["new", "new"]
    await auntil(lambda: _is(b.get("k"), "new"))


async def _round(cache: Cache) -> None:
    """Until L2 has answered all that was sent before, and told of it."""
    assert cache.store is not None
    await cache.store.command("PING", key=b"")


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)
