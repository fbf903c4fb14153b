"""A failover rehearsed by key and by command on the lab's own cluster, kept, shown and replayed."""

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
from perftui.draw.failover import bars, failover
from perftui.draw.rows import Look, Size, plain
from perftui.lab.cluster import Cluster
from perftui.lab.clusterkeeper import Keeper
from perftui.model.rehearsal import Gap, Measured, Rehearsal, Rehearsals, Step
from perftui.runtime.rehearsals import LARGEST, MOST, RehearsalLog
from perftui.runtime.store import Store
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.sizes import sizes
from tests.topologies import a_cluster

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

SPOIL = "UPDATE perftui_last SET body = ? WHERE env = ? AND topic = ?"
Out = pytest.CaptureFixture[str]


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def config(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLUSTER_PASSWORD", cluster.masters[0].password)
    server = await Keeper(cluster, tmp_path).serve(tmp_path / "control.sock")
    control = tmp_path / "cluster.json"
    control.write_text(json.dumps({"pid": 1, "socket": str(tmp_path / "control.sock")}))
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters[:2])
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(
        '[cache]\nfailover_budget = 8.0\n[env.lab]\nkind = "lab"\n[env.lab.backends.shards]\n'
        f'kind = "valkey-cluster"\nurl = "redis+cluster://{places}"\npassword = "env:CLUSTER_PASSWORD"\n'
        f'heartbeat = 0.05\ncontrol = "{control}"\n'
    )
    yield str(file)
    server.close()


def app_of(config: str) -> PerftuiApp:
    settings = load(config, "lab", {})
    return PerftuiApp(
        lambda _env: Session.open(settings, settings.environment, remember=True),
        Options(screen="cache.cluster"),
        environment={"TERM": "xterm-256color"},
    )


@pytest.mark.slow
async def test_a_kill_is_rehearsed_by_key_and_its_time_gone_back_to(config: str, cluster: Cluster) -> None:
    first, its_replica = cluster.masters[0], cluster.replicas[0]
    app = app_of(config)
    async with app.run_test(size=(160, 48)) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 6/6")
        await it.press("down", "K")
        await it.sees("choose the primary that is to be killed")
        await it.press("up", "K")
        await it.sees(f"kill 127.0.0.1:{first.port} of shards")
        await it.sees("budget 8.00 s at a node timeout of 500 ms")
        await it.press(*f"127.0.0.1:{first.port}", "enter")
        await it.sees(f"127.0.0.1:{its_replica.port} took over", within=60)
        await it.sees(rf"A 127.0.0.1:{its_replica.port} +primary", within=20)
        await it.press("g", "7")
        await it.sees(rf"127.0.0.1:{first.port} +100 ", within=20)
        app.screen.query_one("#rehearsals").focus()
        await it.sees("no writes 0-5460")
        await it.sees("score 100")
        await it.press("enter")
        await it.sees("Hash slots")
        await it.sees(rf"127.0.0.1:{first.port} +primary +ok", within=20)
        assert app.session.clock.past
        await it.press("L")
        await it.sees(rf"127.0.0.1:{first.port} +replica +ok", within=20)


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_without_any_the_advisor_says_where_they_come_from(config: str, size: tuple[int, int]) -> None:
    app = app_of(config)
    async with app.run_test(size=size) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 6/6")
        await it.press("g", "7")
        await it.sees("Waiting at nodes")
        if size[0] < 120:
            await it.press("v")
        await it.sees("none yet: K on Cluster")


async def rehearse(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", "rehearse", *words, "--config", config])


async def test_a_shell_rehearses_and_lists(config: str, cluster: Cluster, capsys: Out) -> None:
    assert await rehearse(config) == 1
    assert "nothing was rehearsed yet" in capsys.readouterr().err
    node = f"127.0.0.1:{cluster.masters[1].port}"
    assert await rehearse(config, node, "--dry-run") == 0
    assert f"kill {node} of shards" in capsys.readouterr().out
    assert await rehearse(config, node) == 4
    pid = cluster.masters[1].pid
    assert await rehearse(config, node, "--budget", "0.05s", "--yes", "--json") == 1
    assert cluster.masters[1].pid not in (0, pid)
    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["score"] < 50
    assert await rehearse(config, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["node"], row["passed"], row["budget_s"]) == (node, False, 0.05)
    assert row["taken_by"] == f"127.0.0.1:{cluster.replicas[1].port}"
    assert row["steps"][0]["kind"] == "killed"
    assert await rehearse(config) == 0
    assert "over the budget of 50.0 ms" in capsys.readouterr().out
    file = Path(config)
    text = file.read_text()
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith("control")))
    assert await rehearse(config, node, "--yes") == 3
    assert "not held by a lab of ours" in capsys.readouterr().err


def made(at: float = 1000.0, until: float | None = 1.0) -> Rehearsal:
    kinds = ("killed", "suspected", "failed", "election", "promoted", "agreed", "revived", "rejoined")
    steps = tuple(Step(0.2 * n, kind, "a:1\x1b") for n, kind in enumerate(kinds))
    seen = Measured(at, steps, (Gap((0, 5460), 0.02, until, 12),), 0, "b:2")
    return Rehearsal("shards", "a:1", ((0, 5460),), 0.5, 1.1, seen)


def test_a_failover_is_drawn_at_any_size() -> None:
    look = Look()
    text = "\n".join(plain(failover(made(), Size(60, 12), look)))
    assert "980 ms without writes, within the budget" in text
    for phase in ("nobody noticed", "suspected", "election", "made known", "catching up"):
        assert phase in text
    assert "no writes 0-5460" in "\n".join(plain(failover(made(), Size(100, 12), look)))
    assert "\x1b" not in text
    for size in (Size(20, 3), Size(40, 1), Size(160, 5)):
        assert len(failover(made(), size, look)) <= size.height
    lost = made(until=None)
    assert (lost.outage_s, lost.score) == (None, 0)
    assert next(iter(bars(lost))).note == "12 failed"


async def test_the_newest_fifty_are_kept_and_rubbish_is_none(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store.db"), "lab")
    log = RehearsalLog(store)
    assert await log.rehearsals() == Rehearsals()
    for n in range(MOST + 3):
        await log.keep(made(1000.0 + n))
    found = (await log.rehearsals(2)).found
    assert [result.seen.at for result in found] == [1052.0, 1051.0]
    assert found[0] == made(1052.0)
    assert len((await log.rehearsals()).found) == MOST
    for body in ("{", '{"found": [{"source": 1}]}', "x" * (LARGEST + 1)):
        row = (body, "lab", "cache.rehearsals")
        await asyncio.wrap_future(store.write(lambda driver, row=row: driver.execute(SPOIL, row)))
        assert await log.rehearsals() == Rehearsals()
    await store.close()
