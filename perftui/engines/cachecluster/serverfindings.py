"""Memory, evictions and risky settings of a cluster's, a group's or a pair's servers, told once for all.

The rules are those of one server, asked of each (docs/decisions/0005-cache-servers.md); what mends it is one
action that sets every server which has another value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from perftui.analysis.wholecluster import front
from perftui.engines.cache.findings import Rule, clients, evictions
from perftui.engines.cache.heldfindings import held
from perftui.engines.cache.memoryfindings import memory
from perftui.engines.cache.riskfindings import fills, limit, risks
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterView
from perftui.model.finding import Effort, Finding, Offer

RULES: Final[tuple[Rule, ...]] = (memory, evictions, held, risks, clients)
SETS: Final = "cache.configure"
PURGES: Final = "cache.purge"
ALONE: Final = frozenset({"cache.give-back"})
"""Actions on a single server."""

NAMED: Final = 4
"""Servers whose evidence is told."""

Told = tuple[ClusterMember, Finding]


def server_findings(now: float, view: ClusterView) -> Iterator[Finding]:
    """Each finding once, with the evidence of every server that it is about."""
    reading = view.reading
    if reading is None:
        return
    found: dict[str, list[Told]] = {}
    for member in reading.members:
        if member.reading is None or member.role not in {"primary", "replica"}:
            continue
        node = CacheNode(view.source, view.health, member.reading, view.at)
        for finding in _of(now, node, member.reading):
            found.setdefault(finding.id, []).append((member, finding))
    yield from (_together(view, reading, told) for told in found.values())
    yield from _fills(now, view, reading)


def _of(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """A replica holds what its primary does: only how it is set up is its own."""
    for rule in RULES if node.role == "primary" else (held, risks, clients):
        yield from rule(now, node, facts)


def _together(view: ClusterView, reading: ClusterReading, told: Sequence[Told]) -> Finding:
    first = told[0][1]
    offer = _offer(view.source, reading, told)
    where = [m.address for m, _ in told]
    lines = [f"{m.address}: {text}" for m, one in told[:NAMED] for text in one.evidence]
    if len(told) > NAMED:
        lines.append(f"and {len(told) - NAMED} more: {', '.join(where[NAMED : 2 * NAMED])}")
    effort = max(one.effort for _, one in told)
    return replace(
        first,
        severity=max(one.severity for _, one in told),
        evidence=tuple(lines),
        gain=sum(one.gain for _, one in told),
        effort=Effort.HOURS if offer is None and first.offer is not None else effort,
        offer=offer,
        labels=(),
    )


def _offer(source: str, reading: ClusterReading, told: Sequence[Told]) -> Offer | None:
    """What mends it at all of them; the largest where they need different sizes."""
    offers = [one.offer for _, one in told if one.offer is not None]
    if not offers:
        return None
    if offers[0].action in ALONE:
        return _most(told)
    if offers[0].action == PURGES:
        return None if reading.regions else offers[0]
    if offers[0].action != SETS:
        return offers[0]
    name = dict(offers[0].params)["parameter"]
    same = [one for one in offers if one.action == SETS and dict(one.params)["parameter"] == name]
    return max(same, key=_size)


def _most(told: Sequence[Told]) -> Offer | None:
    """At the server where most is gained: the others come after it."""
    mine = [(m.address, one) for m, one in told if one.offer is not None and one.offer.action in ALONE]
    at, finding = max(mine, key=lambda pair: pair[1].gain)
    offer = finding.offer
    return offer and replace(offer, title=f"{offer.title}, at {at}", params=(("node", at),))


def _size(offer: Offer) -> int:
    value = dict(offer.params)["value"]
    return int(value) if value.isdecimal() else 0


def _fills(now: float, view: ClusterView, reading: ClusterReading) -> Iterator[Finding]:
    """The time to full is that of all primaries together; the limit is each server's own."""
    node = front(view)
    if node.reading is None:
        return
    most = max((m.reading.max_bytes for m in reading.members if m.reading is not None), default=0)
    for finding in fills(now, node, node.reading):
        offer = limit(view.source, 2 * most)
        yield replace(finding, offer=replace(offer, title=f"{offer.title} at each server"))
