"""Findings about a pair of regions, its lag, and what is told of a region that comes and goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.engines.cachecluster import ClusterEngine
from perftui.engines.cachecluster.findings import findings
from perftui.engines.cachecluster.happenings import happened
from perftui.engines.cachecluster.regionfindings import BEHIND, LATE
from perftui.model.cache import ReplicaLink
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterReport, ClusterView
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.regionlag import RegionLag, lag_of
from tests.engines.cachecluster.test_cluster import facts

A, B = "a:1", "b:1"


def primary(at: str, epoch: int = 0, *links: ReplicaLink, **more: object) -> ClusterMember:
    return ClusterMember(at, at, "primary", epoch=epoch, reading=facts(replicas=links, **more))


def replica(at: str, of: str, epoch: int = 0, **more: object) -> ClusterMember:
    return ClusterMember(at, at, "replica", of, epoch, reading=facts("replica", primary=of, **more))


def gone(at: str, role: str = "lost") -> ClusterMember:
    return ClusterMember(at, at, role, why="connection refused")


def pair(*members: ClusterMember) -> ClusterReading:
    return ClusterReading(max(m.epoch for m in members), members, 2, slotted=False, regions=True)


def found(reading: ClusterReading) -> dict[str, Finding]:
    report = ClusterReport(0.0, (ClusterView("pair", Health(Link.LIVE, 0.0), reading),))
    told = {one.id: one for one in findings(report)}
    assert all(one.source == "pair" for one in told.values())
    return told


IN_STEP = pair(primary(A, 0, ReplicaLink(B, "online", 0, 0.0)), replica(B, A, last_io_s=0.0))


def test_a_pair_in_step_is_well() -> None:
    assert found(IN_STEP) == {}
    assert ClusterEngine().kinds[-1] == "valkey-regions"


def test_a_lost_primary_names_who_could_take_over() -> None:
    one = found(pair(gone(A, "primary"), replica(B, A, link_up=False, link_down_s=3.0)))[
        "region.primary-lost"
    ]
    assert one.severity is Severity.CRITICAL
    assert one.offer is not None
    assert (one.offer.action, one.offer.params) == ("cache.takeover", (("node", B),))
    assert "last heard from it 3" in one.evidence[1]
    unknown = found(pair(gone(A, "primary"), replica(B, A)))["region.primary-lost"]
    assert "not known" in unknown.evidence[1]
    nobody = found(pair(gone(A, "primary"), gone(B, "replica")))["region.primary-lost"]
    assert nobody.offer is None
    several = pair(gone(A, "primary"), replica(B, A), replica("c:1", A))
    assert found(several)["region.primary-lost"].offer is None


def test_of_two_primaries_the_earlier_is_to_follow() -> None:
    one = found(pair(primary(A, 0), primary(B, 1)))["region.split"]
    assert one.offer is not None
    assert (one.offer.action, one.offer.params) == ("cache.rejoin", (("node", A), ("to", B)))
    same = found(pair(primary(A, 1), primary(B, 1)))["region.split"]
    assert same.offer is None
    assert "nobody can tell" in same.evidence[-1]


def test_a_primary_alone() -> None:
    assert set(found(pair(gone(A), primary(B, 1)))) == {"region.silent"}
    down = pair(primary(A), replica(B, A, link_up=False, link_down_s=9.0))
    assert set(found(down)) == {"region.link-down"}
    assert found(down)["region.link-down"].offer is None  # REPLICAOF of whom it follows changes nothing


def test_a_replica_of_one_that_is_gone_is_to_follow_the_primary() -> None:
    third = replica("c:1", A, 1, link_up=False, link_down_s=9.0)
    one = found(pair(gone(A), primary(B, 1), third))["region.link-down"]
    assert one.offer is not None
    assert (one.offer.action, one.offer.params) == ("cache.reattach", (("node", "c:1"),))


def test_regions_on_one_host_are_none() -> None:
    near = found(pair(primary("10.0.0.1:1"), replica("10.0.0.1:2", "10.0.0.1:1", last_io_s=0.0)))
    assert near["region.same-host"].severity is Severity.WARNING
    assert near["region.same-host"].evidence == ("10.0.0.1:1 and 10.0.0.1:2: what takes one takes both",)
    lab = pair(primary("127.0.0.1:1"), replica("127.0.0.1:2", "127.0.0.1:1", last_io_s=0.0))
    assert found(lab) == {}


@pytest.mark.parametrize(
    ("bytes_", "seconds", "late"), [(BEHIND, LATE, False), (BEHIND + 1, 0.0, True), (0, LATE + 1, True)]
)
def test_a_region_that_is_behind(bytes_: int, seconds: float, late: bool) -> None:
    reading = pair(primary(A, 0, ReplicaLink(B, "online", bytes_, seconds)), replica(B, A))
    assert ("region.behind" in found(reading)) is late


def test_the_lag_is_told_by_whoever_knows_it() -> None:
    def lag(*members: ClusterMember) -> RegionLag:
        return lag_of(pair(*members), members[-1])

    known = ReplicaLink(B, "online", 7, 0.5)
    assert lag(primary(A, 0, known), replica(B, A)) == (7, 0.5)
    elsewhere = replace(known, address="10.0.0.1:1")
    assert lag(primary(A, 0, elsewhere), replica(B, A)) == (7, 0.5)
    several = (elsewhere, replace(known, address="10.0.0.2:1"))
    streams = {"offset": 9, "stream": "s"}
    assert lag(primary(A, 0, *several, **streams), replica(B, A, offset=4, stream="s", last_io_s=2.0)) == (
        5,
        2.0,
    )
    assert lag(primary(A, 0, **streams), replica(B, A, offset=4, stream="t", last_io_s=2.0)) == (None, 2.0)
    assert lag(gone(A), replica(B, A, last_io_s=2.0)) == (None, 2.0)
    assert lag(primary(A), replica(B, A, link_up=False, link_down_s=4.0)) == (None, 4.0)
    assert lag(primary(A)) == (None, None)
    assert lag(primary(A), gone(B)) == (None, None)


def test_what_is_told_of_a_region_that_is_lost_and_back() -> None:
    def told(before: ClusterReading, now: ClusterReading) -> list[tuple[str, str]]:
        return [(event.kind, event.node) for event in happened(before, now, 1.0)]

    lost = pair(gone(A, "primary"), replica(B, A, link_up=False))
    led = pair(gone(A), primary(B, 1))
    assert told(IN_STEP, lost) == [("silent", A)]
    assert told(lost, led) == [("promoted", B)]
    assert told(led, pair(primary(A), primary(B, 1))) == [("back", A)]
    assert told(led, pair(replica(A, B, 1), primary(B, 1))) == [("back", A)]
    assert told(pair(primary(A), primary(B, 1)), pair(replica(A, B, 1), primary(B, 1))) == [("demoted", A)]
