"""`perftui cache share`: said, set and taken back from a shell, at real nodes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from perftui.cli import main
from perftui.instrument.cache import SHARED, Cache

Out = pytest.CaptureFixture[str]


async def test_it_is_said_set_and_taken_back(config: str, valkey: Any, capsys: Out) -> None:
    async def run(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", "share", *typed, "--config", config])

    async with Cache("shell", l2=valkey.url) as a, Cache("shell", l2=valkey.url, defaults=SHARED) as b:
        for cache in (a, b):
            await cache._publisher.publish()  # type: ignore[union-attr]
        assert await run("shell") == 0
        out = capsys.readouterr().out
        assert f"{a.node}: not shared\n" in out
        assert f"{b.node}: shared\n" in out
        assert await run("shell", "on") == 4  # nobody said yes
        assert await run("shell", "on", "--yes", "--json") == 0
        assert json.loads(capsys.readouterr().out)["done"] == 2
        assert a.defaults.shared_flight
        assert await run("shell", "--json") == 0
        rows = {row["node"]: row for row in json.loads(capsys.readouterr().out)}
        assert rows[a.node] == {"node": a.node, "shared": True, "own_shared": False}
        assert await run("shell") == 0
        assert f"{a.node}: shared, not shared by its options" in capsys.readouterr().out
        assert await run("shell", "default", "--yes") == 0
        assert not a.defaults.shared_flight
        assert b.defaults is SHARED


async def test_what_cannot_be_is_refused(config: str, valkey: Any, capsys: Out) -> None:
    async def run(*typed: str) -> int:
        return await asyncio.to_thread(main, ["cache", "share", *typed, "--config", config])

    assert await run("nobody") == 1
    assert "no node says whether it shares loads of 'nobody'" in capsys.readouterr().err
    assert await run("nobody", "on", "--yes") == 4
    assert await run("nobody", "maybe") == 2
