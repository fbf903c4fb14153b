"""What nodes of the cache library, and its loads, tell where they publish in a cluster, a group or regions.

The rules are those of one server: the cluster is told as one to them (docs/decisions/0005-cache-servers.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from perftui.analysis.wholecluster import front
from perftui.engines.cache.edgefindings import edge_purges
from perftui.engines.cache.findings import Rule
from perftui.engines.cache.hearingfindings import hearing
from perftui.engines.cache.hitfindings import hits
from perftui.engines.cache.nodefindings import node_findings
from perftui.engines.cache.predicted import turned_off
from perftui.engines.cache.relayfindings import relays
from perftui.engines.cache.streamfindings import stampede
from perftui.engines.cache.unreadfindings import unread
from perftui.model.cachecluster import ClusterView
from perftui.model.finding import Effort, Finding

RULES: Final[tuple[Rule, ...]] = (
    hits,
    node_findings,
    hearing,
    stampede,
    relays,
    edge_purges,
    unread,
    turned_off,
)

SINGLE: Final = "cache.configure"
"""It sets what it is told at each server: a figure for all of them together is none for each."""


def library_findings(now: float, view: ClusterView) -> Iterator[Finding]:
    """Of one cluster, group or pair; nothing while none of its primaries tells of itself."""
    node = front(view)
    if node.reading is None:
        return
    for rule in RULES:
        for finding in rule(now, node, node.reading):
            alone = finding.offer is not None and finding.offer.action == SINGLE
            yield replace(finding, offer=None, effort=Effort.HOURS) if alone else finding
