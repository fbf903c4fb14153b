"""Namespaces out of nodes."""

from __future__ import annotations

from dataclasses import replace

from perftui.analysis.namespaces import namespaces
from perftui.engines.cache import CacheEngine
from perftui.model.tiers import DefaultTtl, SharedLoads
from perftui.model.tierview import NamespaceView, TierFacts, TierNode, TierTraffic
from tests.engines.cache.history import History
from tests.engines.cache.test_findings import CALM, NOW, look

TWO = TierFacts(
    (
        TierNode("shop", "b", NOW, TierTraffic(l1_hits=30.0, misses=10.0), 3, 300.0),
        TierNode("carts", "x", NOW, None, 1, 50.0),
        TierNode("shop", "a", NOW, TierTraffic(l1_hits=50.0, stale=1.0, misses=10.0), 2, 200.0),
        TierNode("shop", "new", NOW, None, 0, 0.0),
    ),
    load_p95_s=(("shop", 0.02),),
)


def test_nodes_of_a_name_are_one_namespace() -> None:
    summed = TierTraffic(l1_hits=80.0, misses=20.0, stale=1.0)
    assert namespaces(TWO) == (
        NamespaceView("carts", 1, None, None, 50.0),
        NamespaceView("shop", 3, summed, 0.02, 500.0),
    )
    assert TWO.traffic == summed
    assert namespaces(None) == ()


def test_the_ttls_of_its_nodes_are_told_once() -> None:
    ttls = (DefaultTtl(300.0, 60.0), DefaultTtl(300.0, 20.0), None)
    (view,) = namespaces(TierFacts(tuple(TierNode("shop", str(n), NOW, ttl=t) for n, t in enumerate(ttls))))
    assert (view.ttls, view.own_ttls) == ((300.0,), (20.0, 60.0))


def test_whether_loads_are_shared_is_told_once_too() -> None:
    told = (SharedLoads(now=True, own=False), None, SharedLoads(now=True, own=False))
    (view,) = namespaces(
        TierFacts(tuple(TierNode("shop", str(n), NOW, shared=t) for n, t in enumerate(told)))
    )
    assert view.shared == (SharedLoads(now=True, own=False),)


def test_the_report_has_them_by_server() -> None:
    looks = {"cache": look(replace(CALM, tiers=TWO)), "other": look(CALM, "other")}
    report = CacheEngine().observe(NOW, looks, History())
    found = {node.source: [view.namespace for view in node.namespaces] for node in report.nodes}
    assert found == {"cache": ["carts", "shop"], "other": []}
