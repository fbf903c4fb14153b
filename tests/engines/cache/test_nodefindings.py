"""Findings about nodes of the library and about risky settings: each threshold, its evidence, its offer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.engines import ACTIONS
from perftui.engines.cache.riskfindings import room_for
from perftui.model.cache import CommandSample, HotKey
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.nodework import LongLoad, NodeWork, Unread, WaitingItem, mark_of
from perftui.model.tierview import TierFacts, TierNode
from tests.engines.cache.history import History
from tests.engines.cache.test_findings import CALM, GIB, NOW, conclude, minute

MIB = 1 << 20
WELL = TierNode("shop", "abcdef123456", NOW)


def nodes(*changes: dict[str, object]) -> dict[str, Finding]:
    made = [replace(WELL, node=f"node{n}", **some) for n, some in enumerate(changes)]  # type: ignore[arg-type]
    return conclude(tiers=TierFacts((*made, WELL)))


def test_nodes_that_are_well_have_no_findings() -> None:
    assert nodes({}) == {}
    assert nodes({"waiting": 5.0, "waiting_s": 3.0}, {"writes": 9.0, "writes_s": 29.0}) == {}
    assert nodes({"raw_bytes": 10.0 * MIB, "packed_bytes": 4.0 * MIB}) == {}


def test_a_deaf_node_is_critical_and_named() -> None:
    found = nodes({"linked": False}, {"linked": False})["cache.link-down"]
    assert found.severity is Severity.CRITICAL
    assert found.evidence[0] == "2 of 3 nodes: node0, node1"
    assert found.labels == (("namespace", "shop"),)


def test_old_recovery_and_late_writes_are_critical() -> None:
    found = nodes({"waiting": 5.0, "waiting_s": 31.0}, {"waiting": 2.0, "waiting_s": 90.0})[
        "cache.recovery-old"
    ]
    assert found.severity is Severity.CRITICAL
    assert found.evidence[0] == "7 at node0, node1"
    assert "1 m 30 s at node1" in found.evidence[1]
    late = nodes({"writes": 40.0, "writes_s": 31.0})["cache.write-behind-late"]
    assert (late.severity, late.gain) == (Severity.CRITICAL, 40.0)
    assert "acknowledged 31.0 s ago at node0" in late.evidence[1]


def test_what_waits_is_told_by_name_and_writes_can_be_tried_again() -> None:
    items = [WaitingItem("entry", f"k{n}", 90.0 - n) for n in range(4)]
    items += [WaitingItem("write", "order:7", 40.0), WaitingItem("tag", "shoes", 95.0)]
    work = NodeWork(waiting=tuple(items), error="ValueError: no such column")
    late = {"waiting": 9.0, "waiting_s": 95.0, "writes": 3.0, "writes_s": 40.0, "work": work}
    found = nodes(late)
    assert (
        found["cache.recovery-old"].evidence[2]
        == "the oldest: tag shoes, entry k0, entry k1, entry k2, entry k3"
    )
    assert found["cache.recovery-old"].offer is None  # it is tried each 0.8 s as it is
    write = found["cache.write-behind-late"]
    assert write.evidence[2:] == ("the oldest: write order:7", "failed last: ValueError: no such column")
    assert write.offer is not None
    assert (write.offer.action, write.offer.params) == ("cache.retry-writes", (("namespace", "shop"),))
    assert write.effort is Effort.KEY
    old = nodes({"writes": 3.0, "writes_s": 40.0})["cache.write-behind-late"]
    assert (old.offer, old.effort) == (None, Effort.MINUTES)  # its nodes obey no order


def test_dead_letters_are_counted_once_where_all_see_them() -> None:
    work = NodeWork(error="ValueError: no\x1b such column")
    found = nodes(
        {"dead": 2.0, "dead_shared": 5.0, "work": work}, {"dead": 1.0, "dead_shared": 5.0, "work": work}
    )["cache.dead-letters"]
    assert (found.severity, found.gain, found.gain_unit) == (Severity.CRITICAL, 8.0, "writes")
    assert found.evidence[0] == "8 failed five times, at node0, node1; nobody tries them any more"
    assert found.evidence[1] == "failed last: ValueError: no\\x1b such column"
    assert found.offer is not None
    assert found.offer.action in ACTIONS
    assert nodes({"dead": 1.0})["cache.dead-letters"].offer is None
    assert "cache.dead-letters" not in nodes({"dead": -1e300, "work": work})


def loads(*ages: float, more: int = 0) -> NodeWork:
    return NodeWork(tuple(LongLoad(f"k{age:g}", mark_of(f"k{age:g}"), age) for age in ages), len(ages) + more)


def test_a_load_that_hangs_is_a_warning_with_the_key_to_end_it() -> None:
    assert nodes({"work": loads(29.0, 2.0)}) == {}
    found = nodes({"work": loads(45.0, 5.0)}, {"work": loads(95.0, 31.0)})["cache.load-hangs"]
    assert (found.severity, found.title) == (Severity.WARNING, "shop: a loader hangs")
    assert found.evidence[:2] == ("k95 is loaded for 1 m 35 s at node1", "3 such at node0, node1")
    assert found.offer is not None
    assert found.offer.action in ACTIONS
    params = {"namespace": "shop", "key": "k95", "mark": mark_of("k95")}
    assert (found.offer.title, dict(found.offer.params)) == ("Cancel the load of k95", params)
    full = nodes({"work": loads(95.0, 94.0, 93.0, 92.0, 91.0, more=3)})["cache.load-hangs"]
    assert full.evidence[1] == "at least 5 such at node0"
    some = nodes({"work": loads(95.0, 94.0, 93.0, 92.0, 9.0, more=3)})["cache.load-hangs"]
    assert some.evidence[1] == "4 such at node0"


@pytest.mark.parametrize(("packed", "said"), [(1.0, "saves 0%"), (0.8, "saves 20.0%")])
def test_packing_in_vain_offers_a_dictionary(packed: float, said: str) -> None:
    found = nodes({"raw_bytes": 10.0 * MIB, "packed_bytes": packed * 10 * MIB})["cache.compression-poor"]
    assert found.severity is Severity.INFO
    assert found.title.endswith(said)
    assert "left raw for being small" in found.evidence[0]
    assert found.offer is not None
    assert (found.offer.action, found.offer.params) == ("cache.dictionary", (("namespace", "shop"),))
    assert found.offer.action in ACTIONS
    assert found.gain > 0


def test_names_from_outside_are_inert() -> None:
    made = replace(WELL, namespace="\x1b[31m", node="\x1b]0;x", linked=False)
    found = conclude(tiers=TierFacts((made,)))["cache.link-down"]
    assert "\x1b" not in found.title + "".join(found.evidence)
    key = "\x1b[2J"
    work = NodeWork((LongLoad(key, mark_of(key), 99.0),), 1, (WaitingItem("write", key, 99.0),), key)
    hostile = replace(made, linked=True, dead=1.0, writes=1.0, writes_s=99.0, work=work)
    every = conclude(tiers=TierFacts((hostile,))).values()
    assert {one.id for one in every} == {"cache.load-hangs", "cache.dead-letters", "cache.write-behind-late"}
    for one in every:
        assert "\x1b" not in one.title + "".join(one.evidence) + (one.offer.title if one.offer else "")


def test_risky_settings_and_what_sets_them_right() -> None:
    found = conclude(settings=(("latency-monitor-threshold", "0"), ("default-user", "nopass")))
    monitor = found["cache.no-latency-monitor"]
    assert monitor.severity is Severity.INFO
    assert monitor.offer is not None
    assert monitor.offer.params == (("parameter", "latency-monitor-threshold"), ("value", "100"))
    assert found["cache.no-password"].severity is Severity.WARNING
    assert found["cache.no-password"].offer is None
    safe = (("latency-monitor-threshold", "100"), ("default-user", "password"))
    assert conclude(settings=safe) == {}
    assert conclude() == {}
    limit = conclude(max_bytes=0)["cache.no-memory-limit"]
    assert limit.offer is not None
    assert limit.offer.params == (("parameter", "maxmemory"), ("value", str(GIB)))


@pytest.mark.parametrize(
    ("used", "room"), [(0, 64 << 20), (MIB, 64 << 20), (GIB, 2 * GIB), (GIB + 1, 4 * GIB)]
)
def test_room_is_twice_what_is_used(used: int, room: int) -> None:
    assert room_for(used) == room


def test_memory_that_fills_within_the_hour_is_told_while_there_is_room() -> None:
    history = History()
    history.put("cache", "used_bytes", [GIB * (0.4 + 0.0003 * n) for n in range(300)], NOW - 299)
    found = conclude(history, used_bytes=GIB // 2)["cache.memory-fills"]
    assert "full in" in found.evidence[0]
    assert found.offer is not None
    assert found.offer.params[1] == ("value", str(2 * GIB))
    slow = History()
    slow.put("cache", "used_bytes", [GIB * (0.4 + 0.00001 * n) for n in range(300)], NOW - 299)
    assert "cache.memory-fills" not in conclude(slow, used_bytes=GIB // 2)
    assert "cache.memory-fills" not in conclude(history, used_bytes=int(GIB * 0.85))


def test_a_cache_that_just_came_up_fills_and_a_replica_has_no_limit() -> None:
    young = History()
    young.put("cache", "used_bytes", [GIB * (0.3 + 0.001 * n) for n in range(200)], NOW - 199)
    assert "cache.memory-fills" not in conclude(young, used_bytes=GIB // 2)
    grown = History()
    grown.put("cache", "used_bytes", [GIB * (0.4 + 0.0003 * n) for n in range(300)], NOW - 299)
    follows = replace(CALM.replication, role="replica")
    assert "cache.memory-fills" not in conclude(grown, used_bytes=GIB // 2, replication=follows)


def test_a_replica_has_copies_of_what_nodes_say() -> None:
    facts = TierFacts((replace(WELL, linked=False),))
    follows = replace(CALM.replication, role="replica")
    assert "cache.link-down" in conclude(tiers=facts)
    assert "cache.link-down" not in conclude(tiers=facts, replication=follows)


def test_a_low_hit_ratio_names_who_is_loaded_most() -> None:
    keys = [HotKey(b"page:%d" % n, 30, 0.03, 0.01, 8, 2, 8, 60.0) for n in range(5)]
    keys += [HotKey(b"cart:%d" % n, 20, 0.02, 0.01, 1, 1, 1) for n in range(5)]
    watched = CommandSample(NOW - 10, 0.5, 1000, tuple(keys), ())
    evidence = conclude(minute(50, 50), watched=watched)["cache.hit-ratio-low"].evidence
    said = "100% of the 45 loads seen in 500 ms were of page:* (TTL 1 m 00 s), cart:*"
    assert any(said in text for text in evidence)
    old = replace(watched, at=NOW - 3600)
    assert not any(
        "loads seen" in t for t in conclude(minute(50, 50), watched=old)["cache.hit-ratio-low"].evidence
    )


def test_values_that_cannot_be_read_are_named_and_can_be_purged() -> None:
    damaged = [Unread("tea*", "damaged", 3.0), Unread("milk", "damaged", 9.0)]
    work = [NodeWork(unread=tuple(damaged)), NodeWork(unread=(Unread("tea*", "damaged", 30.0),))]
    found = nodes({"work": work[0]}, {"work": work[1]})["cache.unreadable"]
    assert (found.severity, found.labels) == (Severity.WARNING, (("namespace", "shop"),))
    assert found.evidence[:2] == ("tea*, milk, the last 3.00 s ago", "damaged: cut, changed or forged")
    assert found.offer is not None
    assert (found.offer.action, found.offer.params) == ("cache.purge", (("pattern", r"shop:tea\*"),))
    assert found.offer.action in ACTIONS


@pytest.mark.parametrize(
    ("key", "why"), [("k", "version"), ("k", "extra"), ("was?printable", "damaged"), ("k" * 200, "damaged")]
)
def test_what_a_purge_would_not_end_or_cannot_name_offers_none(key: str, why: str) -> None:
    found = nodes({"work": NodeWork(unread=(Unread(key, why, 3.0),))})["cache.unreadable"]
    assert found.offer is None
    assert found.effort is Effort.HOURS


def test_an_unknown_reason_is_told_as_it_is() -> None:
    found = nodes({"work": NodeWork(unread=(Unread("k", "later reason", 3.0),))})["cache.unreadable"]
    assert "later reason" in found.evidence
