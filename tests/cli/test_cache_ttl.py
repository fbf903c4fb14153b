"""`perftui cache ttl`: said, set and taken back from a shell, at real nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from perftui.cli import main
from perftui.instrument.cache import Cache
from perftui.model.tiers import EntryOptions

Out = pytest.CaptureFixture[str]
Words = Callable[..., Any]


@pytest.fixture
def run(config: str) -> Words:
    async def words(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", "ttl", *typed, "--config", config])

    return words


async def test_it_is_said_set_and_taken_back(run: Words, valkey: Any, capsys: Out) -> None:
    async with (
        Cache("shell", l2=valkey.url, defaults=EntryOptions(ttl=60.0)) as a,
        Cache("shell", l2=valkey.url, defaults=EntryOptions(ttl=None)) as b,
    ):
        for cache in (a, b):
            await cache._publisher.publish()  # type: ignore[union-attr]
        assert await run("shell") == 0
        out = capsys.readouterr().out
        assert f"{a.node}: 1 m\n" in out
        assert f"{b.node}: never\n" in out
        assert await run("shell", "5m", "--dry-run") == 0
        out = capsys.readouterr().out
        assert "1 node: 1 m → 5 m" in out
        assert "1 node: never → 5 m" in out
        assert await run("shell", "5m") == 4  # nobody said yes
        assert await run("shell", "5m", "--yes", "--json") == 0
        assert json.loads(capsys.readouterr().out)["done"] == 2
        assert a.defaults.ttl == b.defaults.ttl == 300.0
        assert await run("shell", "--json") == 0
        rows = {row["node"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows[b.node] == {"node": b.node, "ttl_s": 300.0, "own_ttl_s": None}
        assert await run("shell") == 0
        assert f"{a.node}: 5 m, 1 m by its options" in capsys.readouterr().out
        assert await run("shell", "--default", "--yes") == 0
        assert (a.defaults.ttl, b.defaults.ttl) == (60.0, None)


async def test_what_cannot_be_is_refused(run: Words, capsys: Out) -> None:
    assert await run("nobody") == 1
    assert "no node says a TTL of 'nobody'" in capsys.readouterr().err
    assert await run("nobody", "5m", "--yes") == 4
    assert await run("nobody", "soon", "--yes") == 4
    assert await run("nobody", "5m", "--default") == 2
    assert await run() == 2
