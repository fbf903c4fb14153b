"""Findings about relays between regions, from what nodes of the library tell."""

from __future__ import annotations

from dataclasses import replace

from perftui.backends.valkey.nodes import _relays
from perftui.engines.cache.relayfindings import LATE, SILENT, relays
from perftui.model.cache import CacheNode
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.tiers import TierStats
from perftui.model.tierview import RelayLink, TierFacts, TierNode
from tests.engines.cachecluster.test_cluster import facts


def found(*links: RelayLink) -> list[Finding]:
    nodes = tuple(TierNode("shop", f"n{n}", 0.0, relays=(link,)) for n, link in enumerate(links))
    reading = replace(facts(), tiers=TierFacts(nodes))
    return list(relays(0.0, CacheNode("cache", Health(Link.LIVE, 0.0), reading), reading))


def test_a_relay_in_step_is_well() -> None:
    assert found() == []
    assert found(RelayLink("peer", 3, LATE, SILENT)) == []
    assert list(relays(0.0, CacheNode("cache", Health(Link.LIVE, 0.0), facts()), facts())) == []


def test_a_relay_that_is_behind_silent_or_lost() -> None:
    (late,) = found(RelayLink("peer", 1200, LATE + 1))
    assert (late.id, late.severity) == ("cache.relay-behind", Severity.WARNING)
    assert "changes wait" in late.evidence[0]
    (silent,) = found(RelayLink("peer", 0, LATE + 1, SILENT + 1))
    assert (silent.id, silent.severity) == ("cache.relay-silent", Severity.CRITICAL)
    (lost,) = found(RelayLink("peer", lost=2))
    assert (lost.id, lost.evidence[0][:7]) == ("cache.relay-lost-place", "2 times")
    assert "\x1b" not in found(RelayLink("\x1b[2J", lost=1))[0].title


def test_of_several_nodes_the_one_that_heard_last_counts() -> None:
    assert found(RelayLink("peer", silent_s=60.0), RelayLink("peer", silent_s=0.1)) == []
    assert len(found(RelayLink("peer", silent_s=60.0), RelayLink("other", silent_s=60.0))) == 2


def test_what_a_node_tells_of_its_relays() -> None:
    def told(gauges: dict[str, float]) -> list[RelayLink]:
        return list(_relays(TierStats("shop", "n", {"relay.peer.lost": 1}, gauges, {})))

    assert told({"linked": 1.0, "relay.leads": 1.0}) == []
    assert told({"relay.peer.leads": 0.0, "relay.peer.behind": 5.0}) == []
    reading = {"relay.peer.leads": 1.0, "relay.peer.behind": 5.0, "relay.peer.lag_s": 0.5}
    assert told(reading) == [RelayLink("peer", 5.0, 0.5, 0.0, 1)]
    assert told({"relay.a.b.leads": 0.0, "relay.a.b.silent_s": 9.0}) == [RelayLink("a.b", silent_s=9.0)]
