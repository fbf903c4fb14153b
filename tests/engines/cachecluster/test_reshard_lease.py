"""One move of slots of a cluster at a time: what another console is told, and when it may begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.slots import slot_of
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.backends.valkey.worklease import KEYS
from perftui.engines.cache import worklease
from perftui.engines.cachecluster.reshard import MoveSlots
from perftui.model.action import Progress
from perftui.model.cachecluster import ClusterMember, Range
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected
from perftui.model.options import ValkeyClusterOptions
from perftui.model.worklease import SLOTS, Working
from tests.conftest import need_valkey
from tests.topologies import a_cluster, unhurried
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.backends.valkey.slotmoves import Tell
    from perftui.lab.cluster import Cluster
    from perftui.lab.folders import Folder

OTHER = "b" * 32


class Held(ValkeyCluster):
    """A console whose move stands still at the seventh slot until it is let go on."""

    def __init__(self, name: str, how: ValkeyClusterOptions) -> None:
        super().__init__(name, how)
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def move_slots(
        self, holder: ClusterMember, taker: ClusterMember, slots: Sequence[Range], tell: Tell
    ) -> bool:
        tell(7, "")
        self.begun.set()
        await self.go.wait()
        return await super().move_slots(holder, taker, slots, tell)


@pytest.fixture(scope="module")
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    try:
        await made.start()
        await unhurried(made)
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def consoles(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Held, ValkeyCluster]]:
    monkeypatch.setattr(worklease, "EVERY", 0.05)
    pair = Held("shards", options(cluster)), another(cluster)
    yield pair
    for one in pair:
        await one.close()


def options(cluster: Cluster) -> ValkeyClusterOptions:
    first = cluster.masters[0]
    return ValkeyClusterOptions(url=f"redis+cluster://{first.host}:{first.port}", password=first.password)


def another(cluster: Cluster) -> ValkeyCluster:
    return ValkeyCluster("shards", options(cluster))


async def move(power: ValkeyCluster, cluster: Cluster, count: int) -> MoveSlots:
    """So many slots of the first primary to the second, or back."""
    await power.read()
    places = [f"{one.host}:{one.port}" for one in cluster.masters[:2]]
    return MoveSlots(power, "shards", node=places[0], to=places[1], slots=str(count))


async def test_the_second_is_told_who_moves_slots_and_how_far_it_is(
    cluster: Cluster, consoles: tuple[Held, ValkeyCluster]
) -> None:
    here, there = consoles
    mine, late = await move(here, cluster, 20), await move(there, cluster, 5)
    await mine.plan()
    await late.plan()
    running = asyncio.ensure_future(mine.run(ignore))
    await here.begun.wait()

    async def renewed() -> bool:
        other = await there.working(SLOTS, OTHER)
        return other is not None and other.done == 7

    await auntil(renewed)
    unread = another(cluster)
    for planned in ((await move(there, cluster, 5)).plan(), late.run(ignore)):
        with pytest.raises(PlanRejected) as caught:
            await planned
        assert "@" in str(caught.value)
        assert "moves slots 20 from 127.0.0.1:" in str(caught.value)
        assert "of shards right now: 7 of 20 slots so far; wait for its end" in str(caught.value)
    with pytest.raises(PlanRejected, match="7 of 20 slots"):
        await MoveSlots(unread, "shards", **mine.params).plan()
    await unread.close()
    here.go.set()
    receipt = await running
    assert receipt.done == 20
    assert await there.working(SLOTS, OTHER) is None
    assert (await mine.undo(receipt)).done == 20
    assert (await late.plan()).count == 5


async def test_stopped_it_lets_go_and_one_that_was_killed_does_by_itself(
    cluster: Cluster, consoles: tuple[Held, ValkeyCluster]
) -> None:
    here, there = consoles
    mine = await move(here, cluster, 20)
    await mine.plan()
    running = asyncio.ensure_future(mine.run(ignore))
    await here.begun.wait()
    running.cancel()
    with pytest.raises(Cancelled):
        await running
    assert await there.working(SLOTS, OTHER) is None
    assert await there.hold_work(SLOTS, OTHER, Working("slots 5", 2, 5), 0.5) is None
    with pytest.raises(PlanRejected, match="2 of 5 slots so far"):
        await mine.plan()

    async def free() -> bool:
        return await here.working(SLOTS, "a" * 32) is None

    await auntil(free)
    assert (await mine.plan()).count == 20


async def test_one_that_slept_ends_when_another_has_begun(
    cluster: Cluster, consoles: tuple[Held, ValkeyCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = consoles
    monkeypatch.setattr(worklease, "LIFE", 0.01)
    mine = await move(here, cluster, 20)
    await mine.plan()
    running = asyncio.ensure_future(mine.run(ignore))
    await here.begun.wait()

    async def taken() -> bool:
        return await there.hold_work(SLOTS, OTHER, Working("slots 5", 2, 5), 60) is None

    await auntil(taken)
    with pytest.raises(PartlyDone, match="2 of 5 slots so far"):
        await running
    await there.release_work(SLOTS, OTHER)


async def test_the_slot_of_the_lease_itself_is_moved_and_the_lease_let_go(
    cluster: Cluster, consoles: tuple[Held, ValkeyCluster]
) -> None:
    here, there = consoles
    await here.read()
    slot = slot_of(KEYS[SLOTS])
    holder = next(one for one in here._known if any(a <= slot <= b for a, b in one.slots))
    taker = next(one for one in here._known if one.role == "primary" and one.id != holder.id)
    mine = MoveSlots(here, "shards", node=holder.address, to=taker.address, slots=f"{slot}-{slot}")
    await mine.plan()
    here.go.set()
    receipt = await mine.run(ignore)
    await there.read()
    assert await there.working(SLOTS, OTHER) is None
    await mine.undo(receipt)
    await there.read()
    assert await there.working(SLOTS, OTHER) is None


def ignore(_progress: Progress) -> None:
    """Nobody is told."""
