"""Nodes that obey the TTL a console set, on a real server; what is no TTL is not obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import Cache, stats
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.refresh import Refreshing
from perftui.model.namespacepolicy import LEAST, MOST, TTL, policy_key, read_ttl, ttl_of
from perftui.model.tiers import DefaultTtl, EntryOptions
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

KEY = policy_key("shop")
OWN = DefaultTtl(300.0, 300.0)


async def put(store: Store, *pairs: Any) -> None:
    await store.command("ZADD", KEY, *pairs, key=KEY)


async def gone(store: Store) -> None:
    await store.command("UNLINK", KEY, key=KEY)


async def one(_context: Any = None) -> int:
    return 1


def held(cache: Cache, key: str) -> Entry:
    assert cache.memory is not None
    entry = cache.memory.look(key)
    assert entry is not None
    return entry


def life(cache: Cache, key: str) -> float:
    return held(cache, key).fresh_until - cache.clock.monotonic()


async def test_two_nodes_change_their_ttl_and_go_back(
    store: Store, l2: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)
    own = EntryOptions(ttl=60.0)
    async with (
        Cache("shop", l2=l2.url, defaults=own) as a,
        Cache("shop", l2=l2.url, defaults=EntryOptions(ttl=None)) as b,
        Cache("carts", l2=l2.url, defaults=own) as other,
    ):
        await a.set("old", 1)
        await put(store, 500, TTL, 7, "colour", 9, "ttl.2")
        await until(lambda: a.defaults.ttl == b.defaults.ttl == 500.0)
        assert (a.stats().ttl, b.stats().ttl) == (DefaultTtl(500.0, 60.0), DefaultTtl(500.0, NEVER))
        await a.set("new", 1)
        await a.get_or_set("loaded", one)
        await a.set("said", 1, ttl=20)
        await a.set("chosen", 1, options=own)
        assert 490 < life(a, "new") <= 500
        assert 490 < life(a, "loaded") <= 500
        assert life(a, "old") <= 60
        assert life(a, "said") <= 20
        assert life(a, "chosen") <= 60
        assert await store.command("PTTL", b"shop:new", key=b"shop:new") > 490_000
        assert other.stats().ttl == DefaultTtl(60.0, 60.0)
        await gone(store)
        await until(lambda: (a.defaults.ttl, b.defaults.ttl) == (60.0, None))
        assert a.defaults is own


async def test_a_look_counts_no_miss_and_makes_no_key(store: Store, l2: ValkeyServer) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:

        async def misses() -> bytes:
            text = await store.command("INFO", "stats", key=b"")
            return next(line for line in text.splitlines() if line.startswith(b"keyspace_misses"))

        assert cache._dictionaries is not None
        cache._dictionaries.stop()  # its look does count
        await cache.policy.look()
        before = await misses()
        for _ in range(5):
            await cache.policy.look()
        assert await misses() == before
        assert not await store.command("EXISTS", KEY, key=KEY)


@pytest.mark.parametrize("odd", ["-5", "0", "0.5", "inf", "-inf", str(MOST * 2)])
async def test_what_is_no_ttl_is_counted_and_not_obeyed(store: Store, l2: ValkeyServer, odd: str) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        await put(store, 90, TTL)
        await cache.policy.look()
        assert cache.policy.ttl == DefaultTtl(90.0, 300.0)
        await put(store, odd, TTL)
        await cache.policy.look()
        await cache.policy.look()
        assert (cache.policy.ttl, cache.stats().of("policy.refused")) == (OWN, 1)
        await gone(store)
        await store.command("SET", KEY, b"x" * 100_000, key=KEY)  # another type altogether
        await cache.policy.look()
        assert (cache.policy.ttl, cache.stats().of("policy.refused")) == (OWN, 1)
        await gone(store)
        await cache.policy.look()
        await store.command("SET", KEY, b"again", key=KEY)
        await cache.policy.look()
        assert (cache.policy.ttl, cache.stats().of("policy.refused")) == (OWN, 2)


async def test_where_nothing_is_to_be_stored_nothing_is(store: Store, l2: ValkeyServer) -> None:
    await put(store, 90, TTL)
    async with Cache("shop", l2=l2.url, publish=False, defaults=EntryOptions(ttl=0.0)) as cache:
        await cache.policy.look()
        assert cache.policy.ttl == DefaultTtl(0.0, 0.0)


async def test_options_that_the_service_changes_meanwhile_are_its_own(store: Store, l2: ValkeyServer) -> None:
    await put(store, 90, TTL)
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        await cache.policy.look()
        cache.defaults = EntryOptions(ttl=7.0, jitter=1.0)
        await cache.policy.look()
        assert cache.defaults == EntryOptions(ttl=90.0, jitter=1.0)
        await gone(store)
        await cache.policy.look()
        assert cache.defaults == EntryOptions(ttl=7.0, jitter=1.0)


async def test_without_l2_or_while_it_is_away_nothing_changes(store: Store, l2: ValkeyServer) -> None:
    async with Cache("shop") as alone:
        await alone.policy.look()
        assert alone.stats().ttl == OWN
    await put(store, 90, TTL)
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        await cache.policy.look()
        await l2.kill()
        await cache.policy.look()
        assert cache.policy.ttl == DefaultTtl(90.0, 300.0)
        cache.detach()
        await cache.policy.look()
        assert cache.policy.ttl == DefaultTtl(90.0, 300.0)


async def test_what_is_refreshed_ahead_lives_by_the_new_one(store: Store, l2: ValkeyServer) -> None:
    async with Cache("shop", l2=l2.url, publish=False, defaults=EntryOptions(ttl=60.0)) as cache:
        refreshing = Refreshing(cache, Hot(cache), loader=one)
        await cache.set("a", 1)
        await cache.set("said", 1, ttl=20)
        await put(store, 90, TTL)
        await cache.policy.look()
        assert [refreshing._as_before(held(cache, key)).ttl for key in ("a", "said")] == [90.0, 20]
        await gone(store)
        await cache.policy.look()
        assert refreshing._as_before(held(cache, "a")).ttl == 60.0
        assert cache.policy.lasting(90.0) == 60.0


async def test_of_many_former_ttls_the_oldest_are_forgotten(store: Store, l2: ValkeyServer) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as cache:
        for ttl in range(100, 140):
            await put(store, ttl, TTL)
            await cache.policy.look()
        assert cache.policy.lasting(138.0) == 139.0
        assert cache.policy.lasting(100.0) == 100.0
        assert len(cache.policy._former) <= 16


def test_a_ttl_as_it_is_typed() -> None:
    assert [read_ttl(text) for text in ("5m", " 90s ", "default", "")] == [300.0, 90.0, None, None]
    for text in ("5", "x", "0s", "500ms", "infs", "nans", "400d", "-5m"):
        with pytest.raises(ValueError, match=r"duration|TTL"):
            read_ttl(text)


def test_a_ttl_as_servers_tell_it() -> None:
    assert [ttl_of(score) for score in (None, b"300", 300.5, 7)] == [None, 300.0, 300.5, 7.0]
    for odd in (b"x", b"nan", float("inf"), LEAST / 2, [b"300"], b""):
        with pytest.raises(ValueError, match=r"TTL|could not convert"):
            ttl_of(odd)
