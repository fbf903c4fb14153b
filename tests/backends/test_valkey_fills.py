"""Values put by NX: a herd that fills a cache is seen in a real server's command stream, locks are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.link import Link, parse_url
from perftui.backends.valkey.monitor import tally
from perftui.instrument.cache import SHARED, Cache
from perftui.model.cache import CommandSample, HotKey
from tests.backends.test_valkey import options
from tests.engines.cache.test_findings import NOW, conclude
from tests.instrument.cache.test_alone import Source

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer

RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
SEEN = 160


@pytest.fixture
async def herd(valkey: ValkeyServer) -> AsyncIterator[list[Link]]:
    links = [Link(parse_url(valkey.url)) for _ in range(5)]
    await links[0].one("FLUSHALL", deadline=5)
    yield links
    for link in links:
        await link.close()


@pytest.fixture
async def console(valkey: ValkeyServer) -> AsyncIterator[Valkey]:
    made = Valkey("cache", options(valkey))
    yield made
    await made.close()


async def watched(console: Valkey, doing: Callable[[], Awaitable[object]]) -> dict[bytes, HotKey]:
    """What the stream says while it is done again and again."""
    watch = asyncio.ensure_future(console.sample_commands(SEEN, 2.0))
    while not watch.done():
        await doing()
    return {key.key: key for key in (await watch).keys}


def says(key: HotKey) -> bool:
    return "cache.stampede" in conclude(watched=CommandSample(NOW - 5, 0.5, SEEN, (key,), (("get", SEEN),)))


@pytest.mark.parametrize(
    "fill",
    [
        ("SET", "page:home", "v" * 500, "NX", "EX", "60"),
        ("set", "page:home", "v", "px", "900", "nx"),
        ("SETNX", "page:home", "v"),
    ],
)
async def test_a_herd_that_fills_by_nx_is_one(
    herd: list[Link], console: Valkey, fill: tuple[str, ...]
) -> None:
    async def miss_together() -> None:
        await asyncio.gather(*(link.one("GET", "page:home", deadline=2) for link in herd))
        await asyncio.gather(*(link.one(*fill, deadline=2) for link in herd))
        await herd[0].one("PEXPIRE", "page:home", 1, deadline=2)

    page = (await watched(console, miss_together))[b"page:home"]
    assert page.writers == 5
    assert page.loads >= 20
    assert says(page)


async def test_a_fill_after_mget_is_one(herd: list[Link], console: Valkey) -> None:
    async def both() -> None:
        await asyncio.gather(*(link.one("MGET", "a", "b", deadline=2) for link in herd))
        await asyncio.gather(*(link.one("SET", "b", "v", "NX", deadline=2) for link in herd))

    found = await watched(console, both)
    assert found[b"b"].loads == found[b"b"].writes >= 20


async def test_locks_are_none(herd: list[Link], console: Valkey) -> None:
    async def lock() -> None:
        await asyncio.gather(
            *(link.one("SET", "lock", "me", "NX", "PX", "5000", deadline=2) for link in herd)
        )
        await asyncio.gather(*(link.one("GET", "lock", deadline=2) for link in herd))
        await herd[0].one("EVAL", RELEASE, 1, "lock", "me", deadline=2)

    async def polite() -> None:
        await asyncio.gather(*(link.one("GET", "turn", deadline=2) for link in herd))
        await asyncio.gather(*(link.one("SET", "turn", "me", "NX", deadline=2) for link in herd))
        await herd[0].one("DEL", "turn", deadline=2)

    for doing, name in ((lock, b"lock"), (polite, b"turn")):
        key = (await watched(console, doing))[name]
        assert key.writers >= 5
        assert not says(key), key


async def test_our_own_shared_load_is_none(valkey: ValkeyServer, herd: list[Link], console: Valkey) -> None:
    nodes = [Cache(f"shop{n}", l2=valkey.url, defaults=SHARED, publish=False) for n in range(3)]
    turn = iter(range(10**6))

    async def load() -> None:
        key = f"k{next(turn) % 3}"
        await asyncio.gather(*(node.get_or_set(key, Source("v"), ttl=60) for node in nodes))
        await asyncio.gather(*(node.remove(key) for node in nodes))

    try:
        assert not any(says(key) for key in (await watched(console, load)).values())
    finally:
        for node in nodes:
            await node.close()


def test_a_stream_that_begins_with_the_fill_says_nothing() -> None:
    lines = [b'1.0 [0 127.0.0.1:%d] "SET" "k" "v" "NX"' % port for port in range(6)]
    assert tally(lines, 1.0, 0.1).keys[0].loads == 0
    lines = [b'1.0 [0 127.0.0.1:%d] "GET" "k"' % port for port in range(6)] + lines
    assert tally(lines, 1.0, 0.1).keys[0].loads == 6
