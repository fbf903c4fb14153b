"""The primary of a real group with sentinels killed by the lab that holds it: events, outage, and its return."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from perftui.backends.valkey.sentinel import ValkeySentinel
from perftui.engines.cachecluster.rehearse import Rehearse
from perftui.instrument.cache.sentinel import SentinelStore
from perftui.instrument.cache.store import open_store
from perftui.lab.clusterkeeper import Keeper
from perftui.lab.sentinel import GROUP, SentinelGroup
from perftui.model.action import Progress
from perftui.model.errors import BackendError, Cancelled, PlanRejected
from perftui.model.failoverbudget import group_budget_for
from perftui.model.options import ValkeySentinelOptions
from perftui.model.ports import FailoverRehearser
from perftui.model.rehearsal import Rehearsal
from tests.conftest import need_valkey
from tests.topologies import NOTICE_MS, a_group
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

SCENES = ("killed", "suspected", "failed", "election", "promoted", "agreed", "revived", "rejoined")


@pytest.fixture
async def group(server_folder: Folder) -> AsyncIterator[SentinelGroup]:
    need_valkey()
    made = a_group(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def control(group: SentinelGroup, tmp_path: Path) -> AsyncIterator[Path]:
    """The lab's control socket, and the file that leads there."""
    server = await Keeper(group, tmp_path).serve(tmp_path / "control.sock")
    file = tmp_path / "sentinel.json"
    file.write_text(json.dumps({"pid": 1, "socket": str(tmp_path / "control.sock")}))
    yield file
    server.close()


def backend(group: SentinelGroup, control: Path | str) -> ValkeySentinel:
    options = ValkeySentinelOptions(
        f"redis+sentinel://127.0.0.1:{group.sentinels[0].port}/{GROUP}",
        password=group.data[0].password,
        sentinel_password=group.sentinels[0].password,
        control=str(control),
    )
    return ValkeySentinel("shop", options)


@pytest.fixture
async def shop(group: SentinelGroup, control: Path) -> AsyncIterator[ValkeySentinel]:
    made = backend(group, control)
    yield made
    await made.close()


@pytest.mark.slow
async def test_the_primary_is_killed_measured_and_comes_back_as_a_replica(
    shop: ValkeySentinel, group: SentinelGroup
) -> None:
    first = f"127.0.0.1:{group.data[0].port}"
    others = {f"127.0.0.1:{server.port}" for server in group.data[1:]}
    kept: list[Rehearsal] = []
    told: list[Progress] = []

    async def keep(result: Rehearsal) -> None:
        kept.append(result)

    act = Rehearse(shop, "shop", keep=keep)
    plan = await act.plan()
    assert plan.challenge == first
    assert plan.affects[0] == "shop cannot be written until then"
    assert all(place in plan.affects[1] for place in others)
    assert "budget 2.60 s at a down-after of 500 ms" in plan.affects[2]
    pid = group.data[0].pid
    gap: list[float] = []
    writer = asyncio.create_task(write_on(group, gap))
    receipt = await act.run(told.append)
    writer.cancel()
    (result,) = kept
    seen = result.seen
    kinds = [step.kind for step in seen.steps]
    assert set(kinds) == set(SCENES)
    assert [k for k in kinds if k != "agreed"] == [k for k in SCENES if k != "agreed"]
    assert kinds.index("promoted") < kinds.index("agreed") < kinds.index("rejoined")
    events = {step.kind: step.text.partition(":")[0] for step in seen.steps}
    assert (events["suspected"], events["failed"]) == ("+sdown", "+odown")
    assert (events["election"], events["promoted"]) == ("+try-failover", "+switch-master")
    assert seen.taken_by in others
    assert result.outage_s is not None
    assert NOTICE_MS / 1000 * 0.8 < result.outage_s < 20
    assert result.errors > 5
    assert seen.other_errors == 0
    assert max(gap) == pytest.approx(result.outage_s, abs=0.5)
    assert result.passed == (result.outage_s <= result.budget_s)
    assert (result.node_timeout_s, result.budget_s) == (0.5, group_budget_for(0.5))
    assert receipt.facts["score"] == result.score
    assert told[-1].note.startswith("rejoined after")
    assert group.data[0].pid not in (0, pid)

    async def back() -> bool:
        members = {m.address: m for m in await shop.members()}
        whole = all(member.state == "ok" for member in members.values())
        return whole and members[first].role == "replica"

    await auntil(back, 20)
    again = await Rehearse(shop, "shop", node=seen.taken_by).plan()
    assert again.challenge == seen.taken_by


