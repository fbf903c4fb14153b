"""What the cache engine concludes from looks: node order, lag on both sides, and each finding's threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perftui.engines import ACTIONS
from perftui.engines.cache import CacheEngine
from perftui.model.cache import (
    CacheReading,
    CommandCost,
    CommandSample,
    HotKey,
    ReplicaLink,
    Replication,
    SlowCommand,
)
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.queues import QueueDepth, QueueView
from perftui.model.reading import Look, Reading
from perftui.model.tierview import TierFacts, TierNode
from tests.engines.cache.history import History

NOW = 1_000_000.0
GIB = 1 << 30

CALM = CacheReading(
    product="Valkey",
    version="9.1.2",
    mode="standalone",
    uptime_s=3600,
    used_bytes=GIB // 2,
    rss_bytes=GIB // 2,
    peak_bytes=GIB // 2,
    max_bytes=GIB,
    policy="allkeys-lru",
    allocator="libc",
    clients=10,
    blocked_clients=0,
    max_clients=10_000,
    keys=1000,
    expiring_keys=900,
    replication=Replication(stream="s1", offset=5000),
    evicted_per_s=0.0,
    expired_per_s=0.0,
)


def look(facts: CacheReading | None, name: str = "cache") -> Look:
    reading = Reading(name, NOW, 0.001, (), facts) if facts else None
    return Look(name, "valkey", reading, Health(Link.LIVE, NOW))


def conclude(history: History | None = None, **changes: Any) -> dict[str, Finding]:
    engine = CacheEngine()
    report = engine.observe(NOW, {"cache": look(replace(CALM, **changes))}, history or History())
    return {finding.id: finding for finding in engine.findings(report)}


def minute(hits: float, misses: float) -> History:
    history = History()
    history.put("cache", "hits_per_s", [hits] * 60, NOW - 59)
    history.put("cache", "misses_per_s", [misses] * 60, NOW - 59)
    return history


def test_a_silent_server_keeps_the_minute_before_its_last_answer() -> None:
    history = History()
    history.put("cache", "hits_per_s", [0.0] * 30 + [10.0] * 30, NOW - 59)
    history.put("cache", "misses_per_s", [10.0] * 60, NOW - 59)
    looks = {"cache": look(CALM)}
    then, later = (CacheEngine().observe(at, looks, history).nodes[0] for at in (NOW, NOW + 40))
    assert 0 < then.hit_ratio_1m < 1
    assert (later.hit_ratio_1m, later.lookups_1m) == (then.hit_ratio_1m, then.lookups_1m)


def test_a_calm_cache_has_no_findings() -> None:
    assert conclude(minute(95, 5)) == {}


def test_nothing_known_yet() -> None:
    engine = CacheEngine()
    report = engine.observe(NOW, {"cache": look(None)}, History())
    assert report.primary is not None
    assert report.primary.reading is None
    assert engine.findings(report) == ()
    assert engine.observe(NOW, {}, History()).primary is None


def test_hit_ratio_is_of_sums_and_needs_traffic() -> None:
    found = conclude(minute(50, 50))["cache.hit-ratio-low"]
    assert "50.0%" in found.evidence[0]
    assert found.gain == pytest.approx(40)
    assert conclude(minute(0.5, 0.5)) == {}
    above = minute(50, 50)  # nodes whose memory answers most before the server is asked
    above.put("cache", "served_ratio", [0.97] * 60, NOW - 60)
    assert conclude(above) == {}
    above = minute(50, 50)
    above.put("cache", "served_ratio", [0.6] * 60, NOW - 60)
    assert "cache.hit-ratio-low" in conclude(above)


def test_memory_is_critical_only_where_writes_would_fail() -> None:
    near = {"used_bytes": int(0.97 * GIB)}
    assert conclude(**near)["cache.memory-near-limit"].severity is Severity.WARNING
    bad = conclude(**near, policy="noeviction")
    assert bad["cache.memory-near-limit"].severity is Severity.CRITICAL
    assert bad["cache.noeviction"].offer is not None
    assert "cache.no-memory-limit" in conclude(max_bytes=0)


def test_time_to_full_from_the_trend() -> None:
    history = History()
    history.put("cache", "used_bytes", [0.70 * GIB + i * 0.0005 * GIB for i in range(300)], NOW - 299)
    found = conclude(history, used_bytes=int(0.85 * GIB))["cache.memory-near-limit"]
    assert any("full in" in line for line in found.evidence)


def test_evictions_flush_and_clients() -> None:
    assert "cache.evicting" in conclude(evicted_per_s=12.0)
    history = History()
    history.put("cache", "keys", [50_000.0], NOW - 30)
    assert "50,000" in conclude(history, keys=10)["cache.keys-vanished"].evidence[0]
    history.put("copy", "keys", [50_000.0], NOW - 30)
    copy = replace(CALM, keys=10, replication=Replication("replica", 5000, stream="s1"))
    engine, both = CacheEngine(), {"cache": look(replace(CALM, keys=10)), "copy": look(copy, "copy")}
    told = [
        f.source for f in engine.findings(engine.observe(NOW, both, history)) if f.id == "cache.keys-vanished"
    ]
    assert told == ["cache"]
    alone = engine.findings(engine.observe(NOW, {"copy": look(copy, "copy")}, history))
    assert "cache.keys-vanished" in {finding.id for finding in alone}
    assert "cache.clients-near-limit" in conclude(clients=9000)


def test_slow_and_whole_scans() -> None:
    slow = SlowCommand(1, NOW - 10, 0.25, "KEYS *")
    old = SlowCommand(0, NOW - 4000, 9.0, "KEYS *")
    found = conclude(slow=(slow, old), commands=(CommandCost("keys", 1.0, 0.2, 0.9),))
    assert "250 ms" in found["cache.slow-commands"].evidence[1]
    assert "cache.keys-command" in found
    assert conclude(slow=(old,)) == {}


def test_hot_key_is_named_inert_and_forgotten() -> None:
    sample = CommandSample(NOW - 5, 0.5, 1000, (HotKey(b"\x1b[31mhot", 600, 0.6, 0.03),), (("get", 1000),))
    found = conclude(watched=sample)["cache.hot-key"]
    assert "\\x1b[31mhot" in found.evidence[0]
    assert conclude(watched=replace(sample, at=NOW - 900)) == {}


def test_what_the_library_publishes_of_itself_is_no_hot_key() -> None:
    own = HotKey(b"__nodes", 300, 0.6, 0.04)
    sample = CommandSample(NOW - 5, 0.5, 500, (own,), (("zadd", 300),))
    assert conclude(watched=sample) == {}
    hot = HotKey(b"k", 200, 0.4, 0.04)
    assert "k: 40.0%" in conclude(watched=replace(sample, keys=(own, hot)))["cache.hot-key"].evidence[0]


def test_a_stampede_is_seen_in_the_command_stream() -> None:
    herd = HotKey(b"page:home", 9, 0.09, 0.05, writes=6, writers=3, loads=6)
    sample = CommandSample(NOW - 5, 0.5, 100, (herd,), (("get", 94), ("set", 6)))
    found = conclude(watched=sample)["cache.stampede"]
    assert "page:home was loaded 6 times by 3 connections" in found.evidence[0]
    for calm in (replace(herd, writers=1), replace(herd, writes=60, loads=0), replace(herd, loads=3)):
        assert conclude(watched=replace(sample, keys=(calm,))) == {}


def test_what_has_not_answered_stands_before_replicas() -> None:
    follower = look(replace(CALM, replication=Replication("replica")), "a")
    report = CacheEngine().observe(NOW, {"a": follower, "b": look(None, "b")}, History())
    assert [node.source for node in report.nodes] == ["b", "a"]


def test_a_replica_that_was_there_is_missed() -> None:
    engine = CacheEngine()
    online = ReplicaLink("10.0.0.2:6379", "online", 10, 0.0)
    with_one = replace(CALM, replication=replace(CALM.replication, replicas=(online,)))
    assert engine.findings(engine.observe(NOW, {"cache": look(with_one)}, History())) == ()
    (found,) = engine.findings(engine.observe(NOW + 1, {"cache": look(CALM)}, History()))
    assert (found.id, found.severity) == ("cache.replica-missing", Severity.CRITICAL)


def test_lag_on_both_sides() -> None:
    lagging = ReplicaLink("10.0.0.2:6379", "online", 5 << 20, 12.0)
    primary = replace(CALM, replication=Replication("primary", 9 << 20, (lagging,), stream="s1"))
    follower = Replication(
        "replica", 4 << 20, primary="10.0.0.1:6379", last_io_s=12.0, link_up=True, stream="s1"
    )
    looks = {"b": look(replace(CALM, replication=follower), "b"), "a": look(primary, "a")}
    engine = CacheEngine()
    report = engine.observe(NOW, looks, History())
    assert [node.source for node in report.nodes] == ["a", "b"]
    assert [(node.lag_bytes, node.lag_s) for node in report.nodes] == [(5 << 20, 12.0), (5 << 20, 12.0)]
    (found,) = engine.findings(report)
    assert found.id == "cache.replica-lagging"
    assert [offer.source for offer in engine.actions(report)] == ["a"]


def test_a_cut_off_replica_is_critical() -> None:
    cut = Replication("replica", 10, primary="h:1", link_up=False, link_down_s=33.0, syncing=True)
    found = conclude(replication=cut)["cache.replica-cut-off"]
    assert "33" in found.evidence[0]
    assert "full copy" in found.evidence[0]


def test_offers_name_actions_that_exist() -> None:
    found = conclude(used_bytes=GIB, policy="noeviction")
    offers = [f.offer for f in found.values() if f.offer]
    assert offers
    assert all(offer.action in ACTIONS for offer in offers)


def test_a_hot_key_of_a_namespace_whose_nodes_have_no_memory_says_so() -> None:
    sample = CommandSample(NOW - 5, 0.5, 1000, (HotKey(b"shop:top", 600, 0.6, 0.03),), ())
    plain = conclude(watched=sample)["cache.hot-key"]
    assert plain.evidence[1] == "a copy in the memory of each process would take it off the server"
    node = TierNode("shop", "n1", NOW, l1=False)
    told = conclude(watched=sample, tiers=TierFacts((node, replace(node, l1=True))))["cache.hot-key"]
    assert told.evidence[1].startswith("1 of 2 nodes of shop has no L1 (`l1=`)")
    assert told.offer is None


@pytest.mark.parametrize(
    "text", ["PSYNC ? -1", "replconf ACK 1", "SYNC", "CLUSTER FAILOVER", "cluster syncslots x"]
)
def test_replication_is_no_slow_command_of_callers(text: str) -> None:
    assert conclude(slow=(SlowCommand(1, NOW - 10, 0.25, text),)) == {}


@pytest.mark.parametrize("text", ["CLUSTER SLOTS", "SYNCHRO", ""])
def test_what_only_looks_like_it_is_one(text: str) -> None:
    assert "cache.slow-commands" in conclude(slow=(SlowCommand(1, NOW - 10, 0.25, text),))


def lying(at: float, waiting: int, name: str = "cache", role: str = "primary") -> Look:
    depth = QueueDepth(name, "BullMQ", "mail", at, waiting, oldest=200.0)
    facts = replace(CALM, queues=(QueueView(depth, 3.0, 2.0),), replication=Replication(role=role))
    return Look(name, "valkey", Reading(name, at, 0.001, (), facts), Health(Link.LIVE, at))


def test_a_queue_that_lies_in_a_server_and_grows_for_minutes_is_found_once() -> None:
    engine = CacheEngine()
    for at in range(0, 361, 10):
        looks = {"cache": lying(at, 100 + at), "copy": lying(at, 100 + at, "copy", "replica")}
        report = engine.observe(at, looks, History())
        found = [f for f in engine.findings(report) if f.id == "queue.growing"]
        assert bool(found) == (at >= 300)
    (finding,) = found
    assert (finding.source, finding.labels) == ("cache", (("queue", "mail"),))
    assert finding.evidence == (
        "100 waiting 6 min ago, 460 now",
        "3.0/s in, 2.0/s out",
        "at this growth 920 wait in about 8m",
        "the oldest has waited 3m",
    )
    report = engine.observe(370, {"cache": lying(370, 20)}, History())
    assert not [f for f in engine.findings(report) if f.id == "queue.growing"]
