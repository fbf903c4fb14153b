"""Removals by tag while a link is down or L2 is away: what was removed is not served as fresh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.analysis.slots import slot_of
from perftui.instrument.cache import MISS, Cache
from perftui.instrument.cache.backplane import PubSub
from perftui.instrument.cache.names import EVERYTHING, tag_key, value_key
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from tests.conftest import need_valkey
from tests.instrument.cache.test_alone import Source
from tests.topologies import a_cluster, a_server
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def shard(key: bytes) -> int:
    """Which of three masters has it."""
    return min(2, slot_of(key) * 3 // 16_384)


async def test_a_removed_entry_is_not_served_while_another_master_is_dead(cluster: Cluster) -> None:
    whole = shard(tag_key("shop", EVERYTHING))
    tag = next(name for n in range(99) if shard(tag_key("shop", name := f"tag{n}")) == whole)
    key = next(name for n in range(99) if shard(value_key("shop", name := f"page{n}")) == whole)
    kept = next(name for n in range(99) if shard(value_key("shop", name := f"kept{n}")) == whole)
    async with Cache("shop", l2=cluster.url, publish=False) as cache:
        await until(lambda: cache.hears)
        await cache.set(key, "old", tags=[tag])
        await cache.set(kept, "current")
        await cache.remove_by_tag(tag, mode="remove")
        victim = (whole + 1) % 3
        await cluster.replicas[victim].kill()
        await cluster.masters[victim].kill()
        await until(lambda: not cache.stats().gauges["linked"])
        assert await cache.get(key) is MISS
        assert cache.peek(key) is MISS
        assert (await cache.get(kept), cache.peek(kept)) == ("current", "current")
        assert not cache.stats().gauges["linked"]


async def test_a_removed_entry_is_not_served_while_the_backplane_is_away(
    store: Store, server_folder: Folder
) -> None:
    apart = a_server(server_folder)
    await apart.start()
    telling = open_store(apart.url)
    try:
        async with Cache("shop", l2=store, listen=False, publish=False) as cache:
            plane = PubSub("shop", cache.node, telling)
            cache._listen = True
            cache.attach_backplane(plane)
            await until(lambda: cache.stats().of("link.up"))
            await cache.set("page", "old", tags=["home"])
            await cache.set("kept", "current")
            await cache.remove_by_tag("home", mode="remove")
            await apart.kill()
            await until(lambda: not cache.stats().gauges["linked"])
            assert (await cache.get("page"), cache.peek("page")) == (MISS, MISS)
            assert (await cache.get("kept"), cache.peek("kept")) == ("current", "current")
    finally:
        await telling.close()
        await apart.stop()


@pytest.fixture
async def refusing(store: Store) -> AsyncIterator[Any]:
    """Lets L2 answer questions and take no writes, or take them again."""

    async def refuse(replicas: int) -> None:
        await store.command("CONFIG", "SET", "min-replicas-to-write", replicas, key=b"")

    yield refuse
    await refuse(0)


@pytest.mark.parametrize("how", ["clear", "remove", "expire", "expire, new here"])
async def test_what_was_removed_while_l2_took_no_writes_does_not_come_back(
    l2: ValkeyServer, store: Store, refusing: Any, how: str
) -> None:
    async with Cache("shop", l2=l2.url, publish=False) as a, Cache("shop", l2=l2.url, publish=False) as b:
        await a.set("page", "old", tags=["home"])
        assert await b.get("page") == "old"
        if how == "expire, new here":
            b._core.tags.forget()
        await until(lambda: b.hears)
        await refusing(1)
        await (b.clear() if how == "clear" else b.remove_by_tag("home", mode=how.split(",", maxsplit=1)[0]))
        assert await b.get("page") is MISS
        assert await b.get_or_set("other", Source("new"), tags=["home"]) == "new"
        assert await b.get("page") is MISS, "though L2 was asked for the tag"
        assert b.store is not None
        link = await b.store.command("CLIENT", "ID", key=b"")
        await store.command("CLIENT", "KILL", "ID", link, key=b"")
        await until(lambda: b.stats().of("link.up"))
        assert await b.get("page") is MISS
        assert await b.get_or_set("other", Source("new"), tags=["home"]) == "new"
        assert (await b.get("page"), b.peek("other")) == (MISS, "new")
        b._core.tags.heard("home")  # of a change before
        assert await b.get("page") is MISS
        assert b.stats().gauges["recovery.queue"]
        await refusing(0)
        await until(lambda: not b.stats().gauges["recovery.queue"])
        await auntil(lambda: _is(a.get("page"), MISS))
        assert await b.get("page") is MISS
        await b.set("page", "new", tags=["home"])
        await auntil(lambda: _is(a.get("page"), "new"))


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)
