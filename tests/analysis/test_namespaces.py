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


def packed(node: str, codecs: tuple[tuple[str, int], ...], raw: float, now: tuple[float, float]) -> TierNode:
    traffic = TierTraffic(packed_in=now[0], packed_out=now[1])
    return TierNode("shop", node, NOW, traffic, raw_bytes=raw, packed_bytes=raw / 2, codecs=codecs)


def test_the_codec_is_the_one_that_packed_most_over_its_nodes() -> None:
    a = packed("a", (("lz4", 5), ("zstd", 4)), 1000.0, (0.0, 0.0))
    b = packed("b", (("zstd", 2),), 1000.0, (0.0, 0.0))
    (view,) = namespaces(TierFacts((a, b)))
    assert (view.codec, view.saved_ratio) == ("zstd", 0.5)
    (view,) = namespaces(TierFacts((a, replace(b, codecs=()))))
    assert view.codec == "lz4"


def test_what_is_saved_is_of_what_is_written_now_else_since_the_nodes_began() -> None:
    busy, idle = packed("a", (), 1000.0, (100.0, 20.0)), packed("a", (), 1000.0, (0.0, 0.0))
    (view,) = namespaces(TierFacts((busy,)))
    assert (view.codec, view.saved_ratio) == ("raw", 0.8)
    (view,) = namespaces(TierFacts((idle,)))
    assert view.saved_ratio == 0.5
    (view,) = namespaces(TierFacts((packed("a", (), 0.0, (0.0, 0.0)),)))
    assert (view.codec, view.saved_ratio) == (None, None)
