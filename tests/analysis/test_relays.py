"""Relays between regions out of what nodes publish."""

from __future__ import annotations

from dataclasses import replace

from perftui.analysis.relays import heard, told
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.cachecluster import ClusterReport, ClusterView
from perftui.model.health import Health, Link
from perftui.model.tierview import RelayLink, TierFacts, TierNode
from tests.engines.cache.test_findings import CALM

LIVE = Health(Link.LIVE, 0.0)


def node(namespace: str, name: str, *links: RelayLink) -> TierNode:
    return TierNode(namespace, name, 0.0, relays=links)


def test_one_row_a_server_namespace_and_region_by_name() -> None:
    west, east = RelayLink("west", 3.0), RelayLink("east", 1.0)
    facts = TierFacts((node("shop", "a", west, east), node("carts", "a", east), node("shop", "b")))
    rows = heard([("two", facts), ("one", TierFacts((node("shop", "c", west),))), ("none", None)])
    assert [row.key for row in rows] == [
        ("one", "shop", "west"),
        ("two", "carts", "east"),
        ("two", "shop", "east"),
        ("two", "shop", "west"),
    ]


def test_of_several_nodes_the_one_with_the_last_answer_tells() -> None:
    silent, near = RelayLink("west", 9.0, silent_s=60.0), RelayLink("west", 1.0, silent_s=0.1)
    nodes = (node("shop", "a", silent), node("shop", "b", near), node("shop", "c", silent))
    (row,) = heard([("main", TierFacts(nodes))])
    assert (row.node.node, row.link) == ("b", near)


def test_of_servers_and_of_clusters() -> None:
    facts = TierFacts((node("shop", "a", RelayLink("west")),))
    servers = (CacheNode("main", LIVE, replace(CALM, tiers=facts)), CacheNode("lost", LIVE, None))
    assert told(CacheReport(0.0, servers)) == (("main", facts), ("lost", None))
    assert told(ClusterReport(0.0, (ClusterView("shards", LIVE, None),))) == (("shards", None),)
