"""A cluster of real servers: its bootstrap, its members, and its words; it dies whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from perftui.instrument.cache.store import open_store
from perftui.lab import LabError, folders
from perftui.lab.cluster import Cluster, Member
from tests.conftest import need_valkey
from tests.lab.groups import KEYS, children, keeps, labs_in, living, nodes, serves, typed
from tests.topologies import a_cluster
from tests.waiting import auntil, until_now

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

THIRDS = {1: ["0-5460"], 2: ["5461-10921"], 3: ["10922-16383"]}


@pytest.fixture(scope="module")
async def whole(server_folder: Folder) -> AsyncIterator[Cluster]:
    """One that tests leave as it was."""
    need_valkey()
    made = Cluster(server_folder, "whole")
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def by_another_client(made: Cluster, number: int) -> dict[str, dict[str, Any]]:
    """Node id → what redis-py reads in that node's CLUSTER NODES."""
    member = made.members[number]
    async with redis.asyncio.Redis(port=member.port, password=member.password) as client:
        said = await client.execute_command("CLUSTER NODES")
    return {row["node_id"]: {"at": at, **row} for at, row in said.items()}


async def test_it_serves_all_slots_once_and_every_master_has_a_replica(whole):
    status = await whole.status()
    rows = {row["node"]: row for row in status["nodes"]}
    assert status["running"]
    assert {n: row["slots"] for n, row in rows.items() if row["slots"]} == THIRDS
    assert [row["role"] for row in rows.values()] == ["master"] * 3 + ["replica"] * 3
    assert {n: row["replica_of"] for n, row in rows.items()} == {1: None, 2: None, 3: None, 4: 1, 5: 2, 6: 3}
    assert {row["link"] for row in rows.values()} == {"connected"}
    assert len({row["epoch"] for row in rows.values() if row["role"] == "master"}) == 3
    for member in whole.members.values():
        assert await member.says("CLUSTER INFO", b"cluster_state:ok", b"cluster_slots_ok:16384")


async def test_status_is_what_the_nodes_say_to_another_client(whole):
    rows = (await whole.status())["nodes"]
    for number in whole.members:
        said = await by_another_client(whole, number)
        assert len(said) == len(rows)
        for row in rows:
            seen = said[row["id"]]
            assert seen["at"] == f"127.0.0.1:{row['port']}"
            assert ["-".join(slot) for slot in seen["slots"]] == row["slots"]
            assert ("master" in seen["flags"]) is (row["role"] == "master")
            of = row["replica_of"]
            assert seen["master_id"] == (whole.members[of].node_id if of else "-")
            assert seen["connected"]
            assert row["id"].startswith(row["short"])


async def test_only_this_machine_can_reach_it_and_it_asks_for_a_password(whole):
    for member in whole.members.values():
        listening = [
            c.laddr for c in psutil.Process(member.pid).net_connections("tcp") if c.status == "LISTEN"
        ]
        assert {at.ip for at in listening} == {"127.0.0.1"}
        assert {at.port for at in listening} == {member.port, member.bus}
        async with redis.asyncio.Redis(port=member.port, retry=Retry(NoBackoff(), 0)) as client:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await client.ping()


async def test_every_node_counts_what_its_slots_take(whole):
    for member in whole.members.values():
        assert b"yes" in (await member.ask("CONFIG", "GET", "cluster-slot-stats-enabled")).values()


async def test_the_library_writes_and_reads_through_it(whole):
    await serves(whole.url)
    sizes = [await member.ask("DBSIZE") for member in whole.masters]
    assert sum(sizes) >= len(KEYS)
    assert all(sizes)


async def test_a_master_is_removed_when_its_slots_have_moved_and_not_before(whole):
    with pytest.raises(LabError, match=r"node 2 has the slots 5461-10921: move them first"):
        await whole.remove(2)
    number = await whole.add(master=True)
    new, old = whole.members[number], whole.members[1]
    rows = {row["node"]: row for row in (await whole.status())["nodes"]}
    assert (rows[number]["role"], rows[number]["slots"]) == ("master", [])
    await move(whole, 5, old, new)
    with pytest.raises(LabError, match=f"node {number} has the slots 5: move"):
        await whole.remove(number)
    await move(whole, 5, new, old)
    await whole.remove(number)
    assert not new.pid
    assert number not in whole.members
    for member in whole.members.values():
        assert new.node_id not in await member.nodes()
    assert {row["node"]: row["slots"] for row in (await whole.status())["nodes"] if row["slots"]} == THIRDS


