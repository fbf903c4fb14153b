"""Why hits are few: prefixes whose TTL ends before they come again, what is gone, and the offer for each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perftui.engines import ACTIONS
from perftui.model.cache import CommandSample, HotKey, Keyspace, PrefixShare, Replication, SlowCommand
from perftui.model.finding import Finding
from perftui.model.misscurve import FACTORS, MissCurve, Point
from perftui.model.reuse import Reuse
from perftui.model.tiers import DefaultTtl
from perftui.model.tierview import TierFacts, TierNode, TierTraffic
from tests.engines.cache.test_findings import GIB, NOW, conclude, minute

LOW = minute(50, 50)
LATE = Reuse(((30.0, 0.2), (190.0, 0.5), (400.0, 0.2)), 1000, 100)
BUSY = TierTraffic(l1_hits=5.0, misses=20.0, absent=15.0, removed=5.0)


def node(name: str = "shop", ttl: float = 60.0, traffic: TierTraffic | None = BUSY) -> TierNode:
    return TierNode(name, "n" * 32, NOW, traffic, ttl=DefaultTtl(ttl, ttl))


def facts(*nodes: TierNode, reuse: Reuse | None = LATE, **more: Any) -> TierFacts:
    return TierFacts(nodes or (node(),), reuse=(("shop", reuse),) if reuse else (), **more)


def watched(*names: tuple[bytes, int], ttl: float | None = 60.0) -> CommandSample:
    keys = tuple(HotKey(key, n, 0.1, 0.05, writes=n, writers=1, loads=n, ttl_s=ttl) for key, n in names)
    return CommandSample(NOW - 5, 0.5, 5000, keys, ())


SEEN = watched((b"shop:1", 30), (b"other:3", 20))


def low(**changes: Any) -> Finding:
    return conclude(LOW, **changes)["cache.hit-ratio-low"]


def test_the_prefix_whose_ttl_is_too_short_is_named_with_its_re_use() -> None:
    found = low(watched=SEEN, tiers=facts())
    assert found.evidence[2:4] == (
        (
            "60.0% of the 50 loads seen in 500 ms were of shop:*, whose TTL (1 m) is shorter than their median"
            " re-use (3 m 10 s)"
        ),
        "40.0% of the 50 loads seen in 500 ms were of other:* (TTL 1 m 00 s)",
    )
    assert found.offer is not None
    assert (found.offer.action, found.offer.title) == ("cache.set-ttl", "Set the TTL of shop to 10 m")
    assert dict(found.offer.params) == {"namespace": "shop", "ttl": "600s"}
    assert found.offer.action in ACTIONS


def test_the_gain_is_what_the_longer_ttl_spares_of_the_loads_of_what_had_ended() -> None:
    found = low(watched=SEEN, tiers=facts())
    late = 0.2 / 3 + 0.5 + 0.2  # at one minute: keys of 30 s miss one use in three
    then = 0.2 / 21 + 0.5 / 4 + 0.2 / 2  # at ten
    again = 1000 * late / 0.9
    assert found.gain == pytest.approx(15.0 * again / (again + 100) * (1 - then / late))
    assert found.gain_unit == "requests/s"
    assert found.evidence[4].startswith(
        "a TTL of 10 m covers three of four of what comes too late, and spares 69.4% of the loads of what had"
        " ended, about 9."
    )
    assert found.evidence[5] == "re-use was measured 1,000 times, on 100 sampled keys"
    stale = low(tiers=facts(node(traffic=replace(BUSY, absent=0.0, expired=15.0))))
    assert stale.gain == pytest.approx(15.0 * (1 - then / late)), "where stale values are kept it is counted"
    mute = low(watched=SEEN, tiers=facts(node(traffic=None)))
    assert mute.evidence[4].endswith("of the loads of what had ended")
    assert mute.gain == pytest.approx(40.0)


def test_without_a_look_at_the_stream_nodes_say_what_is_loaded() -> None:
    found = low(tiers=facts(node(), node("cart", 300.0, replace(BUSY, misses=5.0))))
    assert found.evidence[2:4] == (
        (
            "80.0% of the 25/s loads that the cache library counts were of shop:*, whose TTL (1 m) is shorter"
            " than their median re-use (3 m 10 s)"
        ),
        "20.0% of the 25/s loads that the cache library counts were of cart:* (TTL 5 m 00 s)",
    )
    assert found.offer is not None
    assert dict(found.offer.params)["namespace"] == "shop"
    few = low(tiers=facts(node(traffic=replace(BUSY, misses=0.1))))
    assert (len(few.evidence), few.offer) == (2, None)


@pytest.mark.parametrize("known", [None, Reuse(((20.0, 1.0),), 1000, 100), Reuse(((190.0, 0.4),), 1000, 100)])
def test_where_re_use_is_not_longer_or_not_known_it_is_as_before(known: Reuse | None) -> None:
    found = low(watched=SEEN, tiers=facts(reuse=known))
    assert found.evidence[2] == (
        "100% of the 50 loads seen in 500 ms were of shop:* (TTL 1 m 00 s), other:* (TTL 1 m 00 s)"
    )
    assert found.offer is not None
    ttl = "300s" if known is not None and known.steps[0][0] > 60 else "120s"
    assert dict(found.offer.params) == {"namespace": "shop", "ttl": ttl}
    assert any("spares" in text for text in found.evidence) == (known is not None)


def test_several_nodes_are_said_to_be_asked_for_the_same() -> None:
    found = low(watched=SEEN, tiers=facts(reuse=replace(LATE, nodes=3)))
    assert found.evidence[5].endswith("100 sampled keys of 3 nodes, as if each were asked for the same")


def test_what_has_a_ttl_of_its_own_is_changed_by_no_policy() -> None:
    found = low(watched=watched((b"shop:1", 30), ttl=20.0), tiers=facts())
    assert found.offer is None
    assert "shop:*, whose TTL (20 s) is shorter" in found.evidence[2]
    assert found.evidence[3] == "what was loaded of shop:* had a TTL of its own, from the service's code"
    kept = low(watched=watched((b"shop:1", 30), ttl=86400.0), tiers=facts())  # stale values are kept a day
    assert "whose TTL (1 m) is shorter" in kept.evidence[2]
    assert kept.offer is not None


@pytest.mark.parametrize("ttl", [0.0, float("inf")])
def test_what_never_ends_or_is_not_kept_has_no_longer_ttl(ttl: float) -> None:
    found = low(watched=watched((b"shop:1", 30), ttl=None), tiers=facts(node(ttl=ttl)))
    assert found.offer is None
    assert not any("re-use" in text for text in found.evidence)


def test_a_replica_takes_no_change() -> None:
    copies = Replication("replica", primary="10.0.0.1:6379", link_up=True)
    found = low(watched=SEEN, tiers=facts(), replication=copies)
    assert "shorter than their median re-use" in found.evidence[2]
    assert found.offer is None


WARM = (("shop", "start", 120), ("shop", "few", 3), ("cart", "start", 900))
FLUSH = SlowCommand(1, NOW - 60, 0.2, "FLUSHALL", "10.0.0.7:5000")


@pytest.mark.parametrize("lost", [{"slow": (FLUSH,)}, {"uptime_s": 120.0}])
def test_keys_that_are_gone_are_warmed_again(lost: dict[str, Any]) -> None:
    found = low(tiers=facts(warm=WARM), **lost)
    assert found.evidence[-1] == (
        "75.0% of the misses of shop (15/s) were of keys that nobody has, after a flush or a restart"
    )
    assert found.offer is not None
    assert (found.offer.action, found.offer.title) == ("cache.warm", "Warm set start of shop again, 120 keys")
    assert dict(found.offer.params) == {"namespace": "shop", "name": "start"}
    assert found.gain == 15.0
    assert found.offer.action in ACTIONS


def test_but_not_where_they_were_there_all_along_or_no_set_has_them() -> None:
    def action(**changes: Any) -> str:
        offer = low(**changes).offer
        return offer.action if offer is not None else ""

    assert action(tiers=facts(warm=WARM)) == "cache.set-ttl"
    assert action(tiers=facts(warm=()), slow=(FLUSH,)) == "cache.set-ttl"
    assert action(tiers=facts(warm=WARM), slow=(replace(FLUSH, at=NOW - 900),)) == "cache.set-ttl"
    ended = facts(node(traffic=replace(BUSY, absent=1.0, expired=14.0)), warm=WARM)
    assert action(tiers=ended, slow=(FLUSH,)) == "cache.set-ttl"


def test_keys_that_vanish_offer_the_largest_set() -> None:
    history = minute(50, 50)
    history.put("cache", "keys", [50_000.0], NOW - 30)
    found = conclude(history, keys=10, tiers=facts(warm=WARM))["cache.keys-vanished"]
    assert found.offer is not None
    assert dict(found.offer.params) == {"namespace": "cart", "name": "start"}
    assert conclude(history, keys=10)["cache.keys-vanished"].offer is None


def curve(miss: float) -> MissCurve:
    """One that halves what it misses with each doubling, from `miss` at a hundred thousand entries."""
    points = tuple(Point(round(40_000 * f), min(1.0, miss * 2.5 / f), 0.004) for f in FACTORS)
    return MissCurve(40_000, 100.0, 1e6, 1.0, points)


def keyspace(share: float = 0.8) -> Keyspace:
    top = PrefixShare(b"shop:", 80_000, share, 0.02, 400 << 20, 0.9, 0.03)
    return Keyspace(NOW - 60, b"", 100_000, 640, False, 64, (top,), ())


def test_where_keys_are_evicted_the_curve_says_how_much_memory() -> None:
    full = {"evicted_per_s": 5.0, "keys": 125_000, "used_bytes": GIB, "max_bytes": GIB}
    asked = low(tiers=facts(curves=(("shop", curve(0.2)),)), space=keyspace(), **full)
    assert asked.offer is not None
    assert dict(asked.offer.params) == {"parameter": "maxmemory", "value": str(4 * GIB)}
    assert asked.evidence[-1].startswith("4.00 GiB would bring 15.0 points of hit ratio")
    enough = low(tiers=facts(curves=(("shop", curve(0.002)),)), space=keyspace(), **full)
    assert "more memory would bring shop less than a point of hit ratio" in enough.evidence
    assert enough.offer is not None
    assert enough.offer.action == "cache.set-ttl", "what is not for want of room is for its end"
    unknown = low(tiers=facts(curves=(("shop", curve(0.2)),)), **full)
    assert unknown.offer is not None
    assert dict(unknown.offer.params)["value"] == str(2 * GIB)
