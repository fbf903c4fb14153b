"""While the breaker is open tags and leases leave L2 alone too, and a lease that comes too late is nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import MISS, Cache, EntryOptions
from perftui.instrument.cache.breaker import FAILURES
from perftui.instrument.cache.lease import MOST_UNDONE
from perftui.instrument.cache.names import lease_key
from perftui.instrument.cache.ports import Store
from perftui.model.errors import Lost
from tests.instrument.cache.test_alone import Source
from tests.instrument.cache.test_shared import Failing
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SHARED = EntryOptions(ttl=60, shared_flight=True, lease=30.0)


@pytest.fixture
async def node(store: Store) -> AsyncIterator[tuple[Cache, Failing]]:
    """A cache, and what stands between it and L2."""
    async with Cache("shop", l2=store, publish=False) as cache:
        await cache.get("nothing")
        await until(lambda: cache.hears)
        between, core = Failing(store), cache._core
        core.l2.store = core.tags.store = core.lock._store = between  # type: ignore[union-attr, assignment]
        yield cache, between


async def opened(cache: Cache, between: Failing) -> None:
    """Its breaker opens."""
    between.failing = True
    for n in range(FAILURES):
        await cache.get(f"missing{n}")
    assert cache.stats().gauges["breaker.open"]


async def test_open_it_keeps_leases_and_tags_from_l2(node: tuple[Cache, Failing]) -> None:
    cache, between = node
    await cache.set("before", 1, tags=["home"])
    await opened(cache, between)
    calls, source = between.calls, Source("v", gate=asyncio.Event())
    asked = [
        asyncio.ensure_future(cache.get_or_set("k", source, tags=["new"], options=SHARED)) for _ in range(9)
    ]
    await until(lambda: source.calls)
    source.gate.set()
    assert await asyncio.gather(*asked) == ["v"] * 9
    assert (source.calls, cache.peek("k"), cache.peek("before")) == (1, "v", 1)
    await cache.remove_by_tag("home")
    assert await cache.get("before") is MISS
    assert await cache.get_or_set("home", Source("w"), tags=["home"], options=SHARED) == "w"
    assert cache.peek("home") == "w"
    assert between.calls == calls


async def test_a_tag_s_change_may_be_what_tries_l2_again(node: tuple[Cache, Failing], other: Store) -> None:
    cache, between = node
    await cache.set("k", 1, tags=["home"])
    await opened(cache, between)
    breaker = cache._core.l2.breaker  # type: ignore[union-attr]
    await cache.remove_by_tag("home")
    between.failing = False
    breaker._until = 0.0
    await until(lambda: not cache.stats().gauges["recovery.queue"])
    assert breaker.state == "closed"
    async with Cache("shop", l2=other, publish=False) as b:
        assert await b.get("k") is MISS


async def test_a_few_tags_that_cannot_be_asked_for_do_not_open_it(
    node: tuple[Cache, Failing], store: Store
) -> None:
    cache, between = node
    cache._core.l2.store = store  # type: ignore[union-attr]
    between.failing = True
    for n in range(2 * FAILURES):
        assert await cache.get_or_set(f"k{n}", Source(n), tags=[f"t{n}"], options=SHARED) == n
    assert not cache.stats().gauges["breaker.open"]


async def test_a_lease_that_came_too_late_is_given_up(l2: ValkeyServer, store: Store, other: Store) -> None:
    async with Cache("shop", l2=store, publish=False) as cache:
        await cache.get("nothing")
        lock: Any = cache.lock
        await l2.pause()
        try:
            for n in range(MOST_UNDONE + 1):
                with pytest.raises(Lost):
                    await lock.acquire(f"k{n}", 30.0, within=0.001)
            assert len(lock._undoing) == MOST_UNDONE
        finally:
            await l2.resume()
        await until(lambda: not lock._undoing)
        leases = [lease_key("shop", f"k{n}") for n in range(MOST_UNDONE)]
        assert await other.get_many(leases) == [None] * MOST_UNDONE
        await auntil(lambda: _taken(cache))


async def _taken(cache: Cache) -> bool:
    return bool(await cache.get_or_set("k0", Source("v"), options=SHARED) == "v")
