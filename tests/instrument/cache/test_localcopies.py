"""An L1 lent by a console: bounded, short-lived, under the link of invalidation, and taken back; or taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.s3fifo import USES
from perftui.backends.valkey import Valkey
from perftui.instrument.cache import SHARED, Cache, stats
from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.memory import Memory
from perftui.model.namespacepolicy import LOCAL_ENTRIES, LOCAL_LIFE, local_of, policy_key, read_local
from perftui.model.options import ValkeyOptions
from perftui.model.tiers import LocalCopies
from tests.instrument.cache.clock import Hand
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.03)


@pytest.fixture
async def console(l2: ValkeyServer) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=l2.url))
    await made._work.one("DEL", policy_key("shop"), deadline=5)
    yield made
    await made._work.one("DEL", policy_key("shop"), deadline=5)
    await made.close()


async def test_a_cache_without_l1_is_lent_one_and_gives_it_back(console: Valkey, l2: ValkeyServer) -> None:
    async with Cache("shop", l1=None, l2=l2.url) as cache, Cache("shop", l1=None, l2=l2.url) as other:
        assert cache.stats().local == LocalCopies(0, 0)
        await cache.set("k", "old")
        await console.set_namespace_local("shop", 3)
        await until(lambda: cache.memory is not None)
        assert cache.stats().local == LocalCopies(3, 0)
        assert await cache.get("k") == "old"
        lent = cache.memory
        await cache.policy.look()
        assert cache.memory is lent, "the same is lent again"
        assert cache.peek("k") == "old"
        for n in range(9):
            await cache.set(f"n{n}", n)
        assert cache.stats().gauges["l1.entries"] == 3
        assert await cache.get("k") == "old"
        await other.set("k", "new")
        await until(lambda: cache.peek("k") is MISS)
        assert await cache.get("k") == "new"
        await console.set_namespace_local("shop", None)
        await until(lambda: cache.memory is None)
        assert cache.peek("k") is MISS
        assert await cache.get("k") == "new"
        assert "l1.entries" not in cache.stats().gauges


async def test_what_is_lent_is_fresh_for_ten_seconds_whatever_its_ttl(
    console: Valkey, l2: ValkeyServer
) -> None:
    hand = Hand()
    async with Cache("shop", l1=None, l2=l2.url, clock=hand) as cache:
        await console.set_namespace_local("shop", LOCAL_ENTRIES)
        await until(lambda: cache.memory is not None)
        await cache.set("mine", 1, options=SHARED.but(ttl=600.0))
        await cache.set("for good", 2, ttl=None)
        assert (cache.peek("mine"), cache.peek("for good")) == (1, 2)
        whole = cache._core.entry(3, SHARED, (), bytes(16), 600.0, 0.0)
        cache._core.keep("kept", whole)
        assert whole.fresh_until == hand.monotonic() + 600.0, "what goes to L2 is not cut"
        hand.go(LOCAL_LIFE - 0.5)
        assert (cache.peek("mine"), cache.peek("for good")) == (1, 2)
        hand.go(1.0)
        assert cache.peek("mine") is MISS
        assert cache.peek("for good") is MISS
        assert await cache.get("mine") == 1
        assert cache.peek("mine") == 1


async def test_nothing_lent_is_served_while_the_link_is_down_or_kept_without_l2(
    console: Valkey, l2: ValkeyServer
) -> None:
    async with Cache("shop", l1=None, l2=l2.url) as cache:
        await console.set_namespace_local("shop", LOCAL_ENTRIES)
        await until(lambda: cache.memory is not None)
        await cache.set("k", 1)
        assert cache.peek("k") == 1
        cache._core.linked(up=False)
        assert cache.peek("k") is MISS
        assert await cache.get("k") == 1
        store = cache.detach()
        assert cache.memory is None
        assert store is not None
        await store.close()


@pytest.mark.parametrize("more", [{"listen": False}, {"enabled": False}])
async def test_who_hears_nothing_of_changes_is_lent_none(
    console: Valkey, l2: ValkeyServer, more: dict[str, Any]
) -> None:
    async with Cache("shop", l1=None, l2=l2.url, **more) as cache, Cache("shop", l1=None, l2=l2.url) as other:
        await console.set_namespace_local("shop", LOCAL_ENTRIES)
        await until(lambda: other.memory is not None)
        await cache.policy.look()
        assert cache.memory is None
        assert cache.stats().local is None


async def test_who_is_refused_what_others_change_is_lent_none(console: Valkey, l2: ValkeyServer) -> None:
    rule = ("ACL", "SETUSER", "plain", "on", ">plain", "~*", "&*", "+@all", "-client|tracking")
    await console._work.one(*rule, deadline=5)
    await console.set_namespace_local("shop", LOCAL_ENTRIES)
    async with Cache("shop", l1=None, l2=f"redis://plain:plain@{l2.host}:{l2.port}") as cache:
        await until(lambda: cache.stats().gauges["linked"] == 0)
        await cache.policy.look()
        assert cache.memory is None
        assert cache.stats().local is None
    await console._work.one("ACL", "DELUSER", "plain", deadline=5)


async def test_an_l1_of_its_own_is_let_be_or_taken_away_and_comes_back_empty(
    console: Valkey, l2: ValkeyServer
) -> None:
    own = Memory(50)
    async with Cache("shop", l1=own, l2=l2.url) as cache, Cache("shop", l1=None, l2=l2.url) as other:
        await console.set_namespace_local("shop", LOCAL_ENTRIES)
        await until(lambda: other.memory is not None)
        await cache.policy.look()
        assert cache.memory is own
        assert cache.stats().local == LocalCopies(50, 50)
        await cache.set("k", "old", ttl=600.0)
        early, entry = cache.peek, own.look("k")
        assert entry is not None
        assert [early("k") for _ in range(USES + 2)][-1] == "old"
        await console.set_namespace_local("shop", 0)
        await until(lambda: cache.memory is None and other.memory is None)
        own.put("k", entry)  # by an operation that began before
        entry.uses = USES
        assert early("k") is MISS
        assert cache.stats().local == LocalCopies(0, 50)
        await other.set("k", "new")
        assert await cache.get("k") == "new"
        await console.set_namespace_local("shop", None)
        await until(lambda: cache.memory is own)
        assert cache.peek("k") is MISS
        assert await cache.get("k") == "new"
        assert early("k") == "new"


async def test_who_watches_hears_what_the_lent_one_lets_go(console: Valkey, l2: ValkeyServer) -> None:
    async with Cache("shop", l1=None, l2=l2.url) as cache:
        heard: list[tuple[str, str]] = []
        cache.on_event(lambda event, key: heard.append((event, key)))
        await console.set_namespace_local("shop", 1)
        await until(lambda: cache.memory is not None)
        await cache.set("a", 1)
        await cache.set("b", 2)
        assert ("evict", "a") in heard


async def test_who_began_to_watch_while_there_was_no_l1_hears_what_it_lets_go(
    console: Valkey, l2: ValkeyServer
) -> None:
    async with Cache("shop", l1=1, l2=l2.url) as cache:
        await console.set_namespace_local("shop", 0)
        await until(lambda: cache.memory is None)
        heard: list[tuple[str, str]] = []
        cache.on_event(lambda event, key: heard.append((event, key)))
        await console.set_namespace_local("shop", None)
        await until(lambda: cache.memory is not None)
        await cache.set("a", 1)
        await cache.set("b", 2)
        assert ("evict", "a") in heard


def test_counts_as_servers_tell_them_and_words_as_they_are_typed() -> None:
    assert (local_of(None), local_of(b"0"), local_of(b"1000"), local_of(7.0)) == (None, 0, 1000, 7)
    for odd in (b"-1", b"1.5", b"1e9", b"nan", b"inf", object()):
        with pytest.raises(ValueError, match=r"no count|could not"):
            local_of(odd)
    assert (read_local("on"), read_local(" OFF "), read_local("default"), read_local("")) == (
        LOCAL_ENTRIES,
        0,
        None,
        None,
    )
    with pytest.raises(ValueError, match="`on`, `off`"):
        read_local("maybe")
