"""Days on which the server is full, clocks are wrong, or the disk is: what the library does on real ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import MISS, SHARED, Cache, EntryOptions, LoadTimeout, Skip, tags
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.resp import Full
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_alone import Source
from tests.instrument.cache.test_shared import Failing
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SAFE = EntryOptions(ttl=60, fail_safe=True)


@pytest.fixture
async def full(l2: ValkeyServer, store: Store) -> AsyncIterator[Any]:
    """Makes L2 full on demand: it may not evict, and has more than it may have."""
    before = {}
    for name in ("maxmemory", "maxmemory-policy"):
        before[name] = await setting(store, name)

    async def fill() -> None:
        await store.command("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 1, key=b"")

    yield fill
    for name, value in before.items():
        await store.command("CONFIG", "SET", name, value, key=b"")


async def test_a_full_l2_takes_nothing_and_nobody_tries_it_over_and_over(
    full: Any, store: Store, other: Store
) -> None:
    async with (
        Cache("shop", l2=store, publish=False) as a,
        Cache("shop", l2=other, publish=False) as b,
    ):
        await a.set("old", 1, options=SAFE)
        await a.set("tagged", 1, tags=["home"])
        await a.set("pulled", 1)
        await a.set("removed", 1)
        assert (await b.get("old"), await b.get("tagged")) == (1, 1)
        await full()
        assert await a.get_or_set("new", Source("v"), tags=["fresh tag"]) == "v"
        assert a.peek("new") == "v"
        assert await a.get_or_set("shared", Source("v"), options=SHARED) == "v"
        await a.set("old", 2, options=SAFE)
        assert await a.get("old") == 2
        await auntil(lambda: _is(b.get("old", allow_stale=True), MISS))  # no older value comes back
        with pytest.raises(Full):
            await a.set("told", 1, options=EntryOptions(raise_l2=True))
        await a.remove_by_tag("home")
        await auntil(lambda: _is(b.get("tagged"), MISS))
        await a.remove("removed")
        assert await b.get("removed") is MISS
        assert await asyncio.gather(a.pull("pulled"), b.pull("pulled")) in ([1, MISS], [MISS, 1])
        stats = a.stats()
        assert stats.of("l2.full") >= 4
        assert (stats.gauges["recovery.queue"], stats.gauges["breaker.open"]) == (0, 0)
        calls = await _calls(store)
        assert await a.get("old") == 2
        assert await _calls(store) == calls


async def test_room_again_is_used_soon(
    full: Any, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "AGAIN", 0.2)
    async with Cache("shop", l2=store) as a, Cache("shop", l2=other) as b:
        await full()
        await a.set("k", 1, tags=["t"])
        await store.command("CONFIG", "SET", "maxmemory", 0, key=b"")

        async def shared() -> bool:
            await a.set("k", 2, tags=["t"])
            return bool(await b.get("k") == 2)

        await auntil(shared)
        await b.remove_by_tag("t")
        await auntil(lambda: _is(a.get("k"), MISS))


async def _calls(store: Store) -> int:
    """Writes that were sent so far."""
    text = (await store.command("INFO", "commandstats", key=b"")).decode()
    rows = dict(line.split(":", 1) for line in text.split() if line.startswith("cmdstat_"))
    writes = [rows[name] for name in ("cmdstat_set", "cmdstat_evalsha", "cmdstat_eval") if name in rows]
    return sum(int(row.split(",")[0].split("=")[1]) for row in writes)


class Skewed:
    """A node's clock that is wrong by so many seconds, and may be set meanwhile."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, wrong: float) -> None:
        self.wrong = wrong

    def time(self) -> float:
        return time.time() + self.wrong


@pytest.fixture
async def skewed(store: Store, other: Store) -> AsyncIterator[tuple[Cache, Cache, Skewed]]:
    clock = Skewed(5.0)
    async with (
        Cache("shop", l2=store, clock=clock) as ahead,
        Cache("shop", l2=other, clock=Skewed(-5.0)) as behind,
    ):
        yield ahead, behind, clock


