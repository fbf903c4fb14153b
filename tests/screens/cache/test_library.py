"""The cache library on the Tiers tab: real caches in this process, seen through a real server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from perftui.backends.valkey import nodes
from perftui.backends.valkey.link import Link
from perftui.draw.rows import Size, plain
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.screens.cache.library import ATTACH, attach_rows
from tests.screens.cache.conftest import Open
from tests.screens.test_travel_flow import read_on
from tests.sizes import sizes
from tests.waiting import auntil, until

SIZES = [(80, 24), (120, 40), (160, 48), (200, 60)]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)


async def load() -> str:
    return "value"


@asynccontextmanager
async def service(valkey: Any) -> AsyncIterator[list[Cache]]:
    """Two caches of a process, the first one busy: nine of ten requests find their key in memory."""
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"

    async def ask(cache: Cache) -> None:
        for turn in range(10**9):
            await cache.get_or_set(f"key:{turn // 10}", load)
            if turn % 10 == 9:
                await until(partial(passed, time.monotonic() + 0.02))

    async with Cache("shop", l1=50, l2=url) as shop, Cache("carts", l2=url) as carts:
        await carts.set("page", "x" * 5000)
        busy = asyncio.create_task(ask(shop))
        yield [shop, carts]
        busy.cancel()
        await asyncio.wait([busy])


def passed(instant: float) -> bool:
    return time.monotonic() > instant


def whole(text: str, size: tuple[int, int]) -> bool:
    """Whether it fills the terminal and nothing is wider."""
    lines = text.splitlines()
    return len(lines) == size[1] and all(len(line) <= size[0] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES[1:])
async def test_namespaces_and_nodes_are_shown(
    console: Open, raw: Link, valkey: Any, size: tuple[int, int]
) -> None:
    async with service(valkey) as caches, console("cache.tiers", size) as it:
        await it.sees(r"shop +(1 +)?\d[\d.]* +(89|9[01])\.\d%")
        await it.sees(r"L1 hit rat.* (79|8\d|9[01])\.\d%")  # the first look after a load asks L2
        await it.sees(r"[─━] L1 \d")
        text = await it.text()
        assert "L3: no edge" in text
        assert re.search(r"Namespace .*Codec +Saved +TTL", text)
        await it.sees(r"carts .* lz4 +9\d\.\d+% +5 m")
        await it.sees(r"shop .* raw +0% +5 m")
        by_name = [cache.stats().node[:8] for cache in sorted(caches, key=lambda cache: cache.name)]
        for _ in range(5):  # whichever of them published last
            await read_on(it, "cache", 1)
            text = await it.text()
            assert text.index(by_name[0]) < text.index(by_name[1])
        assert "carts" in text
        assert whole(text, size)
    async with console("cache.tiers", size) as it:
        await it.sees("No process publishes counters yet")


async def test_names_of_namespaces_have_their_room_at_160_columns(
    console: Open, raw: Link, valkey: Any
) -> None:
    async with (
        Cache("shop:product", l1=None, l2=valkey.url) as cache,
        console("cache.tiers", (160, 48)) as it,
    ):
        await cache.set("1", "x")
        await it.sees(r"[▸ ]shop:product +\d.* 5 m ")


async def test_one_table_at_a_time_in_a_small_terminal(console: Open, raw: Link, valkey: Any) -> None:
    async with console("cache.tiers", (80, 24)) as it:
        await it.sees(r"main +primary +● live")
        await it.press("v")
        await it.sees("No process publishes counters yet")
        await it.sees(r"cache = Cache\(")
        assert "primary" not in await it.text()
        async with service(valkey) as caches:
            await it.sees(r"shop +(1 +)?\d[\d.]* +(89|9[01])\.\d%")
            await it.sees(r"carts .* lz4 +9\d\.\d+% +5 m")
            assert "No process" not in await it.text()
            await it.press("v")
            await it.sees(caches[0].stats().node[:8] + r" +shop .*● heard")
            assert whole(await it.text(), (80, 24))
        await it.sees("No process publishes counters yet")
        await it.press("v")
        await it.sees(r"main +primary +● live")


async def test_a_node_that_hears_nothing_of_others_is_told(console: Open, raw: Link, valkey: Any) -> None:
    async with service(valkey) as caches, console("cache.tiers", (160, 48)) as it:
        await it.sees("● heard")
        await raw.ask(
            [("ACL", "SETUSER", "default", "-client|tracking"), ("CLIENT", "KILL", "TYPE", "normal")], 5
        )
        try:
            await until(lambda: caches[0].stats().gauges["linked"] == 0.0, 15)
            await it.sees("◌ deaf", within=20)
        finally:
            await raw.one("ACL", "SETUSER", "default", "+@all", deadline=5)


async def test_a_user_who_may_not_look_is_told_the_rule(console: Open, raw: Link, valkey: Any) -> None:
    await raw.one("ACL", "SETUSER", "default", "-zrangebyscore", deadline=5)
    try:
        async with console("cache.tiers") as it:
            await it.sees(r"\+zrangebyscore")
            await it.sees(r"main +primary +● live")
    finally:
        await raw.one("ACL", "SETUSER", "default", "+@all", deadline=5)


def test_what_attaches_the_library_is_the_documents() -> None:
    text = "\n".join(plain(attach_rows(Size(80, 5))))
    assert all(words in text for words in ATTACH)
    assert "needs +get" in plain(attach_rows(Size(80, 2), "needs +get\x1b"))[0]
    assert "\x1b" not in "".join(plain(attach_rows(Size(80, 2), "needs\x1b")))


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_what_callers_wait_for_is_set_against_the_servers_time(
    console: Open, raw: Link, valkey: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("perftui.backends.valkey.waits.EVERY", 0.1)
    async with Cache("shop", l1=None, l2=valkey.url) as cache:
        await cache._publisher.publish()  # type: ignore[union-attr]
        async with console("cache.latency", size) as it:
            await it.sees("At the library's nodes")

            async def told() -> bool:
                await cache.set("k", 1)
                await cache.get("k")
                await cache._publisher.publish()  # type: ignore[union-attr]
                found = re.search(r"get from L2 +p50 \S+ \S+, p95", await it.text())
                return found is not None

            await auntil(told, 30)
            text = await it.text()
            assert all(len(line) <= size[0] for line in text.splitlines())
            if size[0] >= 120:
                await auntil(told, 30)
                await it.sees(r"of p50 .* server, .* network")