async def move(made: Cluster, slot: int, source: Member, target: Member) -> None:
    """Move a slot without keys; the target's new epoch makes all others follow."""
    await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id)
    await target.ask("CLUSTER", "SETSLOT", slot, "NODE", target.node_id)
    await auntil(lambda: all_give(made, slot, target.node_id))


async def all_give(made: Cluster, slot: int, owner: str) -> bool:
    views = [await member.nodes() for member in made.members.values() if member.pid]
    return all(any(a <= slot <= b for a, b in view[owner].slots) for view in views)


async def test_what_cannot_be_done_is_said(whole):
    with pytest.raises(LabError, match="no node 77; there are: 1, 2, 3, 4, 5, 6"):
        await whole.kill(77)
    with pytest.raises(LabError, match="node 4 is no master that runs"):
        await whole.add(of=4)
    with pytest.raises(LabError, match="unknown subcommand"):
        await whole.members[1].ask("CLUSTER", "DANCE")
    assert list(whole.members) == [1, 2, 3, 4, 5, 6]


async def test_a_node_that_cannot_start_leaves_no_trace(whole, monkeypatch):
    monkeypatch.setattr("perftui.lab.valkey.server_program", lambda: Path("/bin/false"))
    with pytest.raises(LabError, match="ended at once"):
        await whole.add()
    assert list(whole.members) == [1, 2, 3, 4, 5, 6]
    assert len(await whole.members[1].nodes()) == 6


async def test_a_killed_master_is_survived_and_replaced(server_folder):
    need_valkey()
    made = a_cluster(server_folder)
    store = open_store(made.url)
    try:
        await made.start()
        assert await keeps(store)
        await made.kill(1)
        with pytest.raises(LabError, match="node 1 does not run"):
            await made.kill(1)
        await auntil(lambda: keeps(store), 10)
        await auntil(lambda: all_give(made, 5, made.members[4].node_id))
        rows = {row["node"]: row for row in (await made.status())["nodes"]}
        assert (rows[1]["link"], rows[1]["slots"], rows[1]["pid"]) == ("down", [], 0)
        assert (rows[4]["role"], rows[4]["slots"]) == ("master", THIRDS[1])
        assert str(made.masters[0].port) not in made.url
        assert await made.add() == 7
        rows = {row["node"]: row for row in (await made.status())["nodes"]}
        assert rows[7]["replica_of"] == 4
        with pytest.raises(LabError, match="node 4 runs"):
            await made.revive(4)
        await made.revive(1)

        async def follows() -> bool:
            row = next(row for row in (await made.status())["nodes"] if row["node"] == 1)
            return (row["role"], row["replica_of"], row["link"]) == ("replica", 4, "connected")

        await auntil(follows, 10)
        await made.remove(1)
        assert Counter(row["role"] for row in (await made.status())["nodes"]) == {"master": 3, "replica": 3}
    finally:
        await store.close()
        await made.stop()
    assert not [member for member in made.members.values() if member.pid]
    assert (await made.status())["nodes"][0]["role"] == "unknown"


