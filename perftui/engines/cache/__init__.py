"""The cache engine: servers seen, what is wrong with them, and purges that can be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.analysis.backlog import Backlog
from perftui.analysis.queues import lying
from perftui.engines.cache.findings import findings
from perftui.engines.cache.observe import observe
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look


class CacheEngine:
    """Reads looks of cache servers; remembers the replicas that primaries had, and since when queues grow."""

    stem: ClassVar[str] = "cache"
    kinds: ClassVar[tuple[str, ...]] = ("valkey",)

    def __init__(self) -> None:
        self._before: tuple[CacheNode, ...] = ()
        self._backlog = Backlog()

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> CacheReport:
        """All servers as of `now`."""
        report = observe(now, looks, history, self._before)
        self._before = report.nodes
        self._backlog.seen(lying(report))
        return report

    def findings(self, report: CacheReport) -> Sequence[Finding]:
        """What is wrong, each with its evidence."""
        return (*findings(report), *self._backlog.findings(lying(report)))

    def actions(self, report: CacheReport) -> Sequence[Offer]:
        """A purge for every primary."""
        primaries = [node.source for node in report.nodes if node.role == "primary"]
        return [Offer("cache.purge", source, f"Purge keys of {source} by pattern") for source in primaries]
