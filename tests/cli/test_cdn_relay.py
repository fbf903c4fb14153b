"""`perftui cdn relay`: queued purges reach a real edge, and leave the queue only when it has taken them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.lab.edge.pyserver import PyEdgeServer
from tests.backends.edges import Origin

Out = pytest.CaptureFixture[str]


@pytest.fixture
def origin() -> Iterator[Origin]:
    made = Origin()
    yield made
    made.close()


@pytest.fixture
async def edge(server_folder: Any, origin: Origin) -> AsyncIterator[PyEdgeServer]:
    server = PyEdgeServer(server_folder, origin.port, "relay-edge")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def config(valkey: Any, edge: PyEdgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CACHE_PASSWORD", valkey.password)
    monkeypatch.setenv("EDGE_TOKEN", edge.token)
    file = tmp_path / "perftui.toml"
    file.touch(0o600)
    file.write_text(
        '[env.test]\nkind = "test"\n[env.test.backends.main]\nkind = "valkey"\n'
        f'url = "redis://127.0.0.1:{valkey.port}/0"\npassword = "env:CACHE_PASSWORD"\n'
        f'[env.test.backends.edge]\nkind = "pyedge"\nurl = "{edge.url}"\ntoken = "env:EDGE_TOKEN"\n'
    )
    return str(file)


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    await link.one("FLUSHALL", deadline=5)
    yield link
    await link.close()


async def queue(raw: Link, *texts: bytes) -> None:
    commands = [("XADD", "__purges:shop", "*", "tags", text) for text in texts]
    await raw.ask([*commands, ("ZADD", "__purges", 1, "__purges:shop")], 5)


async def relay(config: str, *words: str) -> int:
    """The command in a thread: it runs a loop of its own."""
    return await asyncio.to_thread(main, ["cdn", "relay", "--config", config, *words])


async def test_queued_tags_are_purged_and_taken_off(
    config: str, raw: Link, edge: PyEdgeServer, origin: Origin, capsys: Out
) -> None:
    async with httpx.AsyncClient(base_url=edge.url, trust_env=False) as client:
        for _ in range(2):
            for path in ("/shoes/1", "/hats/1"):
                await client.get(path)
        assert origin.asked == ["/shoes/1", "/hats/1"]
        await queue(raw, b'["p:shoes","m:shop"]', b"no tags at all")

        assert await relay(config, "--dry-run") == 0
        assert await relay(config) == 4  # nobody agreed
        assert await raw.one("XLEN", "__purges:shop", deadline=5) == 2
        capsys.readouterr()

        assert await relay(config, "--yes", "--json") == 0
        told = capsys.readouterr()
        assert "1 entries of main are no purges" in told.err
        assert "2 purges off the queue of main" in told.out
        assert await raw.one("XLEN", "__purges:shop", deadline=5) == 0
        for path in ("/shoes/1", "/hats/1"):
            await client.get(path)
        assert origin.asked.count("/hats/1") == 1
        assert origin.asked[-1] == "/shoes/1"
    assert await relay(config, "--yes") == 0


async def test_what_an_edge_does_not_take_stays_queued(config: str, raw: Link, edge: PyEdgeServer) -> None:
    await queue(raw, json.dumps(["p:shoes"]).encode())
    await edge.kill()
    assert await relay(config, "--yes") == 3
    assert await raw.one("XLEN", "__purges:shop", deadline=5) == 1


async def test_a_relay_needs_both_ends(config: str) -> None:
    assert await relay(config, "--cdn", "none") == 2
    assert await relay(config, "--watch", "0") == 2
