"""Looks of cache servers put side by side, with what only history or the other side knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from perftui.analysis.namespaces import namespaces
from perftui.analysis.serverpast import MINUTE, full_in, hit_ratio, mean
from perftui.engines.cache.leaders import with_leaders
from perftui.model.cache import CacheNode, CacheReading, CacheReport
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look
from perftui.model.series import SeriesKey

KNOWN = 32
"""Addresses of replicas that are kept of each primary."""


def observe(
    now: float, looks: Mapping[str, Look], history: SeriesReader, before: Sequence[CacheNode] = ()
) -> CacheReport:
    """A node per look: primaries, what has not answered yet, replicas.

    `before` are the nodes of the last report: what replicas each had is carried on.
    """
    past = {node.source: node for node in before}
    nodes = [_node(look, history, past.get(name)) for name, look in looks.items()]
    nodes = with_leaders([_with_lag(node, nodes) for node in nodes])
    nodes.sort(key=lambda node: ({"primary": 0, "replica": 2}.get(node.role, 1), node.source))
    return CacheReport(now, tuple(nodes))


def _node(look: Look, history: SeriesReader, before: CacheNode | None) -> CacheNode:
    seen, known = (before.replicas_seen, before.replicas_known) if before is not None else (0, ())
    reading = look.reading
    if reading is None or not isinstance(reading.facts, CacheReading):
        return CacheNode(look.source, look.health, None, replicas_seen=seen, replicas_known=known)
    facts, at = reading.facts, reading.at  # of one that is silent, the minute before its last answer
    ratio, lookups = hit_ratio(history, look.source, at - MINUTE, at)
    now = [replica.address for replica in facts.replication.replicas]
    return CacheNode(
        source=look.source,
        health=look.health,
        reading=facts,
        at=at,
        hit_ratio_1m=ratio,
        lookups_1m=lookups,
        served_ratio_1m=mean(history, look.source, "served_ratio", at - MINUTE, at),
        keys_1m_ago=_first(history, SeriesKey(look.source, "keys"), at - MINUTE, at),
        full_in_s=full_in(history, look.source, facts.used_bytes, facts.max_bytes, at),
        replicas_seen=max(seen, len(now)),
        replicas_known=(*(one for one in known if one not in now), *now)[-KNOWN:],
        namespaces=namespaces(facts.tiers),
    )


def _first(history: SeriesReader, key: SeriesKey, start: float, end: float) -> float | None:
    return next((s.value for s in history.series(key, start, end)), None)


def _with_lag(node: CacheNode, nodes: list[CacheNode]) -> CacheNode:
    if node.reading is None:
        return node
    repl = node.reading.replication
    if node.role == "primary":
        if not repl.replicas:
            return node
        worst = max(repl.replicas, key=lambda r: (r.lag_bytes, r.lag_s))
        return replace(node, lag_bytes=worst.lag_bytes, lag_s=max(r.lag_s for r in repl.replicas))
    ahead = _primary_offset(repl.stream, nodes)
    behind = None if ahead is None else max(0, ahead - repl.offset)
    if not repl.link_up:
        return replace(node, lag_bytes=behind, lag_s=repl.link_down_s)
    # The two looks are taken at different instants: what ran in between is no lag while the link is busy.
    return replace(node, lag_bytes=behind, lag_s=repl.last_io_s if behind else 0.0)


def _primary_offset(stream: str, nodes: list[CacheNode]) -> int | None:
    for other in nodes:
        repl = other.reading.replication if other.reading else None
        if repl is not None and repl.role == "primary" and repl.stream == stream:
            return repl.offset
    return None
