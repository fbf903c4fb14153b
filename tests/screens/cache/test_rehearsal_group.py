"""A failover of a group with sentinels rehearsed by key and by command, on the lab that holds it."""

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
from perftui.lab.clusterkeeper import Keeper
from perftui.lab.sentinel import GROUP, SentinelGroup
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.topologies import a_group

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def group(server_folder: Folder) -> AsyncIterator[SentinelGroup]:
    need_valkey()
    made = a_group(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def config(group: SentinelGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GROUP_PASSWORD", group.data[0].password)
    monkeypatch.setenv("SENTINEL_PASSWORD", group.sentinels[0].password)
    server = await Keeper(group, tmp_path).serve(tmp_path / "control.sock")
    control = tmp_path / "sentinel.json"
    control.write_text(json.dumps({"pid": 1, "socket": str(tmp_path / "control.sock")}))
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(
        '[cache]\nfailover_budget = 20.0\n[env.lab]\nkind = "lab"\n[env.lab.backends.shop]\n'
        'kind = "valkey-sentinel"\n'
        f'url = "redis+sentinel://127.0.0.1:{group.sentinels[0].port}/{GROUP}"\n'
        'password = "env:GROUP_PASSWORD"\nsentinel_password = "env:SENTINEL_PASSWORD"\n'
        f'control = "{control}"\n'
    )
    yield str(file)
    server.close()


@pytest.mark.slow
async def test_a_kill_is_rehearsed_by_key_and_judged_on_advisor(config: str, group: SentinelGroup) -> None:
    first = f"127.0.0.1:{group.data[0].port}"
    settings = load(config, "lab", {})
    app = PerftuiApp(
        lambda _env: Session.open(settings, settings.environment, remember=True),
        Options(screen="cache.cluster"),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(160, 48)) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 6/6")
        await it.press("down", "K")
        await it.sees("choose the primary that is to be killed")
        await it.press("up", "K")
        await it.sees(f"kill {first} of shop")
        await it.sees("budget 21.5 s at a down-after of 500 ms")
        await it.press(*first, "enter")
        await it.sees(r"127.0.0.1:\d+ took over", within=60)
        await it.sees(rf"{first} +replica +ok", within=30)
        await it.press("g", "7")
        await it.sees(rf"{first} +100 ", within=20)
        app.screen.query_one("#rehearsals").focus()
        await it.sees("no writes")
        await it.sees("score 100")


async def rehearse(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", "rehearse", *words, "--config", config])


@pytest.mark.slow
async def test_a_shell_rehearses_and_lists(config: str, group: SentinelGroup, capsys: Out) -> None:
    first = f"127.0.0.1:{group.data[0].port}"
    assert await rehearse(config) == 1
    assert "nothing was rehearsed yet" in capsys.readouterr().err
    assert await rehearse(config, first, "--dry-run") == 0
    assert f"kill {first} of shop" in capsys.readouterr().out
    assert await rehearse(config, first) == 4
    pid = group.data[0].pid
    assert await rehearse(config, first, "--yes", "--json") == 0
    assert group.data[0].pid not in (0, pid)
    assert json.loads(capsys.readouterr().out)["facts"]["score"] == 100
    assert await rehearse(config, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["node"], row["passed"], row["node_timeout_s"]) == (first, True, 0.5)
    assert row["taken_by"] in {f"127.0.0.1:{server.port}" for server in group.data[1:]}
    assert [step["kind"] for step in row["steps"]][:3] == ["killed", "suspected", "failed"]
    assert await rehearse(config) == 0
    assert "+switch-master" in capsys.readouterr().out
