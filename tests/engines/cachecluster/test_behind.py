"""Replicas far behind, and what is offered: by value, and in a real cluster whose replica stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.slots import slot_of
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines import ACTIONS
from perftui.engines.cache.reattach import Reattach
from perftui.engines.cachecluster.behind import BEHIND, IN_STEP, behind, spare
from perftui.engines.cachecluster.failover import MOST_BEHIND
from perftui.lab.cluster import Cluster
from perftui.model.cache import ReplicaLink
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.errors import PlanRejected
from perftui.model.finding import Effort, Finding
from perftui.model.options import ValkeyClusterOptions
from tests.conftest import need_valkey
from tests.engines.cachecluster.test_cluster import facts, primary, replica
from tests.topologies import a_cluster
from tests.waiting import auntil

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


def lagging(member: ClusterMember, **lags: int) -> ClusterMember:
    """A primary whose replicas are so many bytes behind."""
    assert member.reading is not None
    links = tuple(ReplicaLink(f"{id_}:1", "online", lag, 0.0) for id_, lag in lags.items())
    told = replace(member.reading.replication, replicas=links)
    return replace(member, reading=replace(member.reading, replication=told))


A, B = primary("a", 0, 8000, "c"), primary("b", 8001, 16_383, "d")
C, D, E = replica("c", "a"), replica("d", "b"), replica("e", "b")


def one(*members: ClusterMember, slotted: bool = True) -> Finding:
    (finding,) = behind("shards", ClusterReading(3, members, 4, slotted=slotted))
    return finding


def test_a_single_replica_is_switched_over_to_while_its_primary_waits() -> None:
    found = one(lagging(A, c=BEHIND + 1), lagging(B, d=0), C, D)
    assert found.title == "shards: c:1 is 16 MiB behind its primary"
    assert found.evidence[0] == "a failover now loses them"
    assert found.evidence[1].endswith("wait until it has taken that in: nothing is lost")
    assert found.offer is not None
    assert (found.offer.action, dict(found.offer.params)) == ("cache.failover", {"node": "c:1"})
    assert (found.offer.action in ACTIONS, found.effort) == (True, Effort.KEY)
    far = one(lagging(A, c=MOST_BEHIND + 1), lagging(B, d=0), C, D)
    assert (far.offer, far.effort) == (None, Effort.MINUTES)
    assert far.evidence[1].startswith("more than 64.0 MiB")
    mute = one(lagging(A, c=BEHIND + 1), lagging(B, d=0), replace(C, reading=None, why="silent"), D)
    assert (mute.offer, mute.evidence[1]) == (None, "let it catch up before anything is switched over")
    doubted = one(replace(lagging(A, c=BEHIND + 1), suspected_by=1), lagging(B, d=0), C, D)
    assert doubted.offer is None, "a primary that others do not reach waits for nobody"


def test_a_replica_of_another_primary_that_has_two_comes_first() -> None:
    found = one(lagging(A, c=BEHIND + 1), lagging(B, d=0, e=IN_STEP), C, D, E)
    assert found.offer is not None
    assert found.offer.action == "cache.reattach"
    assert dict(found.offer.params) == {"node": "d:1", "to": "a:1"}
    late = one(lagging(A, c=BEHIND + 1), lagging(B, d=0, e=IN_STEP + 1), C, D, E)
    assert late.offer is not None
    assert late.offer.action == "cache.failover", "one that is behind itself is not taken away"
    near = replace(D, address="a:2")
    there = replace(lagging(B, d=0, e=0), id="b")
    assert there.reading is not None
    links = (ReplicaLink("a:2", "online", 0, 0.0), ReplicaLink("e:1", "online", 0, 0.0))
    told = replace(there.reading.replication, replicas=links)
    there = replace(there, reading=replace(there.reading, replication=told))
    far = spare("shards", ClusterReading(3, (A, there, near, E), 4), A)
    assert far is not None
    assert dict(far.params)["node"] == "e:1", "another host than the primary's"


def test_while_another_replica_is_in_step_nothing_is_urgent() -> None:
    f = replica("f", "a")
    found = one(lagging(A, c=BEHIND + 1, f=0), lagging(B, d=0), C, D, f)
    assert (found.offer, found.evidence) == (None, ("f:1 is in step and would take over",))


def test_of_two_that_are_behind_the_nearer_one_is_switched_over_to() -> None:
    f = replica("f", "a")
    reading = ClusterReading(3, (lagging(A, c=2 * BEHIND, f=BEHIND + 1), B, C, D, f), 4)
    offers = {finding.title.split()[1]: finding.offer for finding in behind("shards", reading)}
    assert offers["c:1"] is None
    assert offers["f:1"] is not None


@pytest.mark.parametrize(("version", "action"), [("9.1.2", "cache.sentinel-failover"), ("8.0.1", None)])
def test_in_a_group_sentinels_are_asked_where_they_have_the_primary_wait(
    version: str, action: str | None
) -> None:
    reading = replace(facts(), version=version)
    lead = lagging(replace(A, slots=(), reading=reading), c=BEHIND + 1)
    found = one(lead, C, slotted=False)
    assert (found.offer.action if found.offer is not None else None) == action
    if found.offer is not None:
        assert dict(found.offer.params) == {"node": "a:1"}
        assert found.offer.action in ACTIONS


def test_a_primary_alone_is_offered_a_spare_replica() -> None:
    assert spare("shards", ClusterReading(3, (A, lagging(B, d=0), D), 4), A) is None
    assert spare("shop", ClusterReading(3, (A, lagging(B, d=0, e=0), D, E), 4, slotted=False), A) is None


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    for member in made.members.values():
        await member.resume()
    await made.stop()


@pytest.mark.slow
async def test_in_a_real_cluster_a_spare_replica_is_attached_and_goes_back(cluster: Cluster) -> None:
    """Nobody moves replicas there by itself: the cluster is told not to."""
    first, second, _ = cluster.masters
    number = await cluster.add(of=next(n for n, m in cluster.members.items() if m is second))
    for member in cluster.members.values():
        await member.ask("CONFIG", "SET", "cluster-allow-replica-migration", "no")
    at = {port: f"127.0.0.1:{port}" for port in (first.port, second.port)}
    options = ValkeyClusterOptions(f"redis+cluster://{at[first.port]}", password=first.password)
    backend = ValkeyCluster("shards", options)

    async def look() -> ClusterReading:
        facts = (await backend.read()).facts
        assert isinstance(facts, ClusterReading)
        return facts

    def followers(reading: ClusterReading, place: str) -> list[ClusterMember]:
        lead = reading.member(place)
        assert lead is not None
        return [one for one in reading.replicas(lead.id) if one.state == "ok"]

    async def whole() -> bool:
        reading = await look()
        return (len(followers(reading, at[first.port])), len(followers(reading, at[second.port]))) == (1, 2)

    await auntil(whole, 20)
    (slow,) = followers(await look(), at[first.port])
    stopped = next(m for m in cluster.members.values() if f"127.0.0.1:{m.port}" == slow.address)
    key = next(f"k{n}" for n in range(1000) if slot_of(b"k%d" % n) < 5000)
    await stopped.pause()
    for _ in range(24):
        await first.ask("SET", key, b"x" * (1 << 20))

    async def found() -> Finding | None:
        told = {finding.id: finding for finding in behind("shards", await look())}
        finding = told.get("cluster.replica-behind")
        return finding if finding is not None and finding.offer is not None else None

    finding: Finding = await auntil(found, 20)
    assert finding.title.startswith(f"shards: {slow.address} is ")
    assert finding.offer is not None
    assert finding.offer.action == "cache.reattach"
    params = dict(finding.offer.params)
    assert params["to"] == at[first.port]
    action = Reattach(backend, "shards", node=params["node"], to=params["to"])
    plan = await action.plan()
    assert f"let {params['node']} follow {at[first.port]}" in plan.summary
    assert plan.reversible
    receipt = await action.run(lambda _: None)

    async def taken() -> bool:
        return params["node"] in {one.address for one in followers(await look(), at[first.port])}

    await auntil(taken, 20)
    with pytest.raises(PlanRejected, match="already"):
        await Reattach(backend, "shards", node=params["node"], to=params["to"]).plan()
    await stopped.resume()
    await action.undo(receipt)
    await auntil(whole, 30)
    await backend.close()
    assert number in cluster.members
