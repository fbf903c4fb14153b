"""`perftui cache tiers` on a real server, with real caches in this process."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from perftui.backends.valkey import nodes
from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from tests.waiting import until

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def config(valkey: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CACHE_PASSWORD", valkey.password)
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    link = Link(parse_url(valkey.url))
    await link.one("FLUSHALL", deadline=5)
    await link.close()
    file = tmp_path / "perftui.toml"
    file.touch(0o600)
    file.write_text(
        '[env.test]\nkind = "test"\n[env.test.backends.main]\nkind = "valkey"\n'
        f'url = "redis://127.0.0.1:{valkey.port}/0"\npassword = "env:CACHE_PASSWORD"\n'
    )
    return str(file)


def passed(instant: float) -> bool:
    return time.monotonic() > instant


async def tiers(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", "tiers", "--config", config, *words])


async def test_tiers_of_a_service(config: str, valkey: Any, capsys: Out) -> None:
    async def load() -> str:
        return "value"

    async def ask(cache: Cache) -> None:
        for turn in range(10**9):
            await cache.get_or_set(f"key:{turn // 4 % 1000}", load)
            if turn % 4 == 3:
                await until(partial(passed, time.monotonic() + 0.01))

    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    async with Cache("shop", l2=url) as cache:
        await cache.set("page", "x" * 5000)
        busy = asyncio.create_task(ask(cache))
        assert await tiers(config, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert await tiers(config, "--csv") == 0
        header, first, *_ = capsys.readouterr().out.splitlines()
        assert await tiers(config, "--source", "main") == 0
        busy.cancel()
        await asyncio.wait([busy])
        text = capsys.readouterr().out
    (shop,), (node,) = told["namespaces"], told["nodes"]
    assert told["source"] == "main"
    assert 0.3 < told["l1_hit_ratio"] == node["l1_hit_ratio"] < shop["hit_ratio"] < 1
    assert told["l3_hit_ratio"] is None
    assert (shop["namespace"], shop["nodes"], node["node"]) == ("shop", 1, cache.stats().node)
    assert shop["requests"] > 0
    assert shop["load_p95_s"] > 0
    assert shop["codec"] == "lz4"
    assert 0 <= shop["saved_ratio"] < 1
    assert {"codec", "saved_ratio"} <= set(header.split(","))
    assert ",lz4," in first
    assert "L3: no edge connected" in text
    assert "shop: 1 node," in text
    assert "codec lz4, saved" in text


async def test_what_leaves_l1_is_told_by_cause(config: str, valkey: Any, capsys: Out) -> None:
    async def change(cache: Cache) -> None:
        for turn in range(10**9):
            await cache.set("page", turn)
            await cache.remove("page")
            await until(partial(passed, time.monotonic() + 0.01))

    async with Cache("shop", l2=f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0") as cache:
        busy = asyncio.create_task(change(cache))
        assert await tiers(config, "--json") == 0
        busy.cancel()
        await asyncio.wait([busy])
    told = json.loads(capsys.readouterr().out)
    for one in (*told["namespaces"], *told["nodes"]):
        assert one["l1_gone_explicit_per_s"] > 0
        assert one["evicted_per_s"] == one["l1_gone_capacity_per_s"] == one["l1_gone_expiry_per_s"] == 0


async def test_nobody_publishes(config: str, capsys: Out) -> None:
    assert await tiers(config) == 1
    told = capsys.readouterr()
    assert "main: L1 –" in told.out
    assert "no process publishes counters yet" in told.err


async def test_a_server_that_is_away(config: str, valkey: Any) -> None:
    file = Path(config)
    file.write_text(file.read_text().replace(str(valkey.port), "1"))
    assert await tiers(config) == 3
