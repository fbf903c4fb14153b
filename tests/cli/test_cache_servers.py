"""`perftui cache config`, `clients` and `kill-client` against real servers."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url), "other")
    kept = [await link.one("CONFIG", "GET", name, deadline=5) for name in ("maxmemory", "maxmemory-policy")]
    yield link
    await link.ask([("CONFIG", "SET", *pair) for pair in kept], 5)
    await link.close()


async def cache(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]])


async def test_settings_are_told_with_why_they_are_risky(
    config: str, valkey: Any, raw: Link, capsys: Out
) -> None:
    await raw.one("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction", deadline=5)
    assert await cache(config, "config", "main", "--json") == 0
    text = capsys.readouterr().out
    rows = {row["name"]: row for row in json.loads(text)}
    assert rows["maxmemory"]["risk"] == "No memory limit: it grows until the host has none left"
    assert rows["maxmemory"]["finding"] == "cache.no-memory-limit"
    assert (rows["hz"]["value"], rows["hz"]["default"]) == ("10", "10")
    assert valkey.password not in text
    await raw.one("CONFIG", "SET", "maxmemory", 64 << 20, deadline=5)
    assert await cache(config, "config") == 0
    out = capsys.readouterr().out
    assert "maxmemory                          64.0 MiB             default 0" in out
    assert "risky: A full cache would refuse writes (cache.noeviction)" in out
    assert await cache(config, "config", "--csv") == 0
    told = {row["name"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert told["maxmemory"]["value"] == str(64 << 20)


async def test_clients_are_listed_and_one_is_killed(config: str, valkey: Any, raw: Link, capsys: Out) -> None:
    link = Link(parse_url(valkey.url), "worker")
    number = await link.one("CLIENT", "ID", deadline=5)
    try:
        assert await cache(config, "clients", "--json", "--sort", "age") == 0
        rows = json.loads(capsys.readouterr().out)
        assert [row["age_s"] for row in rows] == sorted((row["age_s"] for row in rows), reverse=True)
        mine = next(row for row in rows if row["id"] == number)
        assert (mine["name"], mine["states"], mine["db"]) == ("worker", [], 0)
        assert await cache(config, "clients", "--by", "name", "--csv") == 0
        groups = {row["name"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
        assert groups["worker"]["clients"] == "1"
        assert await cache(config, "clients") == 0
        assert "unread  idle" in capsys.readouterr().out
        assert await cache(config, "clients", "--by", "address") == 0
        assert "127.0.0.1" in capsys.readouterr().out
        asked = ("kill-client", str(number), mine["address"])
        assert await cache(config, *asked, "--dry-run") == 0
        assert "end the connection of worker" in capsys.readouterr().out
        assert await cache(config, *asked) == 4
        assert await cache(config, "kill-client", str(number), "127.0.0.1:1", "--yes") == 4
        assert "another's by now" in capsys.readouterr().err
        assert await cache(config, *asked, "--yes") == 0
        assert "killed client" in capsys.readouterr().out
        assert await cache(config, *asked, "--yes") == 4
    finally:
        await link.close()


async def test_large_replies_stand_beside_the_slow_log(
    config: str, valkey: Any, raw: Link, capsys: Out
) -> None:
    kept = await raw.one("CONFIG", "GET", "commandlog-reply-larger-than", deadline=5)
    await raw.one("CONFIG", "SET", "commandlog-reply-larger-than", "5000", deadline=5)
    try:
        await raw.ask(
            [("COMMANDLOG", "RESET", "large-request"), ("SET", "big", b"x" * 9000), ("GET", "big")], 5
        )
        assert await cache(config, "slowlog", "--kind", "large-reply", "--json") == 0
        assert json.loads(capsys.readouterr().out)[0]["bytes_"] > 9000
        assert await cache(config, "slowlog", "--kind", "large-reply") == 0
        assert "GET big" in capsys.readouterr().out
        assert await cache(config, "slowlog", "--kind", "large-request") == 0
        assert "no request of" in capsys.readouterr().err
    finally:
        await raw.ask([("CONFIG", "SET", *kept), ("COMMANDLOG", "RESET", "large-reply"), ("DEL", "big")], 5)


async def test_memory_is_given_back_where_the_allocator_can(config: str, raw: Link, capsys: Out) -> None:
    assert await cache(config, "give-back", "--yes") == 4
    assert "uses libc, which gives nothing back" in capsys.readouterr().err


async def test_a_parameter_is_set(config: str, raw: Link, capsys: Out) -> None:
    await raw.one("CONFIG", "SET", "maxmemory-policy", "noeviction", deadline=5)
    assert await cache(config, "set", "maxmemory-policy", "allkeys-lfu", "--dry-run") == 0
    assert "now noeviction, then allkeys-lfu" in capsys.readouterr().out
    assert await cache(config, "set", "maxmemory-policy", "allkeys-lfu", "--yes") == 0
    assert "maxmemory-policy of main is allkeys-lfu" in capsys.readouterr().out
    assert (await raw.one("CONFIG", "GET", "maxmemory-policy", deadline=5))[1] == b"allkeys-lfu"
    assert await cache(config, "set", "dir", "/tmp", "--yes") == 4
    assert "only these can be set here" in capsys.readouterr().err
