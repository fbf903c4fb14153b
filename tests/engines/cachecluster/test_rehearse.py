"""A primary of a real cluster killed by the lab that holds it: measured, judged, kept, and brought back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.draw.failover import step_text, verdict
from perftui.engines.cachecluster.rehearse import Rehearse
from perftui.instrument.cache.store import open_store
from perftui.lab.cluster import Cluster
from perftui.lab.clusterkeeper import Keeper
from perftui.model.action import Progress
from perftui.model.errors import BackendError, Cancelled, PlanRejected
from perftui.model.failoverbudget import budget_for
from perftui.model.options import ValkeyClusterOptions
from perftui.model.ports import FailoverRehearser
from perftui.model.rehearsal import Gap, Measured, Rehearsal, Step
from tests.conftest import need_valkey
from tests.topologies import NOTICE_MS, a_cluster
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def control(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Path]:
    """The lab's control socket, and the file that leads there."""
    keeper = Keeper(cluster, tmp_path)
    server = await keeper.serve(tmp_path / "control.sock")
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps({"pid": 1, "socket": str(tmp_path / "control.sock")}))
    yield file
    server.close()


def backend(cluster: Cluster, control: Path | str) -> ValkeyCluster:
    member = cluster.masters[0]
    url = f"redis+cluster://{member.host}:{member.port}"
    return ValkeyCluster(
        "shards", ValkeyClusterOptions(url=url, password=member.password, control=str(control))
    )


@pytest.fixture
async def shards(cluster: Cluster, control: Path) -> AsyncIterator[ValkeyCluster]:
    made = backend(cluster, control)
    yield made
    await made.close()


async def test_a_primary_is_killed_measured_and_revived(shards: ValkeyCluster, cluster: Cluster) -> None:
    first, its_replica = cluster.masters[0], cluster.replicas[0]
    kept: list[Rehearsal] = []
    told: list[Progress] = []

    async def keep(result: Rehearsal) -> None:
        kept.append(result)

    act = Rehearse(shards, "shards", node=f"127.0.0.1:{first.port}", keep=keep)
    plan = await act.plan()
    assert plan.challenge == f"127.0.0.1:{first.port}"
    assert f"127.0.0.1:{its_replica.port} can take over" in plan.affects[1]
    assert "budget 1.10 s at a node timeout of 500 ms" in plan.affects[2]
    assert first.pid
    pid = first.pid
    gap: list[float] = []
    writer = asyncio.create_task(write_on(cluster, gap))
    receipt = await act.run(told.append)
    writer.cancel()
    (result,) = kept
    seen = result.seen
    kinds = [step.kind for step in seen.steps]
    assert [k for k in kinds if k in {"killed", "failed", "promoted", "agreed", "revived", "rejoined"}] == [
        "killed",
        "failed",
        "promoted",
        "agreed",
        "revived",
        "rejoined",
    ]
    assert {"suspected", "election"} <= set(kinds)
    assert seen.taken_by == f"127.0.0.1:{its_replica.port}"
    assert result.outage_s is not None
    assert NOTICE_MS / 1000 * 0.8 < result.outage_s < 10
    assert result.errors > 5
    assert max(gap) == pytest.approx(result.outage_s, abs=0.35)
    assert result.passed == (result.outage_s <= 1.1 and not seen.other_errors)
    assert receipt.facts["score"] == result.score
    assert "took over" in receipt.summary
    assert told[-1].note.startswith("rejoined after")
    assert first.pid not in (0, pid)

    async def back() -> bool:
        member = await shards.member(f"127.0.0.1:{first.port}")
        return (member.role, member.state) == ("replica", "ok")

    await auntil(back, 20)


async def write_on(cluster: Cluster, gap: list[float]) -> None:
    """Another client, that notes the longest time without a write into the first master's slots."""
    loop = asyncio.get_running_loop()
    store = open_store(cluster.url)
    before = loop.time()
    try:
        while True:
            try:
                await store.put(b"{a}", b"x", 10, within=0.3)  # slot 15495 is the third master's
                await store.put(b"{b}", b"x", 10, within=0.3)  # slot 3300 is the first one's
            except BackendError:
                continue
            gap.append(loop.time() - before)
            before = loop.time()
            await asyncio.sleep(0)
    finally:
        await store.close()


