"""Reads watched in the command stream of a real server: their keys, order and sizes, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey, ValkeyOptions
from perftui.backends.valkey.link import Link, parse_url
from perftui.backends.valkey.prefixhits import fetched
from perftui.model.errors import Lost


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    await link.ask([("FLUSHALL",)], 5)
    yield link
    await link.close()


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    url = f"redis://127.0.0.1:{valkey.port}/0"
    made = Valkey("cache", ValkeyOptions(url=url, password=valkey.password))
    yield made
    await made.close()


async def test_reads_come_in_order_with_their_sizes(server: Valkey, raw: Link) -> None:
    await raw.ask([("SET", "big", b"x" * 5000), ("SET", b"n\xff\x1b", b"x"), ("HSET", "h", "f", "v")], 5)
    round_ = [
        ("GET", "big"), ("MGET", b"n\xff\x1b", "absent"), ("HGET", "h", "f"), ("SET", "big2", "y"), ("TTL", "big"),
        ("GET", "shop:__tag:x"), ("GET", "__node:a"),
    ]  # fmt: skip
    watch = asyncio.ensure_future(server.watch_accesses(300, 2.0))
    while not watch.done():
        await raw.ask(round_, 2)
    burst = await watch
    assert 280 <= burst.commands <= 300
    keys = [access.key for access in burst.accesses]
    start = keys.index(b"big")
    assert keys[start : start + 4] == [b"big", b"n\xff\x1b", b"absent", b"h"]
    assert set(keys) == {b"big", b"n\xff\x1b", b"absent", b"h"}
    sizes = {access.key: access.size for access in burst.accesses}
    assert sizes[b"big"] > 5000
    assert 0 < sizes[b"n\xff\x1b"] < 200
    assert sizes[b"absent"] == 0
    times = [access.at for access in burst.accesses]
    assert times == sorted(times)


async def test_looks_at_once_come_one_after_the_other(server: Valkey, raw: Link) -> None:
    looks = asyncio.gather(
        *(server.watch_accesses(20, 2.0) for _ in range(3)), server.sample_commands(20, 2.0)
    )
    while not looks.done():
        await raw.ask([("GET", "k")], 2)
    first, second, third, sampled = await looks
    assert all(20 >= burst.commands > 10 for burst in (first, second, third))
    times = [[access.at for access in burst.accesses] for burst in (first, second, third)]
    assert times[0][-1] < times[1][0] <= times[1][-1] < times[2][0]
    assert sampled.commands > 10


async def test_other_databases_are_another_cache(server: Valkey, raw: Link) -> None:
    watch = asyncio.ensure_future(server.watch_accesses(100, 2.0))
    while not watch.done():
        await raw.ask([("SELECT", 1), ("GET", "there"), ("SELECT", 0), ("GET", "here")], 2)
    assert {access.key for access in (await watch).accesses} == {b"here"}


async def test_a_quiet_server_says_nothing(server: Valkey) -> None:
    assert (await server.watch_accesses(100, 0.05)).accesses == ()


async def test_a_server_that_is_away_is_lost() -> None:
    away = Valkey("cache", ValkeyOptions(url="redis://127.0.0.1:1/0"))
    with pytest.raises(Lost):
        await away.watch_accesses(100, 0.1)


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (b'1.5 [0 127.0.0.1:1] "get" "a\\"b"', [b'a"b']),
        (b'1.5 [3 127.0.0.1:1] "get" "a"', []),
        (b'1.5 [0 lua] "MGET" "a" "b" "a"', [b"a", b"b", b"a"]),
        (b'1.5 [0 127.0.0.1:1] "getex" "a" "EX" "5"', [b"a"]),
        (b'1.5 [0 127.0.0.1:1] "set" "a" "b"', []),
        (b'1.5 [0 127.0.0.1:1] "eval_ro" "return 1" "0"', []),
        (b'1.5 [0 127.0.0.1:1] "get" "perftui:quarantine:x"', []),
        (b'1.5 [0 127.0.0.1:1] "get"', []),
        (b"OK", []),
        (b"\xff", []),
    ],
)
def test_lines(line: bytes, keys: list[bytes]) -> None:
    assert fetched(line, 0) == [(1.5, key) for key in keys]
