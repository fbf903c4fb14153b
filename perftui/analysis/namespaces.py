"""The namespaces of the cache library, put together from the nodes that publish in a server."""

from __future__ import annotations

from itertools import groupby

from perftui.model.tierview import NamespaceView, TierFacts, TierNode, together


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
    )
