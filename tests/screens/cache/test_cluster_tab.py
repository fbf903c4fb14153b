"""The Cluster tab on six real servers: the map, the nodes, a switchover by key, a primary that dies."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from perftui.instrument.cache.store import open_store
from perftui.lab.cluster import Cluster
from perftui.lab.sentinel import GROUP, SentinelGroup
from perftui.session import Session
from tests.conftest import need_valkey
from tests.console import Console
from tests.sizes import sizes
from tests.topologies import a_cluster, a_group
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

Open = Callable[..., AbstractAsyncContextManager[Console]]


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLUSTER_PASSWORD", cluster.masters[0].password)
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters[:2])
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(
        '[env.lab]\nkind = "lab"\n[env.lab.backends.shards]\nkind = "valkey-cluster"\n'
        f'url = "redis+cluster://{places}"\npassword = "env:CLUSTER_PASSWORD"\nheartbeat = 0.02\n'
    )
    return str(file)


@pytest.fixture
def console(config: str) -> Open:
    @asynccontextmanager
    async def opened(size: tuple[int, int] = (160, 48)) -> AsyncIterator[Console]:
        def session(_env: str | None) -> Session:
            settings = load(config, "lab", {})
            return Session.open(settings, settings.environment)

        app = PerftuiApp(session, Options(screen="cache.cluster"), environment={"TERM": "xterm-256color"})
        async with app.run_test(size=size) as pilot:
            yield Console(app, pilot)

    return opened


@pytest.mark.slow
async def test_map_nodes_and_a_switchover_undone(console: Open, cluster: Cluster, tmp_path: Path) -> None:
    first, its_replica = cluster.masters[0], cluster.replicas[0]
    async with console() as it:
        await it.sees("nodes up 6/6")
        await it.sees("16,384 of 16,384 served")
        await it.sees(rf"A 127.0.0.1:{first.port} +primary +ok +5,?461")
        await it.sees(
            rf"127.0.0.1:{its_replica.port} +replica +ok .* \d[\d.]* (B|KiB) "
        )  # heartbeats are written
        await it.press("F")
        await it.sees("is the primary: choose the replica")
        await it.press("down", "F")
        await it.sees(f"make 127.0.0.1:{its_replica.port} the primary in place of 127.0.0.1:{first.port}")
        await it.press("y")
        await it.sees(rf"A 127.0.0.1:{its_replica.port} +primary", within=20)
        await it.sees(rf"promoted +127.0.0.1:{its_replica.port}")
        await it.press("u")
        await it.sees("make 127.0.0.1|the primary again")
        await it.press("y")
        await it.sees(rf"A 127.0.0.1:{first.port} +primary", within=20)
        await it.press("home", "R")
        await it.sees("Move slots to")
        await it.press("enter")
        await it.sees(f"Move slots of 127.0.0.1:{first.port} to 127.0.0.1:{cluster.masters[1].port}")
        await it.press(*"100", "enter")
        await it.sees("slots 5361-5460 with 0 keys")
        await it.press("y")
        await it.sees(rf"A 127.0.0.1:{first.port} +primary +ok +5,?361", within=20)
        await it.sees(rf"slots +127.0.0.1:{first.port} +holds 0-5360")
        store = open_store(cluster.url)
        await asyncio.gather(*(store.put(b"page:%d" % n, b"x", None) for n in range(40)))
        await it.press("p")
        await it.sees("Purge keys of shards")
        await it.press(*"page:*", "enter")
        await it.sees("move to quarantine 40 keys")
        await it.press(*"page:*", "enter")
        await it.sees("40 keys moved to quarantine", within=20)
        assert await store.get(b"page:1") is None
        await store.close()
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert {entry["action"] for entry in audit if entry.get("action")} >= {
        "cache.failover",
        "cache.reshard",
        "cache.purge",
    }


async def test_a_session_that_changes_nothing_writes_no_heartbeat(config: str, cluster: Cluster) -> None:
    settings = load(config, "lab", {"read_only": True})
    app = PerftuiApp(
        lambda _env: Session.open(settings, settings.environment, read_only=settings.read_only),
        Options(screen="cache.cluster"),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(160, 48)) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 6/6")
        await it.sees("heartbeat off: outages are not measured")
    assert [await master.ask("DBSIZE") for master in cluster.masters] == [0, 0, 0]


@pytest.mark.slow
async def test_a_dead_primary_on_a_small_screen(console: Open, cluster: Cluster) -> None:
    async with console((80, 24)) as it:
        await it.sees("nodes up 6/6")
        victim = cluster.masters[2]
        await victim.kill()
        await it.sees(rf"127.0.0.1:{victim.port} .*failed", within=20)
        await it.sees("nodes up 5/6")
        await it.press("v")
        await it.sees(r"\d+ ms without writes", within=20)
        await it.sees(r"2 findings", within=20)


@pytest.fixture
async def group(server_folder: Folder) -> AsyncIterator[SentinelGroup]:
    need_valkey()
    made = a_group(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.slow
async def test_a_group_with_sentinels(
    group: SentinelGroup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GROUP_PASSWORD", group.data[0].password)
    monkeypatch.setenv("SENTINEL_PASSWORD", group.sentinels[0].password)
    file = tmp_path / "config.toml"
    file.touch(0o600)
    file.write_text(
        '[env.lab]\nkind = "lab"\n[env.lab.backends.shop]\nkind = "valkey-sentinel"\n'
        f'url = "redis+sentinel://127.0.0.1:{group.sentinels[0].port}/{GROUP}"\n'
        'password = "env:GROUP_PASSWORD"\nsentinel_password = "env:SENTINEL_PASSWORD"\n'
    )
    old = f"127.0.0.1:{group.data[0].port}"
    settings = load(str(file), "lab", {})
    app = PerftuiApp(
        lambda _env: Session.open(settings, settings.environment),
        Options(screen="cache.cluster"),
        environment={"TERM": "xterm-256color"},
    )
    async with app.run_test(size=(120, 40)) as pilot:
        it = Console(app, pilot)
        await it.sees("nodes up 6/6")
        assert "Hash slots" not in await it.text()
        await it.sees(rf"{old} +primary +ok")
        assert len(re.findall(r"sentinel +ok", await it.text())) == 3
        await it.press("F")
        await it.sees(f"have a replica of {old} promoted in its place")
        await it.press("y")
        await it.sees(rf"promoted +127.0.0.1:(?!{group.data[0].port})", within=30)
        await it.sees(rf"{old} +replica +ok", within=30)

    async def well() -> bool:
        capsys.readouterr()
        return await asyncio.to_thread(main, ["cache", "cluster", "--config", str(file)]) == 0

    await auntil(well, 30)  # the old primary is in step again
    told = capsys.readouterr().out
    assert told.count(" sentinel ") == 3
    primary = next(line.split()[0] for line in told.splitlines() if " primary " in line)
    words = ["cache", "failover", primary, "--config", str(file), "--dry-run"]
    assert await asyncio.to_thread(main, words) == 0
    assert "the sentinels choose" in capsys.readouterr().out


@pytest.mark.parametrize("size", sizes((80, 24), (160, 48)))
async def test_a_replica_whose_link_is_down_is_marked(
    console: Open, cluster: Cluster, size: tuple[int, int]
) -> None:
    lone, other = cluster.replicas[:2]
    async with console(size) as it:
        await it.sees(rf"127.0.0.1:{lone.port} +replica +ok +\S* *● up ")
        assert (
            re.search(rf"127.0.0.1:{cluster.masters[0].port} +primary .* (up|down) ", await it.text()) is None
        )
        await lone.ask("CONFIG", "SET", "masterauth", "none of its own")
        await lone.ask("CLIENT", "KILL", "TYPE", "master")
        await it.sees(rf"127.0.0.1:{lone.port} +replica +ok +\S* *▲ down ", within=30)
        await it.sees(rf"127.0.0.1:{other.port} +replica +ok +\S* *● up ")
        lines = (await it.text()).splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]


@pytest.mark.slow
async def test_the_command_line_says_the_same(
    config: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    async def cache(*words: str) -> int:
        return await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]])

    assert await cache("cluster") == 0
    text = capsys.readouterr().out
    assert "slots 0-5460" in text
    assert text.count(" replica ") == 3
    assert await cache("cluster", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    members: dict[str, Any] = {m["address"]: m for m in told["members"]}
    replica = f"127.0.0.1:{cluster.replicas[0].port}"
    assert members[replica]["lag_bytes"] is not None
    assert members[replica]["link_up"] is True
    assert members[f"127.0.0.1:{cluster.masters[0].port}"]["link_up"] is None
    assert await cache("failover", f"127.0.0.1:{cluster.masters[0].port}", "--yes") != 0
    assert "name the replica" in capsys.readouterr().err
    assert await cache("failover", replica, "--yes") == 0
    assert f"{replica} is the primary of 5,461 slots" in capsys.readouterr().out
    taker, giver = (f"127.0.0.1:{m.port}" for m in cluster.masters[1:])
    assert await cache("reshard", giver, taker, "16000-16383", "--yes") == 0
    assert f"384 slots are at {taker}, at once" in capsys.readouterr().out
    assert await cache("reshard", giver, taker, "16000-16383", "--dry-run") != 0
    assert "holds slots 10922-15999, not 16000-16383" in capsys.readouterr().err
    store = open_store(cluster.url)
    await asyncio.gather(*(store.put(b"page:%d" % n, b"x", None) for n in range(40)))
    assert await cache("purge", "page:*", "--source", "shards", "--yes", "--json") == 0
    id_ = json.loads(capsys.readouterr().out)["undo"]["quarantine"]
    assert await store.get(b"page:1") is None
    assert await cache("undo", id_, "--source", "shards", "--yes") == 0
    assert await store.get(b"page:1") == b"x"
    await store.close()
    await cluster.masters[0].kill()
    assert await cache("cluster") == 1
    assert "has no replica that could take over" in capsys.readouterr().out


@pytest.mark.parametrize("size", sizes((120, 40), (80, 24)))
async def test_relays_to_another_region_stand_below_the_cluster(
    console: Open, cluster: Cluster, valkey: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    async with console(size) as it, Cache("shop", l2=cluster.url) as cache:
        await it.sees("nodes up 6/6")
        assert "Relays" not in await it.text()
        relay = Relay(cache, f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0")
        await until(lambda: relay.leads, 10)

        async def heard() -> bool:
            await it.text()
            return bool(it.app.base.tab.heard)

        await auntil(heard, 20)
        if size[0] < 120:
            await it.press("v")
            await it.sees("── Events|━━ Events")
            await it.press("v", "v")
        await it.sees("Relays between regions", 20)
        await it.sees(r"▸shop +peer +shards .* 0 +0 s +\d[\d.]* [mµ]?s ago", 20)
        lines = (await it.text()).splitlines()
        assert len(lines) == size[1]
        assert max(map(len, lines)) <= size[0]
        assert ("Nodes" in await it.text()) is (size[0] >= 120)
        await it.press("v")
        await it.sees("(──|━━) Nodes")