@pytest.fixture(scope="module")
def state(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_valkey()
    with labs_in(base, tmp_path_factory.mktemp("state"), "cluster") as path:
        yield path


@pytest.fixture
def up(state: Path, capsys: Any) -> dict[str, Any]:
    code, out, _ = typed(capsys, "cluster", "up", "--json")
    assert code == 0
    said: dict[str, Any] = json.loads(out)
    return said


def test_nothing_up(state, capsys):
    assert typed(capsys, "cluster", "status")[0] == 1
    assert json.loads(typed(capsys, "cluster", "status", "--json")[1]) == {"up": False}
    code, _, err = typed(capsys, "cluster", "kill", "1")
    assert code == 3
    assert "none is up: perftui lab cluster up" in err
    assert typed(capsys, "cluster", "down")[0] == 0
    assert typed(capsys, "cluster", "kill", "first")[0] == 2
    assert typed(capsys, "cluster", "add", "--master", "--of", "1")[0] == 2


def test_up_prints_the_url_the_library_takes(up, base, capsys):
    assert Path(up["dir"]).parent == base
    assert os.getsid(up["pid"]) != os.getsid(0)
    assert len(children(up["pid"])) == 6
    code, out, err = typed(capsys, "cluster", "up")
    assert (code, out.strip()) == (0, up["url"])
    assert "up already" in err
    assert out.startswith("redis+cluster://:")
    assert out.count("127.0.0.1:") == 6
    asyncio.run(serves(out.strip()))


def test_status_by_words(up, capsys):
    code, out, _ = typed(capsys, "cluster", "status")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["role", "port", "node", "slots", "link", "replica", "of"]
    row = up["nodes"][0]
    assert lines[1] == ["1", "master", str(row["port"]), row["short"], "0-5460", "connected", "-"]
    assert lines[4][-1] == "1"


def test_members_by_words(up, capsys):
    code, out, _ = typed(capsys, "cluster", "add", "--of", "3", "--json")
    assert code == 0
    added = json.loads(out)["added"]
    assert nodes(capsys, "cluster")[added]["replica_of"] == 3
    assert typed(capsys, "cluster", "kill", str(added))[0] == 0
    assert nodes(capsys, "cluster")[added]["link"] == "down"
    code, out, err = typed(capsys, "cluster", "remove", str(added))
    assert (code, out) == (0, "")
    assert f"removed {added}" in err
    assert list(nodes(capsys, "cluster")) == [1, 2, 3, 4, 5, 6]
    code, _, err = typed(capsys, "cluster", "remove", "1")
    assert code == 3
    assert "move them first" in err


def test_no_password_in_files_of_state_arguments_or_logs(up, state):
    secret = up["url"].split("@")[0].rpartition(":")[2]
    told = "".join(file.read_text() for file in state.iterdir())
    told += "".join(log.read_text() for log in Path(up["dir"]).glob("*/valkey.log"))
    pids = [up["pid"], *children(up["pid"])]
    assert secret not in told + " ".join(word for pid in pids for word in psutil.Process(pid).cmdline())
    assert {file.stat().st_mode & 0o777 for file in state.iterdir()} == {0o600}
    assert (Path(up["dir"]) / "control.sock").stat().st_mode & 0o777 == 0o600


def test_a_killed_keeper_s_nodes_end(up, capsys):
    pids = children(up["pid"])
    assert len(pids) == 6
    os.kill(up["pid"], signal.SIGKILL)
    until_now(lambda: not [pid for pid in pids if living(pid)], 1.0)
    assert Path(up["dir"]).exists()
    until_now(lambda: typed(capsys, "cluster", "status")[0] == 1)


def test_the_next_start_sweeps_and_down_leaves_nothing(state, base, capsys):
    left = set(base.iterdir())
    assert left
    up = json.loads(typed(capsys, "cluster", "up", "--json")[1])
    assert [path for path in left if path.exists()] == []
    pids = [up["pid"], *children(up["pid"])]
    code, _, err = typed(capsys, "cluster", "down")
    assert code == 0
    assert "has ended" in err
    assert list(base.iterdir()) == []
    assert not [pid for pid in pids if living(pid)]


def test_two_start_at_once_beside_the_folder_of_a_dead_one(open_folder, tmp_path):
    need_valkey()
    dead = open_folder / f"{folders.PREFIX}dead"
    dead.mkdir()
    (dead / "lock").touch()
    starting, said = [], []
    for name in ("one", "two"):
        env = {**os.environ, "PERFTUI_STATE_DIR": str(tmp_path / name), "TMPDIR": str(open_folder)}
        words = [sys.executable, "-m", "perftui", "lab", "cluster", "up", "--json"]
        starting.append(subprocess.Popen(words, env=env, stdout=subprocess.PIPE))
    try:
        said = [json.loads(process.communicate(timeout=60)[0]) for process in starting]
        assert not dead.exists()
        assert len({one["dir"] for one in said}) == 2
        for one in said:
            assert Path(one["dir"]).exists()
            assert len(children(one["pid"])) == 6
            asyncio.run(serves(one["url"]))
    finally:
        for one in said:
            os.kill(one["pid"], signal.SIGTERM)
    until_now(lambda: list(open_folder.iterdir()) == [])
