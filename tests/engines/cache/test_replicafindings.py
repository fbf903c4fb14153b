"""What is found about replicas: who belongs to which primary, what brings them back, backlogs, shared hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.engines import ACTIONS
from perftui.engines.cache import CacheEngine
from perftui.engines.cache.configure import ALLOWED
from perftui.engines.cache.replicafindings import LARGEST_BACKLOG, room_for
from perftui.model.cache import CacheReading, ReplicaLink, Replication
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look
from tests.engines.cache.history import History
from tests.engines.cache.test_findings import CALM, NOW, look

OLD, NEW, THIRD = "10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379"


def server(at: str, role: str = "primary", **more: object) -> CacheReading:
    return replace(CALM, address=at, replication=Replication(role, **more))  # type: ignore[arg-type]


def lost(look_: Look) -> Look:
    return replace(look_, health=Health(Link.LOST, NOW))


def found(looks: dict[str, Look], engine: CacheEngine | None = None) -> dict[tuple[str, str], Finding]:
    engine = engine or CacheEngine()
    told = engine.findings(engine.observe(NOW, looks, History()))
    return {(one.source, one.id): one for one in told}


CUT = server(THIRD, "replica", primary=OLD, link_up=False, link_down_s=9.0, stream="s1")
PROMOTED = server(NEW, stream="s2", stream_before="s1")
CUT_OFF = ("third", "cache.replica-cut-off")
MISSING = ("new", "cache.replica-missing")


def test_a_cut_off_replica_is_offered_the_one_promoted_in_its_stream() -> None:
    one = found({"new": look(PROMOTED, "new"), "third": look(CUT, "third")})[CUT_OFF]
    assert one.offer is not None
    assert (one.offer.action, one.offer.source) == ("cache.reattach", "third")
    assert dict(one.offer.params) == {"to": NEW}
    assert one.evidence[-1] == f"{NEW} is the primary now"
    assert one.offer.action in ACTIONS


@pytest.mark.parametrize(
    "other",
    [
        look(server(NEW, stream="s9", stream_before="s8"), "new"),
        look(server(NEW, stream="s9"), "new"),
        look(server(NEW, "replica", primary=OLD, stream="s1"), "new"),
        lost(look(PROMOTED, "new")),
        look(replace(PROMOTED, address=""), "new"),
        look(None, "new"),
    ],
)
def test_no_primary_is_guessed(other: Look) -> None:
    assert found({"new": other, "third": look(CUT, "third")})[CUT_OFF].offer is None


def test_of_two_that_could_be_meant_none_is_offered() -> None:
    twice = {"new": look(PROMOTED, "new"), "too": look(replace(PROMOTED, address="10.0.0.9:1"), "too")}
    assert found({**twice, "third": look(CUT, "third")})[CUT_OFF].offer is None


def test_its_own_primary_that_it_does_not_reach_is_no_offer() -> None:
    there = look(server(OLD, stream="s1"), "old")
    assert found({"old": there, "third": look(CUT, "third")})[CUT_OFF].offer is None


def test_whom_its_primary_follows_by_now_is_offered() -> None:
    followed = look(server(OLD, "replica", primary=NEW, stream="s7"), "old")
    new = look(server(NEW, stream="s7"), "new")
    one = found({"old": followed, "new": new, "third": look(CUT, "third")})[CUT_OFF]
    assert one.offer is not None
    assert dict(one.offer.params) == {"to": NEW}


def test_a_missing_replica_that_follows_another_is_offered_back() -> None:
    engine, link = CacheEngine(), ReplicaLink(THIRD, "online", 0, 0.0)
    had = look(server(NEW, stream="s2", replicas=(link,)), "new")
    here = look(server(THIRD, "replica", primary=NEW, stream="s2"), "third")
    assert found({"new": had, "third": here}, engine) == {}
    lacks = look(server(NEW, stream="s2"), "new")
    there = look(server(THIRD, "replica", primary=OLD, stream="s5"), "third")
    one = found({"new": lacks, "third": there}, engine)[MISSING]
    assert one.evidence == (
        "connected: 0 of 1 replica seen earlier",
        f"not any more: {THIRD}",
        "third follows another server now",
    )
    assert one.offer is not None
    assert (one.offer.action, one.offer.source, dict(one.offer.params)) == (
        "cache.reattach",
        "third",
        {"to": NEW},
    )
    away = found({"new": lacks, "third": lost(there)}, engine)[MISSING]
    assert (away.offer, away.evidence[1]) == (None, f"not any more: {THIRD}")
    assert found({"new": had, "third": here}, engine) == {}


def test_a_replica_that_was_never_there_is_not_taken_away_from_another() -> None:
    there = look(server(THIRD, "replica", primary=OLD, stream="s5"), "third")
    assert found({"new": look(server(NEW, stream="s2"), "new"), "third": there}) == {}


@pytest.mark.parametrize(
    ("at", "of", "together"),
    [
        ("10.0.0.1:6379", "10.0.0.1:6380", True),
        ("10.0.0.1:6379", "127.0.0.1:6380", True),
        ("10.0.0.1:6379", "10.0.0.2:6379", False),
        ("127.0.0.1:6379", "127.0.0.1:6380", False),  # a lab
        ("localhost:6379", "127.0.0.1:6380", False),
        ("[::1]:6379", "[::1]:6380", False),
        ("/run/valkey.sock", "127.0.0.1:6380", False),
        ("", "127.0.0.1:6380", False),
    ],
)
def test_a_replica_on_the_host_of_its_primary(at: str, of: str, together: bool) -> None:
    link = ReplicaLink(of, "online", 0, 0.0)
    one = found({"main": look(server(at, stream="s1", replicas=(link,)), "main")})
    if not together:
        assert one == {}
        return
    finding = one["main", "cache.replica-same-host"]
    assert finding.severity is Severity.WARNING
    assert at in finding.evidence[0]
    assert of in finding.evidence[0]
    assert finding.offer is None


def test_a_shared_host_is_told_once() -> None:
    link = ReplicaLink("10.0.0.1:6380", "online", 0, 0.0)
    first = look(server("10.0.0.1:6379", offset=9, stream="s1", replicas=(link,)), "main")
    second = look(server("10.0.0.1:6380", "replica", offset=9, primary="10.0.0.1:6379", stream="s1"), "copy")
    assert list(found({"main": first, "copy": second})) == [("main", "cache.replica-same-host")]
    assert list(found({"copy": second})) == [("copy", "cache.replica-same-host")]


def behind(lag: int, backlog: int, state: str = "online") -> Finding:
    link = ReplicaLink(NEW, state, lag, 12.0)
    facts = server(OLD, offset=1 << 30, stream="s1", replicas=(link,), backlog=backlog)
    return found({"main": look(facts, "main")})["main", "cache.replica-lagging"]


def test_a_replica_far_behind_gets_a_backlog_that_holds_it() -> None:
    one = behind(5 << 20, 1 << 20)
    assert one.offer is not None
    assert (one.offer.action, dict(one.offer.params)) == (
        "cache.configure",
        {"parameter": "repl-backlog-size", "value": str(32 << 20)},
    )
    assert dict(one.offer.params)["parameter"] in ALLOWED
    assert "costs a whole copy" in one.evidence[1]
    assert one.evidence[-1] == "do not switch over to it: what it lacks would be lost"
    assert behind(5 << 20, 16 << 20).offer is None  # it holds all that
    assert behind(5 << 20, 0).offer is None
    assert behind(5 << 20, 1 << 20, "wait_bgsave").offer is None
    assert behind(4 << 30, LARGEST_BACKLOG).offer is None


@pytest.mark.parametrize(("lag", "size"), [(1 << 20, 4 << 20), ((1 << 20) + 1, 8 << 20), (1 << 40, 1 << 30)])
def test_a_backlog_is_a_power_of_two_with_room(lag: int, size: int) -> None:
    assert room_for(lag) == size
