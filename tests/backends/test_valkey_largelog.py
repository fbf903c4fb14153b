"""Large requests and replies of real servers; those that keep none, or may not tell, say so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.link import Link, parse_url
from perftui.backends.valkey.nodelook import NodeLook
from perftui.draw.largetext import nothing_large
from perftui.model.cache import CacheReading
from perftui.model.commandlog import PANEL, REPLY, REQUEST, LargeFacts
from perftui.model.options import ValkeyOptions
from tests.redis7 import redis

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

FROM = 5000


def options(server: Any, **more: str) -> ValkeyOptions:
    return ValkeyOptions(url=f"redis://127.0.0.1:{server.port}/0", **{"password": server.password, **more})


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    """Another client, on a server that keeps what has 5,000 bytes."""
    link = Link(parse_url(valkey.url), "other")
    names = ("commandlog-request-larger-than", "commandlog-reply-larger-than")
    kept = await link.one("CONFIG", "GET", *names, deadline=5)
    await link.one("CONFIG", "SET", names[0], FROM, names[1], FROM, deadline=5)
    await link.ask([("COMMANDLOG", "RESET", kind) for kind in (REQUEST, REPLY)], 5)
    yield link
    await link.ask([("CONFIG", "SET", *kept), ("ACL", "DELUSER", "limited")], 5)
    await link.close()


async def told(made: Valkey) -> CacheReading:
    facts = (await made.read()).facts
    assert isinstance(facts, CacheReading)
    return facts


async def test_both_kinds_are_told_inert_and_masked(valkey: Any, raw: Link) -> None:
    made = Valkey("cache", options(valkey))
    try:
        await raw.one("SET", b"big\x1b[31m", b"x" * 9000, deadline=5)
        await raw.one("GET", b"big\x1b[31m", deadline=5)
        await raw.ask([("CONFIG", "SET", "requirepass", "secret" * 2000)], 5)
        await raw.ask([("CONFIG", "SET", "requirepass", valkey.password)], 5)
        large = (await told(made)).large
        assert large is not None
        assert (large.request_bytes, large.reply_bytes) == (FROM, FROM)
        by = {(entry.kind, entry.text.split(" ")[0]): entry for entry in large.entries}
        assert by[REQUEST, "SET"].bytes_ > 9000
        assert by[REPLY, "GET"].bytes_ > 9000
        assert all(entry.text.isprintable() and len(entry.text) <= 4096 for entry in large.entries)
        assert "secret" not in by[REQUEST, "CONFIG"].text
        assert by[REPLY, "GET"].client.startswith("127.0.0.1:")
        assert all("COMMANDLOG" not in entry.text for entry in large.entries)
        assert nothing_large(large) == "no request of 4.88 KiB or more, no reply of 4.88 KiB or more"
    finally:
        await made.close()


async def test_a_node_among_several_tells_them_too(valkey: Any, raw: Link) -> None:
    look = NodeLook(parse_url(valkey.url))
    try:
        await raw.one("SET", "big", b"x" * 9000, deadline=5)
        for _ in range(2):
            facts = await look.facts(5)
        assert facts.large is not None
        assert [entry.kind for entry in facts.large.entries] == [REQUEST]
        assert dict(facts.settings)["default-user"] == "password"
    finally:
        await look.link.close()


async def test_who_may_not_read_them_learns_which_rule_is_missing(valkey: Any, raw: Link) -> None:
    rules = ("on", ">mine", "~*", "+@all", "-commandlog")
    await raw.one("ACL", "SETUSER", "limited", "reset", *rules, deadline=5)
    made = Valkey("cache", options(valkey, username="limited", password="mine"))
    try:
        for _ in range(2):
            facts = await told(made)
        assert "its ACL needs +commandlog|get" in facts.limit(PANEL)
        assert facts.ops_per_s is not None
        await raw.one("ACL", "SETUSER", "limited", "+commandlog", deadline=5)
        made._looks = 0
        assert (await told(made)).limit(PANEL) == ""
    finally:
        await made.close()


async def test_redis_7_has_none_and_says_so(server_folder: Folder) -> None:
    async with redis(server_folder, "redis-largelog") as server:
        made = Valkey("cache", options(server))
        try:
            for _ in range(3):
                facts = await told(made)
            assert facts.large == LargeFacts()
            assert "COMMANDLOG came with Valkey 8.1" in facts.limit(PANEL)
            assert facts.limit("slow log") == ""
            assert dict(facts.settings)["default-user"]
        finally:
            await made.close()


def test_what_is_off_says_so() -> None:
    assert nothing_large(None) == nothing_large(LargeFacts())
    assert "are off" in nothing_large(LargeFacts())
    assert nothing_large(LargeFacts(reply_bytes=1 << 20)) == "no reply of 1.00 MiB or more"
