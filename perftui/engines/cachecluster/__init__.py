"""Clusters of cache servers: what happened to their nodes, what is wrong, and planned switchovers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.analysis.serverpast import MINUTE, full_in, hit_ratio, mean
from perftui.analysis.wholecluster import whole
from perftui.engines.cachecluster.findings import findings
from perftui.engines.cachecluster.happenings import KEPT, happened
from perftui.engines.cachecluster.hotslots import HotSlots
from perftui.model.cachecluster import ClusterEvent, ClusterReading, ClusterReport, ClusterView
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look


class ClusterEngine:
    """Compares each look at a cluster with the one before; keeps the newest events of each."""

    stem: ClassVar[str] = "cachecluster"
    kinds: ClassVar[tuple[str, ...]] = ("valkey-cluster", "valkey-sentinel", "valkey-regions")

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, ClusterReading]] = {}
        self._events: dict[str, tuple[ClusterEvent, ...]] = {}
        self._hot = HotSlots()

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> ClusterReport:
        """All clusters as of `now`, lost ones with their last good map."""
        return ClusterReport(now, tuple(self._view(look, history) for _, look in sorted(looks.items())))

    def _view(self, look: Look, history: SeriesReader) -> ClusterView:
        reading = look.reading
        facts = reading.facts if reading is not None else None
        if reading is None or not isinstance(facts, ClusterReading):
            return ClusterView(look.source, look.health, None)
        at, before = self._before.get(look.source, (0.0, None))
        if reading.at != at:
            events = (*happened(before, facts, reading.at), *self._events.get(look.source, ()))
            self._events[look.source] = events[:KEPT]
            self._before[look.source] = reading.at, facts
        ratio, lookups = hit_ratio(history, look.source, reading.at - MINUTE, reading.at)
        one = whole(facts)
        return ClusterView(
            look.source,
            look.health,
            facts,
            reading.at,
            self._events.get(look.source, ()),
            ratio,
            lookups,
            full_in(history, look.source, one.used_bytes, one.max_bytes, reading.at)
            if one is not None
            else None,
            self._hot.seen(look.source, reading.at, facts),
            mean(history, look.source, "served_ratio", reading.at - MINUTE, reading.at),
        )

    def findings(self, report: ClusterReport) -> Sequence[Finding]:
        """What is wrong, each with its evidence."""
        return findings(report)

    def actions(self, report: ClusterReport) -> Sequence[Offer]:
        """A switchover to every replica that is up."""
        return [
            Offer("cache.failover", view.source, f"Make {m.address} the primary", (("node", m.address),))
            for view in report.clusters
            if view.reading is not None
            for m in view.reading.members
            if m.role == "replica" and m.state == "ok"
        ]
