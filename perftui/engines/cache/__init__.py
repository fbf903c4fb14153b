"""The cache engine: servers seen, what is wrong with them, and purges that can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.engines.cache.findings import findings
from perftui.engines.cache.observe import observe
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look


class CacheEngine:
    """Reads looks of cache servers; remembers only the last report, for the replicas that primaries had."""

    stem: ClassVar[str] = "cache"
    kinds: ClassVar[tuple[str, ...]] = ("valkey",)

    def __init__(self) -> None:
        self._before: tuple[CacheNode, ...] = ()

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> CacheReport:
        """All servers as of `now`."""
        report = observe(now, looks, history, self._before)
        self._before = report.nodes
        return report

    def findings(self, report: CacheReport) -> Sequence[Finding]:
        """What is wrong, each with its evidence."""
        return findings(report)

    def actions(self, report: CacheReport) -> Sequence[Offer]:
        """A purge for every primary."""
        primaries = [node.source for node in report.nodes if node.role == "primary"]
        return [Offer("cache.purge", source, f"Purge keys of {source} by pattern") for source in primaries]
