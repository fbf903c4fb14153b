"""A pair of regions on the Cluster tab and in a shell: lag, a loss, promotion by key, the return."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.app import Options, PerftuiApp
from perftui.backends.valkey import nodes
from perftui.cli import main
from perftui.config import load
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.relay import Relay
from perftui.lab.regions import APART, Regions
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.sizes import sizes
from tests.topologies import regions
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture
async def pair(server_folder: Folder) -> AsyncIterator[Regions]:
    need_valkey()
    made = regions(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, backend: str) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("REGIONS_PASSWORD", password)
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(f'[env.lab]\nkind = "lab"\n{backend}password = "env:REGIONS_PASSWORD"\n')
    return str(file)


@pytest.fixture
def config(pair: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    places = ",".join(f"{s.host}:{s.port}" for s in pair.servers.values())
    head = f'[env.lab.backends.pair]\nkind = "valkey-regions"\nurl = "redis+region://{places}"\n'
    return written(tmp_path, monkeypatch, pair.servers[1].password, head)


async def in_step(pair: Regions) -> bool:
    first, second = (await pair.status())["nodes"]
    return bool(first["link"] == "connected" and first["offset"] == second["offset"])


@pytest.mark.slow
@pytest.mark.parametrize("size", [(160, 48), (120, 40), (80, 24)])
async def test_a_region_is_lost_promoted_by_key_and_back(
    config: str, pair: Regions, size: tuple[int, int]
) -> None:
    a, b = (f"127.0.0.1:{pair.servers[n].port}" for n in (1, 2))

    def session(_env: str | None) -> Session:
        settings = load(config, "lab", {})
        return Session.open(settings, settings.environment)

    app = PerftuiApp(session, Options(screen="cache.cluster"), environment={"TERM": "xterm-256color"})
    async with app.run_test(size=size) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 2/2")
        await it.sees(rf"{a} +primary +ok")
        await it.sees(rf"{b} +replica +ok")
        if size[0] >= 120:
            await it.sees(r"lag +0 B")
        async with pair.servers[1].client() as client:
            await client.set("last", "acknowledged")
            assert await client.wait(1, 2000) == 1
        await pair.kill(1)
        await it.sees(rf"{a} +\w+ +silent", 15)
        await it.press("down", "F")
        await it.sees("writes that had not arrived here are lost", 10)
        await it.press("y")
        await it.sees(rf"{b} +primary +ok", 15)
        assert await pair.servers[2].ask("GET", "last") == b"acknowledged"
        assert await pair.servers[2].ask("SET", "more", "1") == b"OK"
        await pair.revive(1)
        await it.sees(rf"{a} +primary +ok", 15)
        await pair.servers[1].ask("REPLICAOF", pair.servers[2].host, pair.servers[2].port)
        await it.sees(rf"{a} +replica +ok", 15)
        await auntil(lambda: in_step(pair), 10)
        if size[0] >= 120:
            await it.sees(r"lag +0 B")
        assert await pair.servers[1].ask("GET", "more") == b"1"


async def run(*words: str) -> int:
    import asyncio

    return await asyncio.to_thread(main, list(words))


async def test_regions_in_a_shell(config: str, pair: Regions, capsys: Any) -> None:
    a, b = (f"127.0.0.1:{pair.servers[n].port}" for n in (1, 2))
    assert await run("cache", "regions", "--config", config, "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["kind"], first["source"], first["epoch"]) == ("region", "pair", 0)
    assert (first["address"], first["role"], first["lag_bytes"]) == (a, "primary", None)
    assert (second["address"], second["role"], second["primary"]) == (b, "replica", a)
    assert second["lag_bytes"] < 1000
    assert await run("cache", "regions", "--config", config, "--csv") == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split(",")[:4] == ["source", "kind", "link", "address"]
    assert len(lines) == 2
    assert await run("cache", "promote", "pair", "--config", config, "--yes") == 4
    assert "say which with --node" in capsys.readouterr().err
    await pair.kill(1)
    assert await run("cache", "regions", "--config", config) == 1
    said = capsys.readouterr().out
    assert "no region is a primary that answers" in said
    assert await run("cache", "promote", "pair", "--node", b, "--config", config, "--yes") == 0
    await pair.revive(1)
    assert await run("cache", "doctor", "--config", config) == 1
    assert "are both written to" in capsys.readouterr().out
    assert await run("cache", "follow", "pair", b, "--node", a, "--config", config, "--yes") == 0
    await auntil(lambda: in_step(pair), 10)
    assert await run("cache", "regions", "--config", config) == 0
    assert f"behind {b}" in capsys.readouterr().out


async def test_relays_in_a_shell(
    server_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    need_valkey()
    made = regions(server_folder, APART)
    try:
        await made.start()
        first, second = made.servers.values()
        head = f'[env.lab.backends.here]\nkind = "valkey"\nurl = "{second.bare_url}"\n'
        config = written(tmp_path, monkeypatch, second.password, head)
        assert await run("cache", "regions", "--config", config) == 0
        assert "no node of the library relays" in capsys.readouterr().err
        async with Cache("shop", l2=second.url) as cache:
            relay = Relay(cache, first.url)
            await until(lambda: relay.leads, 10)
            async with Cache("shop", l2=first.url) as other:
                Relay(other, second.url)
                await other.set("k", 1)
                await until(lambda: relay.applied == 1, 10)
            await auntil(lambda: told(config, capsys), 15)
            assert await run("cache", "regions", "--config", config) == 0
            assert re.search(
                r"here: shop hears peer, 0 changes and 0 s behind, last answer \d[\d.]* [mµ]?s ago\n",
                capsys.readouterr().out,
            )
            assert await run("cache", "regions", "--config", config, "--csv") == 0
            header, row = capsys.readouterr().out.splitlines()
            assert header == "source,kind,namespace,node,peer,behind,lag_s,silent_s,lost"
            assert row.startswith("here,relay,shop,")
    finally:
        await made.stop()


async def told(config: str, capsys: Any) -> bool:
    assert await run("cache", "regions", "--config", config, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    return [(r["kind"], r["namespace"], r["peer"], r["behind"]) for r in rows] == [
        ("relay", "shop", "peer", 0.0)
    ]


@pytest.mark.parametrize("size", sizes((160, 48), (120, 40), (80, 24)))
async def test_relays_on_the_cluster_tab(
    server_folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    need_valkey()
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    made = regions(server_folder, APART)
    try:
        await made.start()
        here, there = made.servers.values()
        head = f'[env.lab.backends.here]\nkind = "valkey"\nurl = "{here.bare_url}"\n'
        config = written(tmp_path, monkeypatch, here.password, head)

        def session(_env: str | None) -> Session:
            settings = load(config, "lab", {})
            return Session.open(settings, settings.environment)

        app = PerftuiApp(session, Options(screen="cache.cluster"), environment={"TERM": "xterm-256color"})
        async with app.run_test(size=size) as pilot:
            it = Console(app, pilot)
            await it.sees("would show a cluster's hash slots", 20)
            async with Cache("shop", l2=here.url) as cache, Cache("shop", l2=there.url) as other:
                relay = Relay(cache, there.url)
                await until(lambda: relay.leads, 10)
                Relay(other, here.url)
                await it.sees(r"Relays between regions", 20)
                await it.sees(r"▸shop +peer +here .* 0 +0 s +\d[\d.]* [mµ]?s ago +0\b", 20)
                assert "would show" not in await it.text()
                await other.set("k", 1)
                await until(lambda: relay.applied == 1, 10)
                lines = (await it.text()).splitlines()
                assert len(lines) == size[1]
                assert max(map(len, lines)) <= size[0]
                await made.kill(2)
                await it.sees(r"▸shop +peer +here .* [1-9][\d.]* s ago", 20)
            await it.sees("would show a cluster's hash slots", 20)
    finally:
        await made.stop()
