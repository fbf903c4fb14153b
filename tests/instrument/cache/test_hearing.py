"""Other ways to hear of changes: notices by publish/subscribe, and keyspace events of what others write."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache import MISS, Cache, EntryOptions
from perftui.instrument.cache import node as links
from perftui.instrument.cache.backplane import PubSub
from perftui.instrument.cache.events import Change, KeyspaceEvents
from perftui.instrument.cache.ports import Notice, NoticeKind, Store
from perftui.instrument.cache.store import open_store
from tests.instrument.cache.test_alone import Source
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

SAFE = EntryOptions(ttl=60, fail_safe=True)


class Node:
    """A cache that hears by publish/subscribe alone: its L2 passes no tracking on."""

    def __init__(self, url: str) -> None:
        self.store = open_store(url)
        self.cache = Cache("shop", l2=self.store, listen=False)
        self.heard: list[Any] = []
        self.plane = PubSub("shop", self.cache._core.stamps.node.hex(), self.store, open_store(url))
        self.cache._core.backplane = self.plane
        core = self.cache._core

        def hear(notice: Any) -> None:
            self.heard.append(notice)
            core.noticed(notice)

        self.plane.listen(hear, lambda up: core.linked(up=up))

    async def close(self) -> None:
        await self.cache.close()
        await self.store.close()


@pytest.fixture
async def nodes(l2: ValkeyServer, store: Store) -> Any:
    pair = (Node(l2.url), Node(l2.url))
    await auntil(lambda: _listening(store, 2))
    yield pair
    for node in pair:
        await node.close()


async def _listening(store: Store, wanted: int) -> bool:
    _, count = await store.command("PUBSUB", "NUMSUB", "__cache:shop", key=b"")
    return bool(count == wanted)


async def test_what_one_does_the_other_is_told(nodes: tuple[Node, Node]) -> None:
    a, b = nodes[0].cache, nodes[1].cache
    await a.set("k", "old", options=SAFE)
    assert await b.get("k") == "old"
    await a.set("k", "new", options=SAFE)
    await auntil(lambda: _is(b.get("k"), "new"))
    await a.expire("k")
    await auntil(lambda: _is(b.get("k"), MISS))
    assert await b.get("k", allow_stale=True) == "new"
    await a.remove("k")
    await auntil(lambda: _is(b.get("k", allow_stale=True), MISS))
    await a.set("t", 1, tags=["home"])
    assert await b.get("t") == 1
    await a.remove_by_tag("home")
    await auntil(lambda: _is(b.get("t"), MISS))
    await a.set("c", 1)
    assert await b.get("c") == 1
    await a.clear()
    await auntil(lambda: _is(b.get("c"), MISS))
    assert nodes[0].heard == []


async def test_a_listener_never_answers_and_an_older_notice_changes_nothing(nodes: tuple[Node, Node]) -> None:
    a, b = nodes[0].cache, nodes[1].cache
    early = (1).to_bytes(16, "big")
    await b.set("k", "later")
    await until(lambda: len(nodes[0].heard) == 1)
    await nodes[0].plane.publish(Notice(a._core.stamps.node.hex(), "shop", NoticeKind.REMOVE, "k", early))
    await until(lambda: len(nodes[1].heard) == 1)
    assert b.peek("k") == "later"
    assert len(nodes[0].heard) == 1


async def test_a_lost_notice_link_quarantines_too(nodes: tuple[Node, Node], store: Store) -> None:
    a, b = nodes[0].cache, nodes[1].cache
    await a.set("k", "old")
    assert await b.get("k") == "old"
    await store.command("CLIENT", "KILL", "TYPE", "pubsub", key=b"")
    await until(lambda: b.stats().of("link.down") >= 1)
    assert b.peek("k") is MISS
    await a.set("k", "new")
    assert await b.get("k") == "new"


async def test_tracking_that_is_refused_is_said_and_seen(
    l2: ValkeyServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    rule = ("ACL", "SETUSER", "plain", "on", ">plain", "~*", "&*", "+@all", "-client|tracking")
    await store.command(*rule, key=b"")
    try:
        with caplog.at_level(logging.WARNING, "perftui.instrument.cache.invalidation"):
            async with Cache("shop", l2=f"redis://plain:plain@{l2.host}:{l2.port}") as cache:
                assert await cache.get_or_set("k", Source("v")) == "v"
                await until(lambda: cache.stats().gauges["linked"] == 0)
        assert [r.message for r in caplog.records if "backplane" in r.message]
    finally:
        await store.command("ACL", "DELUSER", "plain", key=b"")


async def test_tracking_is_asked_for_again_until_it_is_allowed(
    l2: ValkeyServer, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "AGAIN_FIRST", 0.1)
    monkeypatch.setattr(links, "AGAIN_LONGEST", 0.2)
    await store.command(
        "ACL", "SETUSER", "plain", "on", ">plain", "~*", "&*", "+@all", "-client|tracking", key=b""
    )
    try:
        async with Cache("shop", l2=f"redis://plain:plain@{l2.host}:{l2.port}") as cache:
            await cache.set("k", "old")
            assert cache.store is not None
            connection = await cache.store.command("CLIENT", "ID", key=b"")
            assert (cache.stats().gauges["linked"], cache.hears) == (0, False)
            refusals = await denied(store)
            await until(lambda: cache.peek("k") == "old")
            await other.command("DEL", "shop:k", key=b"")  # of which nobody tells us
            await auntil(lambda: more_denied(store, refusals + 2))
            assert cache.peek("k") == "old"
            await store.command("ACL", "SETUSER", "plain", "+client|tracking", key=b"")
            await until(lambda: cache.stats().gauges["linked"] == 1)
            assert cache.hears
            assert cache.peek("k") is MISS  # what was stored meanwhile was not covered
            assert await cache.get("k") is MISS
            await cache.set("k", "mine")
            assert cache.peek("k") == "mine"
            await other.command("DEL", "shop:k", key=b"")
            await until(lambda: cache.peek("k") is MISS)
            assert await cache.store.command("CLIENT", "ID", key=b"") == connection
            refusals = await denied(store)
            await cache.set("k", "again")
            assert await denied(store) == refusals
    finally:
        await store.command("ACL", "DELUSER", "plain", key=b"")


async def denied(store: Store) -> int:
    """How often tracking was refused so far."""
    info = (await store.command("INFO", "commandstats", key=b"")).decode()
    row = info.split("cmdstat_client|tracking:")[1].split()[0]
    return int(row.split("rejected_calls=")[1].split(",")[0])


async def more_denied(store: Store, than: int) -> bool:
    return await denied(store) >= than


async def test_keyspace_events_remove_what_others_changed(
    l2: ValkeyServer, store: Store, other: Store
) -> None:
    await store.command("CONFIG", "SET", "notify-keyspace-events", "KA", key=b"")
    cache = Cache("views")
    listening = open_store(l2.url)
    events = KeyspaceEvents(
        listening, (cache,), lambda key, event: Change(tags=(key,)) if event == "set" else Change(), "row:*"
    )
    events.start()
    try:
        await cache.set("page", 1, tags=["row:7"])
        await cache.set("else", 2, tags=["row:8"])
        await auntil(lambda: _subscribed(store))
        await other.put(b"unasked:7", b"v", 60)
        await other.put(b"row:\xff", b"v", 60)  # no text: it ends nothing
        await other.put(b"row:7", b"v", 60)
        await until(lambda: cache.peek("page") is MISS)
        assert cache.peek("else") == 2
        id_ = await listening.command("CLIENT", "ID", key=b"")
        await store.command("CLIENT", "KILL", "ID", id_, key=b"")
        await until(lambda: cache.peek("else") is MISS)
        assert events.counts.everything == 1
    finally:
        await events.close()
        await listening.close()
        await store.command("CONFIG", "SET", "notify-keyspace-events", "", key=b"")


async def test_an_event_whose_meaning_cannot_be_told_expires_everything_and_ends_no_link(
    l2: ValkeyServer, store: Store, other: Store
) -> None:
    await store.command("CONFIG", "SET", "notify-keyspace-events", "KA", key=b"")
    cache = Cache("views")
    listening = open_store(l2.url)
    events = KeyspaceEvents(listening, (cache,), lambda key, _: Change(tags=(key.split(":")[1],)))
    events.start()
    try:
        await cache.set("page", 1, tags=["7"])
        await auntil(lambda: _subscribed(store))
        await other.put(b"of another program", b"v", None)
        await until(lambda: cache.peek("page") is MISS)
        assert (events.counts.failed, events.counts.everything, events.counts.links) == (1, 1, 1)
        assert events.counts.last_error.startswith("IndexError")
        await cache.set("page", 1, tags=["7"])
        await cache.set("else", 2, tags=["8"])
        await other.put(b"row:7", b"v", 60)
        await until(lambda: cache.peek("page") is MISS)
        assert (cache.peek("else"), events.counts.links) == (2, 1)
    finally:
        await events.close()
        await listening.close()
        await store.command("CONFIG", "SET", "notify-keyspace-events", "", key=b"")


async def _subscribed(store: Store) -> bool:
    return bool(await store.command("PUBSUB", "NUMPAT", key=b"") == 1)


async def test_what_ended_is_swept_away(l2: ValkeyServer, store: Store) -> None:
    async with Cache("shop", l2=l2.url) as cache:
        await cache.set("k", 1, ttl=0.05)
        await until(lambda: cache.stats().gauges["l1.entries"] == 0, 5)
        assert cache.stats().of("evicted.expiry") == 1


async def _is(asked: Any, expected: Any) -> bool:
    return bool(await asked == expected)
