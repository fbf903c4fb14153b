"""Two real regions by code and by words: who follows whom, what a crash leaves, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.lab import LabError
from perftui.lab.regions import Regions
from tests.conftest import need_valkey
from tests.lab.groups import children, labs_in, nodes, serves, typed
from tests.topologies import regions
from tests.waiting import auntil

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
    assert not [server for server in made.servers.values() if server.pid]


async def rows(made: Regions) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await made.status())["nodes"]
    return found


async def test_a_pair_is_a_primary_and_its_replica(pair: Regions) -> None:
    first, second = await rows(pair)
    assert (first["region"], first["role"], first["link"]) == ("A", "primary", "connected")
    assert (second["region"], second["role"], second["replica_of"]) == ("B", "replica", 1)
    await pair.kill(1)
    with pytest.raises(LabError, match="region 1 does not run"):
        await pair.kill(1)
    with pytest.raises(LabError, match="no region 3"):
        await pair.revive(3)
    with pytest.raises(LabError, match="region 2 runs"):
        await pair.revive(2)
    await auntil(lambda: disconnected(pair), 5)
    assert (await rows(pair))[0]["link"] == "down"
    await pair.servers[2].ask("REPLICAOF", "NO", "ONE")
    await pair.revive(1)
    assert [row["role"] for row in await rows(pair)] == ["primary", "primary"]
    await pair.kill(2)
    await pair.revive(2)
    assert [row["role"] for row in await rows(pair)] == ["primary", "replica"]


async def disconnected(made: Regions) -> bool:
    return bool((await rows(made))[1]["link"] == "disconnected")


async def test_apart_neither_follows(server_folder: Folder) -> None:
    need_valkey()
    made = regions(server_folder, "apart")
    try:
        await made.start()
        assert [row["role"] for row in await rows(made)] == ["primary", "primary"]
        assert len(made.urls) == 2
        await made.kill(2)
        await made.revive(2)
        assert [row["role"] for row in await rows(made)] == ["primary", "primary"]
    finally:
        await made.stop()
    with pytest.raises(LabError, match="pair or apart"):
        Regions(server_folder, "near")


@pytest.fixture(scope="module")
def state(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_valkey()
    with labs_in(base, tmp_path_factory.mktemp("state"), "regions") as path:
        yield path


def test_a_pair_by_words(state: Path, base: Path, capsys: Any) -> None:
    assert typed(capsys, "regions", "status")[0] == 1
    code, out, _ = typed(capsys, "regions", "up", "--json")
    up = json.loads(out)
    assert (code, Path(up["dir"]).parent, len(children(up["pid"]))) == (0, base, 2)
    code, out, _ = typed(capsys, "regions", "up")
    assert (code, out.strip()) == (0, up["url"])
    asyncio.run(serves(out.strip()))
    lines = [line.split() for line in typed(capsys, "regions", "status")[1].splitlines()]
    assert lines[0] == ["region", "role", "port", "link", "replica", "of", "offset"]
    assert lines[1][:3] == ["1", "A", "primary"]
    assert lines[2][1:6:2] == ["B", str(up["nodes"][1]["port"]), "1"]
    assert typed(capsys, "regions", "kill", "1")[0] == 0
    assert nodes(capsys, "regions")[1]["pid"] == 0
    assert typed(capsys, "regions", "revive", "1")[0] == 0
    assert nodes(capsys, "regions")[1]["role"] == "primary"
    assert typed(capsys, "regions", "down")[0] == 0
    code, out, _ = typed(capsys, "regions", "up", "--apart")
    assert (code, len(out.split())) == (0, 2)
    assert [row["role"] for row in nodes(capsys, "regions").values()] == ["primary", "primary"]