async def test_what_is_not_the_labs_own_is_never_killed(cluster: Cluster, tmp_path: Path) -> None:
    plain = backend(cluster, "")
    assert not isinstance(plain, FailoverRehearser)
    await plain.close()
    for text in ("", "{}", '{"socket": "/nowhere"}', '["x"]'):
        file = tmp_path / "lab.json"
        file.write_text(text)
        shards = backend(cluster, file)
        assert isinstance(shards, FailoverRehearser)
        with pytest.raises(PlanRejected, match="no lab is up"):
            await Rehearse(shards, "shards").plan()
        await shards.close()


async def test_another_labs_cluster_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket answers, but for nodes with other ids."""

    class Other:
        operations: ClassVar[dict[str, Any]] = {}

        async def status(self) -> dict[str, Any]:
            return {"nodes": [{"node": 1, "id": "f" * 40}]}

        url = ""

    server = await Keeper(Other(), tmp_path).serve(tmp_path / "other.sock")
    file = tmp_path / "lab.json"
    file.write_text(json.dumps({"socket": str(tmp_path / "other.sock")}))
    shards = backend(cluster, file)
    with pytest.raises(PlanRejected, match="is not the lab's own"):
        await Rehearse(shards, "shards").plan()
    await shards.close()
    server.close()


async def test_replicas_and_clusters_that_are_not_whole_are_refused(
    shards: ValkeyCluster, cluster: Cluster
) -> None:
    with pytest.raises(PlanRejected, match="holds no slots"):
        await Rehearse(shards, "shards", node=f"127.0.0.1:{cluster.replicas[0].port}").plan()
    with pytest.raises(PlanRejected):
        await Rehearse(shards, "shards", node="127.0.0.1:1").plan()
    await cluster.kill(4)

    async def noticed() -> bool:
        return any(m.state != "ok" for m in await shards.members())

    await auntil(noticed, 20)
    with pytest.raises(PlanRejected, match="rehearse with a cluster that is whole"):
        await Rehearse(shards, "shards").plan()


async def test_stopped_half_way_it_brings_the_node_back(shards: ValkeyCluster, cluster: Cluster) -> None:
    told: list[Progress] = []
    act = Rehearse(shards, "shards")
    await act.plan()
    pid = cluster.masters[0].pid
    running = asyncio.create_task(act.run(told.append))
    await until(lambda: told)
    running.cancel()
    with pytest.raises(Cancelled, match="killed and started again"):
        await running
    assert cluster.masters[0].pid not in (0, pid)


def made(*, outage: float | None = 1.0, budget: float = 1.1, others: int = 0) -> Rehearsal:
    gap = Gap((0, 99), 0.1, None if outage is None else 0.1 + outage, 7)
    seen = Measured(1000.0, (Step(0.0, "killed"),), (gap,), others, "b:2" if outage is not None else "")
    return Rehearsal("shards", "a:1", ((0, 99),), 0.5, budget, seen)


def test_a_score_is_the_budget_by_the_outage() -> None:
    assert (made().score, made().passed) == (100, True)
    assert (made(outage=2.2).score, made(outage=2.2).passed) == (50, False)
    assert (made(others=3).score, made(others=3).passed, made(others=3).errors) == (90, False, 10)
    assert (made(outage=None).score, made(outage=None).outage_s) == (0, None)
    assert budget_for(1.0) == pytest.approx(2.2)
    assert budget_for(0.5, 0.8) == pytest.approx(0.8)


def test_words_of_a_result() -> None:
    assert verdict(made()).startswith("1.00 s without writes, within the budget of 1.10 s (score 100)")
    assert "3 of them at other primaries" in verdict(made(others=3))
    assert verdict(made(outage=None)) == "nobody took over from a:1: score 0"
    assert step_text(Step(0.5, "failed", "a:1", "x\x1b")) == "failed after 500 ms: a:1 x\\x1b"
