"""The database engine: what PostgreSQL servers say, concluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.engines.database.findings import conclude
from perftui.engines.database.observe import Past, observe
from perftui.model.database import DatabaseReport
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look


class DatabaseEngine:
    """Reads the looks at all PostgreSQL servers; remembers what `Past` says."""

    stem: ClassVar[str] = "database"
    kinds: ClassVar[tuple[str, ...]] = ("postgres",)

    def __init__(self) -> None:
        self._past = Past()
        self._concluded: tuple[DatabaseReport | None, Sequence[Finding]] = (None, ())

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> DatabaseReport | None:
        """One report of all servers read so far, primaries first; None before the first reading."""
        return observe(looks, self._past)

    def findings(self, report: DatabaseReport | None) -> Sequence[Finding]:
        """What is wrong, with the numbers that say so."""
        if report is not self._concluded[0]:  # asked twice a frame: once more for the offers
            self._concluded = (report, conclude(report) if report is not None else ())
        return self._concluded[1]

    def actions(self, report: DatabaseReport | None) -> Sequence[Offer]:
        """The deeds that the findings propose."""
        return tuple(finding.offer for finding in self.findings(report) if finding.offer is not None)