async def test_nodes_ten_seconds_apart_agree(skewed: tuple[Cache, Cache, Skewed]) -> None:
    ahead, behind, clock = skewed
    for one, two in ((ahead, behind), (behind, ahead)):
        for n in range(10):
            key = f"{one.node}{n}"
            await one.set(key, n, tags=["t"], ttl=2)
            assert await two.get(key) == n
            left = two.remaining(key)
            assert left is not None
            assert 1 < left[0] <= 2.05
            await two.set(key, "later", tags=["t"])
            await auntil(lambda: _is(one.get(key), "later"))  # noqa: B023 - it is over when the loop goes on
            await two.remove_by_tag("t")
            await auntil(lambda: _is(one.get(key), MISS))  # noqa: B023
            await one.set(key, "again", tags=["t"])
            assert await two.get(key) == "again"
            await two.remove(key)
            await auntil(lambda: _is(one.get(key, allow_stale=True), MISS))  # noqa: B023
            clock.wrong = -clock.wrong  # and it steps back ten seconds


async def test_a_life_is_the_servers_and_ends_for_both(skewed: tuple[Cache, Cache, Skewed]) -> None:
    ahead, behind, _ = skewed
    for one, two in ((ahead, behind), (behind, ahead)):
        await one.set(one.node, 1, ttl=0.3)
        assert await two.get(one.node) == 1
        await until(lambda: one.peek(one.node) is two.peek(one.node) is MISS)  # noqa: B023
        assert await two.get(one.node) is MISS


async def test_written_while_l2_was_away_with_a_wrong_clock_the_later_one_stands(
    l2: ValkeyServer, skewed: tuple[Cache, Cache, Skewed]
) -> None:
    ahead, behind, _ = skewed
    await ahead.set("k", 0)
    assert await behind.get("k") == 0
    await l2.pause()
    try:
        await ahead.set("k", "first", options=EntryOptions(l2_hard=0.05))
        await behind.set("k", "second", options=EntryOptions(l2_hard=0.05))
    finally:
        await l2.resume()
    await until(lambda: not any(c.stats().gauges["recovery.queue"] for c in (ahead, behind)), 10)
    await auntil(lambda: _is(ahead.get("k"), "second"), 10)
    assert await behind.get("k") == "second"


async def test_an_owner_that_stalls_past_its_lease_may_not_store(store: Store, other: Store) -> None:
    how, gate, stalled = (
        SHARED.but(lease=0.5, soft_timeout=None, early_beta=None),
        asyncio.Event(),
        Failing(store),
    )
    late, quick = Source("late", gate=gate), Source("in time")
    async with Cache("shop", l2=stalled, publish=False) as a, Cache("shop", l2=other, publish=False) as b:
        loading = asyncio.ensure_future(a.get_or_set("k", late, options=how))
        await until(lambda: late.calls)
        stalled.failing = True  # it renews its lease no more
        began = time.monotonic()
        assert await b.get_or_set("k", quick, options=how) == "in time"
        assert time.monotonic() - began < 2
        stalled.failing = False
        gate.set()
        assert await loading == "late"
        assert a.stats().of("load.void") == 1
        assert (await a.get("k"), await b.get("k")) == ("in time", "in time")
        assert (late.calls, quick.calls) == (1, 1)