async def write_on(group: SentinelGroup, gap: list[float]) -> None:
    """Another client, that notes the longest time without a write."""
    loop = asyncio.get_running_loop()
    store = open_store(group.url)
    assert isinstance(store, SentinelStore)
    before = loop.time()
    try:
        while True:
            try:
                await store.put(b"k", b"x", 10, within=0.3)
            except BackendError:
                await until(lambda: store.node.connected, 60)
                continue
            gap.append(loop.time() - before)
            before = loop.time()
            await asyncio.sleep(0)
    finally:
        await store.close()


async def test_what_is_not_the_labs_own_is_never_killed(group: SentinelGroup, tmp_path: Path) -> None:
    plain = backend(group, "")
    assert not isinstance(plain, FailoverRehearser)
    await plain.close()

    class Other:
        """A lab whose servers run under other ids."""

        operations: ClassVar[dict[str, Any]] = {}
        url = ""

        async def status(self) -> dict[str, Any]:
            rows = [{"node": n, "id": id_} for n, id_ in enumerate(("", "f" * 40), 1)]
            return {"nodes": rows}

    server = await Keeper(Other(), tmp_path).serve(tmp_path / "other.sock")
    file = tmp_path / "sentinel.json"
    file.write_text(json.dumps({"socket": str(tmp_path / "other.sock")}))
    shop = backend(group, file)
    assert isinstance(shop, FailoverRehearser)
    with pytest.raises(PlanRejected, match="is not the lab's own"):
        await Rehearse(shop, "shop").plan()
    await shop.close()
    server.close()


async def test_replicas_sentinels_and_groups_that_are_not_whole_are_refused(
    shop: ValkeySentinel, group: SentinelGroup
) -> None:
    for number, what in ((2, "replica"), (4, "sentinel")):
        node = f"127.0.0.1:{group.servers[number].port}"
        with pytest.raises(PlanRejected, match=f"is a {what}: name the primary"):
            await Rehearse(shop, "shop", node=node).plan()
    await group.kill(6)

    async def noticed() -> bool:
        return any(m.state != "ok" for m in await shop.members())

    await auntil(noticed, 20)
    with pytest.raises(PlanRejected, match="rehearse with a cluster that is whole"):
        await Rehearse(shop, "shop").plan()
    for sentinel in group.sentinels[:2]:
        await sentinel.kill()
    with pytest.raises(BackendError):
        await shop.lab.node_timeout((await shop.members())[0])


async def test_stopped_half_way_it_brings_the_server_back(shop: ValkeySentinel, group: SentinelGroup) -> None:
    told: list[Progress] = []
    act = Rehearse(shop, "shop")
    await act.plan()
    pid = group.data[0].pid
    running = asyncio.create_task(act.run(told.append))
    await until(lambda: told)
    running.cancel()
    with pytest.raises(Cancelled, match="killed and started again"):
        await running
    assert group.data[0].pid not in (0, pid)


def test_what_comes_after_the_suspicion_takes_as_long_whenever_that_is() -> None:
    assert group_budget_for(0.5) == pytest.approx(2.6)
    assert group_budget_for(1.0) == pytest.approx(3.1)
    assert group_budget_for(30.0, 0.05) > 30.0
