"""Replicas attached to the primary that is one now: by key on Cluster, from Advisor, and in a shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perftui.app import Options, PerftuiApp
from perftui.cli import main
from perftui.config import load
from perftui.lab.regions import Regions
from perftui.model.regions import EPOCH_KEY, RAISE_EPOCH
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.sizes import sizes
from tests.topologies import a_server, regions
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder
    from perftui.lab.sentinel import Data

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def three(server_folder: Folder) -> AsyncIterator[Regions]:
    """Region A, and B and C that follow it."""
    need_valkey()
    made = regions(server_folder)
    try:
        await made.start()
        made.servers[3] = a_server(server_folder, made.servers[1])
        await made.servers[3].start()
        yield made
    finally:
        await made.stop()


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, backends: str) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CACHE_PASSWORD", password)
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(f'[env.lab]\nkind = "lab"\n{backends}')
    return str(file)


@pytest.fixture
def paired(three: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """All three as one backend."""
    places = ",".join(f"{s.host}:{s.port}" for s in three.servers.values())
    head = f'[env.lab.backends.pair]\nkind = "valkey-regions"\nurl = "redis+region://{places}"\n'
    return written(
        tmp_path, monkeypatch, three.servers[1].password, f'{head}password = "env:CACHE_PASSWORD"\n'
    )


@pytest.fixture
def single(three: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """B and C as servers of their own; A is no backend."""
    parts = [
        f'[env.lab.backends.{name}]\nkind = "valkey"\nurl = "redis://127.0.0.1:{three.servers[n].port}/0"\n'
        'password = "env:CACHE_PASSWORD"\n'
        for name, n in (("second", 2), ("third", 3))
    ]
    return written(tmp_path, monkeypatch, three.servers[1].password, "".join(parts))


async def promoted(three: Regions) -> None:
    """A is lost with two keys, and B leads, with one more."""
    await three.servers[1].ask("MSET", "a", "1", "b", "2")
    await auntil(lambda: holds(three.servers[2], 2), 10)
    await auntil(lambda: holds(three.servers[3], 2), 10)
    await three.kill(1)
    await three.servers[2].ask("REPLICAOF", "NO", "ONE")
    await three.servers[2].ask("EVAL", RAISE_EPOCH, 1, EPOCH_KEY)


async def holds(server: Data, keys: int) -> bool:
    return bool(await server.ask("DBSIZE") == keys)


async def follows(server: Data, other: Data) -> bool:
    said = await server.role()
    return (said.get("master_port"), said.get("master_link_status")) == (str(other.port), "up")


def app_of(config: str, tab: str, **flags: bool) -> PerftuiApp:
    settings = load(config, "lab", flags)
    return PerftuiApp(
        lambda _env: Session.open(settings, settings.environment, read_only=settings.read_only),
        Options(screen=tab),
        environment={"TERM": "xterm-256color"},
    )


@pytest.mark.parametrize("size", sizes((160, 48), (120, 40), (80, 24)))
async def test_the_replica_under_the_cursor_is_brought_back(
    paired: str, three: Regions, tmp_path: Path, size: tuple[int, int]
) -> None:
    await promoted(three)
    b, c = (f"127.0.0.1:{three.servers[n].port}" for n in (2, 3))
    app = app_of(paired, "cache.cluster")
    async with app.run_test(size=size) as pilot:
        it = Console(app, pilot)
        await it.sees(rf"{b} +primary +ok")
        await it.press("b")
        await it.sees("choose the replica that is to follow the primary")
        await it.press("down", "down", "b")
        await it.sees(f"let {c} follow {b}")
        await it.sees("the 2 keys that")
        await it.press("y")
        await it.sees(f"{c} follows {b} at offset", within=30)
    assert await follows(three.servers[3], three.servers[2])
    assert await holds(three.servers[3], 3)
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert "cache.reattach" in {entry.get("action") for entry in audit}


async def test_a_console_that_changes_nothing_brings_none_back(paired: str, three: Regions) -> None:
    await promoted(three)
    app = app_of(paired, "cache.cluster", read_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 2/3")
        await it.press("down", "down", "b")
        await it.sees("read-only")
    assert not await follows(three.servers[3], three.servers[2])


async def test_advisor_offers_the_one_promoted_since(single: str, three: Regions) -> None:
    await promoted(three)
    b = f"127.0.0.1:{three.servers[2].port}"
    app = app_of(single, "cache.advisor")
    async with app.run_test(size=(160, 48)) as pilot:
        it = Console(app, pilot)
        await it.sees("The replica has lost its primary")
        await it.sees(f"{b} is the primary now")
        await it.sees(f"A: Let it follow {b}")
        await it.press("A")
        await it.sees(f"let third follow {b}, the primary that is one now")
        await it.press("y")
        await it.sees(f"third follows {b} at offset", within=30)
    assert await follows(three.servers[3], three.servers[2])


async def reattach(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", "reattach", *words, "--config", config])


async def test_a_node_of_a_pair_in_a_shell(paired: str, three: Regions, capsys: Out) -> None:
    b, c = (f"127.0.0.1:{three.servers[n].port}" for n in (2, 3))
    assert await reattach(paired, c, "--yes") == 4
    assert "already" in capsys.readouterr().err
    await promoted(three)
    assert await reattach(paired, "nowhere:1", "--yes") == 4
    assert "has no node nowhere:1" in capsys.readouterr().err
    assert await reattach(paired, b, "--yes") == 4
    assert "is a primary" in capsys.readouterr().err
    assert await reattach(paired, c) == 4  # nobody confirms
    assert await reattach(paired, c, "--dry-run") == 0
    assert f"let {c} follow {b}" in capsys.readouterr().out
    assert not await follows(three.servers[3], three.servers[2])
    assert await reattach(paired, c, "--yes") == 0
    assert f"{c} follows {b}" in capsys.readouterr().out
    assert await follows(three.servers[3], three.servers[2])


async def test_a_server_in_a_shell_follows_whom_the_others_tell(
    single: str, three: Regions, capsys: Out
) -> None:
    a, b = (f"127.0.0.1:{three.servers[n].port}" for n in (1, 2))
    await promoted(three)
    assert await reattach(single, "third", "--to", a, "--yes") == 4
    assert f"{a} cannot be followed" in capsys.readouterr().err
    assert await reattach(single, "third", "--yes", "--json") == 0
    assert f"third follows {b}" in json.loads(capsys.readouterr().out)["summary"]
    assert await follows(three.servers[3], three.servers[2])
    assert await reattach(single, "nobody", "--yes") == 3
    assert "no backend of kind valkey" in capsys.readouterr().err
