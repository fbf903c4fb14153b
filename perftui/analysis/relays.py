"""Relays between regions as nodes of the cache library tell of them: one a server, namespace and region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perftui.model.cache import CacheReport
from perftui.model.cachecluster import ClusterReport
from perftui.model.tierview import RelayLink, TierFacts, TierNode

LATE: Final = 10.0  # seconds the oldest change may wait
SILENT: Final = 5.0  # seconds the other region may say nothing

Told = tuple[str, TierFacts | None]
"""A server, or cluster, and what nodes publish there."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What `node` hears of another region, in the server `source`."""

    source: str
    node: TierNode
    link: RelayLink

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others."""
        return self.source, self.node.namespace, self.link.peer


def told(report: CacheReport | ClusterReport) -> tuple[Told, ...]:
    """Of each server, or each cluster."""
    pairs = report.nodes if isinstance(report, CacheReport) else report.clusters
    return tuple((one.source, one.reading.tiers if one.reading is not None else None) for one in pairs)


def heard(servers: Iterable[Told]) -> tuple[Heard, ...]:
    """All of them by name; of several nodes that tell of one, what that says which had the last answer."""
    found: dict[tuple[str, str, str], Heard] = {}
    for source, tiers in servers:
        for node in tiers.nodes if tiers is not None else ():
            for link in node.relays:
                one = Heard(source, node, link)
                found[one.key] = min(found.get(one.key, one), one, key=lambda it: it.link.silent_s)
    return tuple(found[key] for key in sorted(found))
