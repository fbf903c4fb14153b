"""What plugins are told, on real servers where L2 has a part in it, and what one that raises does not do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from perftui.instrument.cache import RESILIENT, Cache, EntryOptions
from perftui.instrument.cache.ports import Store
from tests.instrument.cache.clock import Hand
from tests.instrument.cache.test_alone import Source
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

Heard = list[tuple[str, str]]


def plugged(cache: Cache) -> Heard:
    heard: Heard = []
    cache.on_event(lambda what, key: heard.append((what, key)))
    return heard


def taken(heard: Heard) -> Heard:
    told = list(heard)
    heard.clear()
    return told


@pytest.fixture
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [r for r in caplog.records if "plugin" in r.message] == []


@pytest.mark.usefixtures("nothing_logged")
async def test_each_event_is_told_with_its_key() -> None:
    hand = Hand()
    cache = Cache("shop", l1=2, clock=hand, curve=False)
    heard = plugged(cache)
    assert await cache.get("k", default=None) is None
    await cache.set("k", 1)
    assert (cache.peek("k"), await cache.get("k"), await cache.get_or_set("k", Source(2))) == (1, 1, 1)
    assert cache.peek("nosuch", 7) == 7
    assert taken(heard) == [("miss", "k"), ("set", "k"), ("hit", "k"), ("hit", "k"), ("hit", "k")]
    assert await cache.get_or_set("l", Source(3), ttl=5, options=EntryOptions(fail_safe=True)) == 3
    await cache.remove("k")
    assert taken(heard) == [("miss", "l"), ("load", "l"), ("remove", "k")]
    hand.go(6)
    assert await cache.get_or_set("l", Source(OSError("db")), options=EntryOptions(fail_safe=True)) == 3
    assert taken(heard) == [("miss", "l"), ("load_failed", "l"), ("stale", "l")]
    hand.go(31)
    assert await cache.get("l", allow_stale=True) == 3
    assert taken(heard) == [("miss", "l"), ("stale", "l")]
    for n in range(3):
        await cache.set(f"s{n}", n, ttl=1)
    told = taken(heard)
    assert [what for what, _ in told].count("evict") == 2
    hand.go(100_000)
    cache.sweep()
    assert sorted(what for what, _ in heard) == ["evict", "evict"]
    await cache.close()


async def test_a_hit_of_l2_is_one_too(l2: ValkeyServer, store: Store, other: Store) -> None:
    async with Cache("shop", l2=store) as a, Cache("shop", l2=other) as b:
        heard = plugged(b)
        await a.set("k", 1)
        assert await b.get("k") == 1
        await a.set("l", 2)
        assert await b.get_or_set("l", Source(3)) == 2
        assert taken(heard) == [("hit", "k"), ("hit", "l")]


async def test_l2_lost_and_back_are_told(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l2=store, defaults=RESILIENT) as cache:
        heard = plugged(cache)
        await cache.set("k", 1)
        await l2.kill()
        for n in range(6):
            await cache.set(f"k{n}", n)
        assert heard.count(("breaker", "")) == 1
        heard.clear()
        await l2.start()
        await until(
            lambda: sorted(key for what, key in heard if what == "recover") == [f"k{n}" for n in range(6)], 15
        )


async def test_one_that_raises_costs_nobody_anything(caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache("shop", l1=1)
    before: Heard = []
    after: Heard = []
    calls: Heard = []

    def bad(what: str, key: str) -> None:
        calls.append((what, key))
        raise RuntimeError("a bug")

    cache.on_event(lambda what, key: before.append((what, key)))
    await cache.set("k", 1)
    with caplog.at_level(logging.ERROR):
        cache.on_event(bad)
        cache.on_event(lambda what, key: after.append((what, key)))
        assert await cache.get_or_set("other", Source(2)) == 2
        assert cache.peek("other") == 2
        with pytest.raises(OSError, match="db"):
            await cache.get_or_set("third", Source(OSError("db")))
    assert calls == [("miss", "other")]
    assert after == before[1:]
    assert [what for what, _ in after] == ["miss", "load", "evict", "hit", "miss", "load_failed"]
    assert len([r for r in caplog.records if "plugin raised" in r.message]) == 1
    await cache.close()


async def test_with_nobody_left_hits_are_not_told_about(caplog: pytest.LogCaptureFixture) -> None:
    cache = Cache("shop")
    await cache.set("k", 1)
    quick = cache.peek
    assert not cache.counters.heard
    cache.on_event(lambda *_: 1 / 0)
    assert cache.peek != quick
    assert (cache.counters.heard, await cache.get("k"), cache.counters.heard) == (True, 1, False)
    await cache.close()
