"""A key or a tag that is changed while it is loaded, or where L2 has nothing of it: nobody is served the old one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.names import entry_of, lease_key, tag_key, value_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from perftui.model.envelope import Envelope, Kind, unpack
from perftui.model.errors import Lost
from perftui.model.tiers import EntryOptions, Skip
from tests.instrument.cache.test_alone import Source
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SAFE = EntryOptions(ttl=60, fail_safe=True, fail_safe_max=600, throttle=5)
SHARED = EntryOptions(ttl=60, shared_flight=True, lease=5.0)
FAILS = OSError("db")


@pytest.fixture
async def a(l2: ValkeyServer, store: Store) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=l2.url) as cache:
        await _linked(cache)
        yield cache


@pytest.fixture
async def b(l2: ValkeyServer, store: Store) -> AsyncIterator[Cache]:
    async with Cache("shop", l2=l2.url) as cache:
        await _linked(cache)
        yield cache


@pytest.mark.parametrize("removed", [False, True])
async def test_expired_while_another_loads_it_is_not_stored_though_l2_had_no_value(
    a: Cache, b: Cache, removed: bool
) -> None:
    if removed:
        await a.remove("k")
    old = Source("old", gate=asyncio.Event())
    asked = asyncio.ensure_future(b.get_or_set("k", old))
    await until(lambda: old.calls)
    await a.expire("k")
    old.gate.set()
    assert await asked == "old"
    assert (await a.get("k"), await b.get("k")) == (MISS, MISS)


async def test_expired_where_l2_has_nothing_it_is_stale_in_every_memory(a: Cache, b: Cache) -> None:
    for cache in (a, b):
        await cache.set("k", "old", options=SAFE.but(skip=Skip.L2_WRITE))
    await a.expire("k")
    await auntil(lambda: _is(b.get("k"), MISS))
    assert await a.get("k") is MISS
    for cache in (a, b):
        assert await cache.get_or_set("k", Source(FAILS), options=SAFE) == "old"
    assert a.stats().of("miss.expired") > 0


async def test_where_l2_has_nothing_it_tells_whether_a_key_expired_or_was_removed(
    a: Cache, b: Cache, store: Store
) -> None:
    await a.expire("k")
    assert await b.get_or_set("k", Source(1)) == 1
    assert b.stats().of("miss.expired") == 1
    for end in (a.remove, a.expire):  # what was removed has no stale value to come back
        await end("k")
        found = unpack(await store.get(value_key("shop", "k")) or b"")
        assert isinstance(found, Envelope)
        assert found.kind == Kind.REMOVED


async def test_what_never_ends_is_kept_for_fail_safe_once_it_was_expired(
    a: Cache, l2: ValkeyServer, store: Store
) -> None:
    await a.set("k", "old", options=SAFE.but(ttl=None))
    assert await store.command("PTTL", value_key("shop", "k"), key=b"") == -1
    await a.expire("k")
    assert 590_000 < await store.command("PTTL", value_key("shop", "k"), key=b"") <= 600_500
    async with Cache("shop", l2=l2.url) as new:
        assert await new.get("k") is MISS
        assert await new.get_or_set("k", Source(FAILS), options=SAFE) == "old"


async def test_who_asks_after_a_change_elsewhere_waits_for_no_older_load(a: Cache, b: Cache) -> None:
    old = Source("old", gate=asyncio.Event())
    asked = asyncio.ensure_future(b.get_or_set("k", old, options=SHARED))
    await until(lambda: old.calls)
    await a.remove("k")
    assert await asyncio.wait_for(a.get_or_set("k", Source("new"), options=SHARED), 2) == "new"
    old.gate.set()
    assert await asked == "old"
    assert await a.get("k") == "new"
    await auntil(lambda: _is(b.get("k"), "new"))


@pytest.mark.parametrize("how", [EntryOptions(ttl=60), SHARED])
async def test_who_asks_after_a_tag_was_removed_elsewhere_gets_what_is_loaded_after_it(
    a: Cache, b: Cache, how: EntryOptions
) -> None:
    old = Source("old", gate=asyncio.Event())
    asked = asyncio.ensure_future(b.get_or_set("k", old, tags=["t"], options=how))
    await until(lambda: old.calls)
    before = b._core.epoch
    await a.remove_by_tag("t")
    await until(lambda: b._core.epoch > before)
    load = b.get_or_set("k", Source("new"), tags=["t"], options=how)
    assert await asyncio.wait_for(load, 2) == "new"
    old.gate.set()
    assert await asked == "old"
    await auntil(lambda: _is(a.get("k"), "new"))
    assert await b.get("k") == "new"


@pytest.mark.parametrize("removed", ["had", "given"])
async def test_a_tag_removed_during_a_load_that_gives_more_tags_is_seen(
    a: Cache, b: Cache, removed: str
) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def load(ctx: Any) -> str:
        begun.set()
        await gate.wait()
        ctx.tags = ("had", "given")
        return "old"

    await b.set("other", 1, tags=["given"])
    asked = asyncio.ensure_future(b.get_or_set("k", load, tags=["had"]))
    await begun.wait()
    before = b._core.epoch
    await a.remove_by_tag(removed)
    await until(lambda: b._core.epoch > before)
    gate.set()
    assert await asked == "old"
    assert (await a.get("k"), await b.get("k")) == (MISS, MISS)


async def test_a_stale_value_outlives_an_l2_that_comes_back_and_goes_again(
    l2: ValkeyServer, store: Store
) -> None:
    """A load in between draws tokens of its own for the tag of everything: they say nothing of older entries."""
    shy = Shy(open_store(l2.url))
    async with Cache("shop", l2=shy) as cache:
        await _linked(cache)
        await cache.set("k", "old", tags=["t"], options=SAFE)
        await cache.expire("k")
        shy.away = True
        await store.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", key=b"")
        await until(lambda: cache.stats().of("link.up"))
        assert await cache.get_or_set("other", Source("new"), tags=["t"], options=SAFE) == "new"
        assert await cache.get_or_set("k", Source(FAILS), options=SAFE) == "old"
        await cache.remove_by_tag("t", mode="expire")
        assert await cache.get("k") is MISS
        assert await cache.get("k", allow_stale=True) == "old"
        await cache.remove_by_tag("t", mode="remove")
        assert await cache.get("k", allow_stale=True) is MISS
    await shy.close()


@pytest.mark.parametrize("l1", [100, None])
@pytest.mark.parametrize("end", ["remove", "expire"])
async def test_an_older_copy_in_l2_that_was_not_told_of_the_end_does_not_come_back(
    l2: ValkeyServer, store: Store, end: str, l1: int | None
) -> None:
    shy = Shy(open_store(l2.url), "put", "put_if_newer", "command")
    async with Cache("shop", l2=shy, l1=l1) as cache:
        await _linked(cache)
        await cache.set("k", "old", options=SAFE)
        shy.away = True
        await getattr(cache, end)("k")
        assert await cache.get("k") is MISS
        assert await cache.get("k", allow_stale=True) == ("old" if end == "expire" else MISS)
        assert await cache.get_or_set("k", Source("new"), options=SAFE) == "new"
        shy.away = False
        await until(lambda: not cache._core.recovery)
        assert await cache.get("k") == "new"
    await shy.close()


async def test_nor_one_that_was_not_told_of_a_newer_value_that_left_memory(
    l2: ValkeyServer, store: Store
) -> None:
    shy = Shy(open_store(l2.url), "put", "put_if_newer", "command")
    async with Cache("shop", l2=shy, l1=1) as cache:
        await _linked(cache)
        await cache.set("k", "old", options=SAFE)
        shy.away = True
        await cache.set("k", "new", options=SAFE)
        await cache.set("another", 1, options=SAFE)
        assert await cache.get("k") is MISS
        shy.away = False
        await auntil(lambda: _is(cache.get("k"), "new"))
    await shy.close()


@pytest.mark.parametrize("end", ["remove", "expire"])
async def test_a_newer_value_of_another_is_not_ended_by_what_l2_was_not_told_of(
    l2: ValkeyServer, store: Store, b: Cache, end: str
) -> None:
    shy = Shy(open_store(l2.url), "put", "put_if_newer", "command")
    async with Cache("shop", l2=shy) as cache:
        await _linked(cache)
        await cache.set("k", "old", options=SAFE)
        shy.away = True
        await getattr(cache, end)("k")
        waiting = cache._core.recovery.held("entry", "k")
        assert waiting is not None
        b._core.stamps.seen(waiting.stamp)  # two estimates of one clock differ by more than this test takes
        await b.set("k", "newer", options=SAFE)
        await auntil(lambda: _is(cache.get("k"), "newer"))
        assert cache._core.recovery.holds("entry", "k")
        shy.away = False
        await until(lambda: not cache._core.recovery)
        assert await cache.get("k") == await b.get("k") == "newer"
    await shy.close()


async def test_a_key_that_is_called_as_a_tag_or_a_lease_is_a_key(a: Cache, b: Cache) -> None:
    names = ["__tag:*", "__lease:k", "\\__tag:*", "__x", "\\x"]
    await a.set("k", 1)
    for name in names:
        await a.set(name, name)
        assert (await b.get(name), await b.get("k")) == (name, 1)
        await a.set(name, "new")
        await auntil(lambda name=name: _is(b.get(name), "new"))
    assert await b.get_or_set("k", Source(2), options=SHARED) == 1
    places = {value_key("shop", name) for name in names}
    assert len(places) == len(names)
    assert not places & {tag_key("shop", "*"), lease_key("shop", "k")}
    assert [entry_of(value_key("", name)[1:].decode()) for name in names] == names


class Shy:
    """A store that answers none of these while it is `away`, though its link is up."""

    def __init__(self, store: Store, *silent: str) -> None:
        self._store = store
        self._names = silent or ("get", "get_many", "put", "put_if_newer", "command")
        self.away = False

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._store, name)
        return self._silent if self.away and name in self._names else asked

    async def _silent(self, *_parts: Any, **_how: Any) -> Any:
        raise Lost("it does not answer")


async def _linked(cache: Cache) -> None:
    await cache.get("nothing")
    await until(lambda: cache._tracking is not None and cache._tracking.armed)


async def _is(asked: Any, expected: Any) -> bool:
    found = await asked
    return bool(found is expected or found == expected)
