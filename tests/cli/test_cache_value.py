"""`perftui cache value` and `cache expire`: what a key holds and when it ends, from a shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.instrument.cache import Cache

Out = pytest.CaptureFixture[str]
Words = Callable[..., Any]


@pytest.fixture
def run(config: str) -> Words:
    async def words(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", *typed, "--config", config])

    return words


async def test_a_value_is_printed_decoded(run: Words, valkey: Any, capsys: Out) -> None:
    async with Cache("shop", l2=valkey.url, publish=False) as cache:
        await cache.set("tea", {"name": "\x1b[31mtea", "price": 3}, tags=["home"], ttl=60)
    assert await run("value", "shop:tea") == 0
    told = capsys.readouterr()
    assert '  "price": 3' in told.out
    assert "\x1b" not in told.out + told.err
    assert "entry: fresh for" in told.err
    assert "tags: home" in told.err
    assert await run("value", "shop:tea", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["form"], said["entry"]["ttl_s"], "home" in said["entry"]["tags"]) == ("msgpack", 60.0, True)
    assert await run("value", "nothing") == 1


async def test_a_list_is_read_on_from_where_it_ended(run: Words, valkey: Any, capsys: Out) -> None:
    link = Link(parse_url(valkey.url))
    await link.ask([("DEL", "long"), *(("RPUSH", "long", f"item {n}") for n in range(150))], 5)
    await link.close()
    assert await run("value", "long") == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[99] == "99  item 99"
    assert "more with --at 100" in told.err
    assert await run("value", "long", "--at", "100") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "149  item 149"
    assert await run("value", "long", "--at", "x") == 3


async def test_its_end_is_set(run: Words, valkey: Any, capsys: Out) -> None:
    link = Link(parse_url(valkey.url))
    await link.one("SET", "mine", "v", deadline=2)
    assert await run("expire", "mine", "5m", "--dry-run") == 0
    assert "let mine end in 5 m" in capsys.readouterr().out
    assert await run("expire", "mine", "5m") == 4
    assert await run("expire", "mine", "5m", "--yes") == 0
    assert 290 < await link.one("TTL", "mine", deadline=2) <= 300
    assert await run("expire", "mine", "soon", "--yes") == 4
    await link.close()