async def test_a_giant_in_our_place_is_hung_up_on_and_replaced(
    l2: ValkeyServer, store: Store, other: Store
) -> None:
    kept = await setting(store, "maxmemory")
    await store.command("CONFIG", "SET", "maxmemory", 0, key=b"")
    try:
        await store.command("SETRANGE", "shop:giant", 100 << 20, "x", key=b"", within=30)
        async with Cache("shop", l2=l2.url, publish=False) as cache:
            patient = EntryOptions(l2_soft=None, l2_hard=20)
            assert await cache.get_or_set("giant", Source("v"), options=patient) == "v"
            assert 1 <= cache.stats().of("l2.error") <= 2  # the write met the link that had just ended
            await until(lambda: not cache.stats().gauges["recovery.queue"])
            await auntil(lambda: _is(cache.get("giant"), "v"))
            await cache.set("beside", 1)
            assert await cache.get("beside", options=EntryOptions(skip=Skip.L1_READ)) == 1
        assert await other.command("STRLEN", "shop:giant", key=b"") < 1000
    finally:
        await store.command("CONFIG", "SET", "maxmemory", kept, key=b"")


async def setting(store: Store, name: str) -> str:
    said = await store.command("CONFIG", "GET", name, key=b"")
    return str((said[name.encode()] if isinstance(said, dict) else said[1]).decode())


async def test_a_load_that_hangs_is_listed_and_can_be_cancelled() -> None:
    cache, gate = Cache("shop"), asyncio.Event()
    how = EntryOptions(ttl=60, fail_safe=True, soft_timeout=0.01, hard_timeout=0.05)
    assert cache.loads() == {}
    hung = Source("v", gate=gate)
    with pytest.raises(LoadTimeout):
        await cache.get_or_set("k", hung, options=how)
    await until(lambda: cache.loads()["k"] > 0.05)
    gauges = cache.stats().gauges
    assert (gauges["loads.running"], gauges["loads.oldest_s"] > 0.05) == (1, True)
    waiting = asyncio.ensure_future(cache.get_or_set("k", hung, options=how.but(hard_timeout=None)))
    await until(lambda: cache.stats().of("coalesced") == 1)
    assert cache.cancel_load("k")
    with pytest.raises(LoadTimeout):
        await waiting
    assert (hung.calls, hung.cancelled, cache.loads(), cache.cancel_load("k")) == (1, 1, {}, False)
    assert await cache.get_or_set("k", Source(1)) == 1
    await cache.close()


async def test_a_load_beside_one_that_was_too_slow_is_listed_and_cancelled_too() -> None:
    cache, gate = Cache("shop"), asyncio.Event()
    hung = Source("v", gate=gate)
    how = EntryOptions(ttl=60, lock_timeout=0.01)
    callers = [asyncio.ensure_future(cache.get_or_set("k", hung, options=how)) for _ in range(3)]
    await until(lambda: hung.calls == 3)
    other = asyncio.ensure_future(cache.get_or_set("other", hung))
    await until(lambda: hung.calls == 4)
    assert list(cache.loads()) == ["k", "other"]
    assert cache.cancel_load("k")
    for caller in callers:
        with pytest.raises(LoadTimeout, match="was cancelled"):
            await caller
    assert (list(cache.loads()), cache.cancel_load("k")) == (["other"], False)
    await until(lambda: hung.cancelled == 3)
    gate.set()
    assert await other == "v"
    late = asyncio.ensure_future(cache.get_or_set("late", Source("w", gate=asyncio.Event()), options=how))
    beside = asyncio.ensure_future(cache.get_or_set("late", Source("x"), options=how))
    assert await beside == "x"
    assert cache._flights.alone == []
    assert cache.cancel_load("late")
    with pytest.raises(LoadTimeout):
        await late
    await cache.close()


async def test_who_waits_for_a_cancelled_load_gets_the_stale_value() -> None:
    hand, gate = Hand(), asyncio.Event()
    cache = Cache("shop", clock=hand)
    await cache.set("k", "old", options=SAFE)
    hand.go(61)
    waiting = asyncio.ensure_future(cache.get_or_set("k", Source("new", gate=gate), options=SAFE))
    await until(cache.loads)
    hand.go(5)
    assert cache.loads() == {"k": 5}
    assert cache.cancel_load("k")
    assert await waiting == "old"
    await cache.close()


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)
