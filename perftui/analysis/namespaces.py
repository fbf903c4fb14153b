"""The namespaces of the cache library, put together from the nodes that publish in a server."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from perftui.model.tierview import NamespaceView, TierFacts, TierNode, TierTraffic, together

RAW = "raw"  # how values are kept where none was packed


def namespaces(facts: TierFacts | None) -> tuple[NamespaceView, ...]:
    """One view a namespace, by name."""
    if facts is None:
        return ()
    loads = dict(facts.load_p95_s)
    ordered = sorted(facts.nodes, key=_namespace)
    return tuple(_view(name, tuple(nodes), loads.get(name)) for name, nodes in groupby(ordered, _namespace))


def _namespace(node: TierNode) -> str:
    return node.namespace


def _view(name: str, nodes: tuple[TierNode, ...], p95: float | None) -> NamespaceView:
    traffic = together(node.traffic for node in nodes)
    told = [node.ttl for node in nodes if node.ttl is not None]
    return NamespaceView(
        name,
        len(nodes),
        traffic,
        p95,
        sum(node.l1_bytes for node in nodes),
        tuple(sorted({ttl.now for ttl in told})),
        tuple(sorted({ttl.own for ttl in told})),
        tuple({node.shared: None for node in nodes if node.shared is not None}),
        _codec(nodes),
        _saved(nodes, traffic),
        tuple({node.local: None for node in nodes if node.local is not None}),
        tuple({node.early: None for node in nodes if node.early is not None}),
        sum(node.l1_bound for node in nodes) if all(node.l1_bound for node in nodes if node.l1) else 0.0,
    )


def _codec(nodes: tuple[TierNode, ...]) -> str | None:
    """The codec that packed most, by name where several did as many."""
    packed: Counter[str] = Counter()
    for node in nodes:
        packed.update(dict(node.codecs))
    if packed:
        return min(packed, key=lambda name: (-packed[name], name))
    return RAW if any(node.raw_bytes for node in nodes) else None


def _saved(nodes: tuple[TierNode, ...], traffic: TierTraffic | None) -> float | None:
    now = traffic.saved_ratio if traffic is not None else None
    raw = sum(node.raw_bytes for node in nodes)
    ever = 1 - sum(node.packed_bytes for node in nodes) / raw if raw else None
    return ever if now is None else now
