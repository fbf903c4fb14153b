"""The lab's cluster: read and filled through the library, told to the console, whole again after a crash."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.labnodes import LabNodes
from perftui.cli.lab import _details
from perftui.engines.cachecluster.hotslots import BUSY, hot
from perftui.lab import Lab, LabOptions
from perftui.lab.parts import WHOLE
from perftui.lab.shardspart import ShardsPart
from perftui.lab.supervisor import Supervisor
from perftui.model.errors import Refused
from perftui.model.options import ValkeyClusterOptions
from perftui.model.slottraffic import SlotFacts
from tests.conftest import need_valkey
from tests.waiting import auntil, until


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    need_valkey()
    async with Lab(LabOptions(parts=("shards",))) as made:
        yield made


def test_the_lab_that_people_start_has_it() -> None:
    assert "shards" in WHOLE


async def test_it_is_visited_and_told_to_the_console_and_whole_after_a_crash(lab: Lab) -> None:
    part = lab.part(ShardsPart)
    assert part.cluster is not None
    master = part.cluster.masters[0]

    async def filled() -> bool:
        return bool(await master.ask("DBSIZE"))

    await auntil(filled, 20)
    written = lab.config_path().read_text()
    assert 'kind = "valkey-cluster"' in written
    assert master.password not in written
    assert lab.endpoints["shards"]["url"].startswith("redis+cluster://:")
    await master.kill()
    assert part.status()["running"]
    await lab.part_down("shards")
    assert part.status() == {"running": False}
    assert part.backends() == {}
    await lab.part_up("shards")
    assert part.cluster is not None
    await until(lambda: all(node["running"] for node in part.status()["nodes"].values()), 10)


async def test_its_supervisor_says_which_nodes_may_be_killed_and_kills_them(lab: Lab, tmp_path: Path) -> None:
    supervisor = Supervisor(lab)
    server = await supervisor.serve(tmp_path / "control.sock")
    file = tmp_path / "lab.json"
    file.write_text(json.dumps({"socket": str(tmp_path / "control.sock")}))
    cluster = lab.part(ShardsPart).cluster
    assert cluster is not None
    nodes = LabNodes(str(file))
    numbers = await nodes.numbers()
    assert numbers == {member.node_id: number for number, member in cluster.members.items()}
    await nodes.kill(6)
    assert not cluster.members[6].pid
    with pytest.raises(Refused, match="node 6 does not run"):
        await nodes.kill(6)
    await nodes.revive(6)
    assert cluster.members[6].pid
    (written,) = [line for line in lab.config_path().read_text().splitlines() if line.startswith("control")]
    assert written.endswith('/lab.json"')
    await lab.part_down("shards")
    with pytest.raises(Refused, match="perftui lab shards up"):
        await nodes.numbers()
    server.close()


def test_the_words_count_its_nodes() -> None:
    part = {"running": True, "nodes": {"1": {"running": True}, "2": {"running": False}}}
    assert _details(part) == "1 of 2 nodes"


async def test_its_own_visits_make_no_slot_hot_and_its_keys_lie_evenly(lab: Lab) -> None:
    cluster = lab.part(ShardsPart).cluster
    assert cluster is not None
    options = ValkeyClusterOptions(
        f"redis+cluster://127.0.0.1:{cluster.masters[0].port}", "", cluster.masters[0].password, heartbeat=0.1
    )
    backend = ValkeyCluster("shards", options)
    looks: list[SlotFacts] = []

    async def several() -> bool:
        found = await backend.slot_map()
        await backend.read()
        if found.facts.measured and found.facts != (looks[-1] if looks else None):
            looks.append(found.facts)
        if looks and not quiet(looks[-1]):
            looks.clear()
        return len(looks) == 5

    try:
        await auntil(several, 120)
    finally:
        await backend.close()
    assert all(shard.cpu is not None and shard.cpu > 0 for facts in looks[1:] for shard in facts.shards)


def quiet(facts: SlotFacts) -> bool:
    """Servers count the time that passes while a command runs: of a busy machine that is others' too."""
    most = max(shard.cpu or 0.0 for shard in facts.shards)
    return most < BUSY["cpu"] / 2 and not list(hot(facts, 0.0))
