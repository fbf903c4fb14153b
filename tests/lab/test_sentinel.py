"""A group of real servers that sentinels watch: who is master, what follows when it dies, and its words."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.instrument.cache.store import open_store
from perftui.lab import LabError
from perftui.lab.sentinel import SentinelGroup
from tests.conftest import need_valkey
from tests.lab.groups import children, keeps, labs_in, living, nodes, serves, typed
from tests.topologies import a_group
from tests.waiting import auntil, until_now

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture
async def group(server_folder: Folder) -> AsyncIterator[SentinelGroup]:
    need_valkey()
    made = a_group(server_folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
    assert not [server for server in made.servers.values() if server.pid]


@pytest.mark.slow
async def test_a_killed_master_is_survived(group):
    rows = (await group.status())["nodes"]
    assert [row["role"] for row in rows] == ["master", "replica", "replica", *["sentinel"] * 3]
    assert [row["replica_of"] for row in rows] == [None, 1, 1, None, None, None]
    assert [row["watches"] for row in rows] == [None, None, None, 1, 1, 1]
    assert {row["link"] for row in rows} == {"connected"}
    store = open_store(group.url)
    try:
        assert await keeps(store)
        await group.kill(1)
        for number, why in ((1, "server 1 does not run"), (9, "no server 9; there are: 1, 2, 3, 4, 5, 6")):
            with pytest.raises(LabError, match=why):
                await group.kill(number)
        await auntil(lambda: keeps(store), 10)
        # One that is thought down again right after its promotion, on a busy machine, costs a second switch.
        await auntil(lambda: agreed(group), 30)
    finally:
        await store.close()


async def agreed(made: SentinelGroup) -> bool:
    """Whether one of the others is master, the third follows it, and all sentinels say so."""
    rows = {row["node"]: row for row in (await made.status())["nodes"]}
    masters = [n for n in (2, 3) if rows[n]["role"] == "master"]
    if len(masters) != 1:
        return False
    (new,) = masters
    follows = rows[5 - new]["replica_of"] == new and rows[5 - new]["link"] == "connected"
    return follows and [rows[n]["watches"] for n in (4, 5, 6)] == [new] * 3


@pytest.mark.slow
async def test_a_killed_master_comes_back_behind_the_one_promoted_since(group):
    first = await ids(group)
    with pytest.raises(LabError, match="server 1 runs"):
        await group.revive(1)
    with pytest.raises(LabError, match="no server 9"):
        await group.revive(9)
    await group.kill(1)
    await auntil(lambda: agreed(group), 30)
    await group.revive(1)
    row = (await group.status())["nodes"][0]
    assert (row["role"], row["link"]) == ("replica", "connected")
    assert row["replica_of"] in {2, 3}
    after = await ids(group)
    assert after[1] not in {"", first[1]}
    assert (after[2], after[3]) == (first[2], first[3])
    await group.kill(5)
    await group.revive(5)
    await auntil(lambda: knows(group, 5, row["replica_of"]), 10)
    for number in (1, 2, 3):
        await group.kill(number)
    await group.revive(1)
    assert (await group.status())["nodes"][0]["role"] == "master"


async def ids(made: SentinelGroup) -> dict[int, str]:
    return {row["node"]: row["id"] for row in (await made.status())["nodes"]}


async def knows(made: SentinelGroup, sentinel: int, master: int) -> bool:
    rows = {row["node"]: row for row in (await made.status())["nodes"]}
    return bool(rows[sentinel]["watches"] == master)


@pytest.fixture(scope="module")
def state(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_valkey()
    with labs_in(base, tmp_path_factory.mktemp("state"), "sentinel") as path:
        yield path


@pytest.fixture
def up(state: Path, capsys: Any) -> dict[str, Any]:
    code, out, _ = typed(capsys, "sentinel", "up", "--json")
    assert code == 0
    said: dict[str, Any] = json.loads(out)
    return said


def test_up_prints_the_url_the_library_takes(up, base, capsys):
    assert Path(up["dir"]).parent == base
    assert len(children(up["pid"])) == 6
    code, out, _ = typed(capsys, "sentinel", "up")
    assert (code, out.strip()) == (0, up["url"])
    asyncio.run(serves(out.strip()))


def test_status_and_kill_by_words(up, capsys):
    code, out, _ = typed(capsys, "sentinel", "status")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["role", "port", "link", "replica", "of", "watches"]
    assert lines[1] == ["1", "master", str(up["nodes"][0]["port"]), "connected", "-", "-"]
    assert lines[2][-2:] == ["1", "-"]
    assert lines[6][-2:] == ["-", "1"]
    assert typed(capsys, "sentinel", "add")[0] == 2
    assert typed(capsys, "sentinel", "kill", "6")[0] == 0
    row = nodes(capsys, "sentinel")[6]
    assert (row["role"], row["link"], row["pid"]) == ("sentinel", "down", 0)
    assert typed(capsys, "sentinel", "kill", "1")[0] == 0
    until_now(lambda: {n for n, row in nodes(capsys, "sentinel").items() if row["role"] == "master"})
    assert typed(capsys, "sentinel", "revive", "1")[0] == 0
    assert typed(capsys, "sentinel", "revive", "6")[0] == 0
    assert all(row["pid"] for row in nodes(capsys, "sentinel").values())


def test_a_killed_keeper_s_servers_end_and_the_next_start_sweeps(up, base, capsys):
    from perftui.lab.folders import sweep

    pids = children(up["pid"])
    os.kill(up["pid"], signal.SIGKILL)
    until_now(lambda: not [pid for pid in pids if living(pid)], 1.0)
    until_now(lambda: typed(capsys, "sentinel", "status")[0] == 1)
    assert sweep(base) == [Path(up["dir"])]
