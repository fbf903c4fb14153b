"""Optimization: one score and one ranked list out of what all engines found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from perftui.engines.experiments.advice.rank import rank
from perftui.engines.experiments.advice.score import FORMULA, KINDS, judge
from perftui.model.finding import Finding, Offer
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look
from perftui.model.recommendation import AdviceReport

UNSCORED = ("kafka", "rabbitmq", "valkey-cluster", "valkey-sentinel", "valkey-regions")
"""They have no share in the score; what is found about them is ranked like the rest."""


class OptimizationEngine:
    """Scores the newest measures and ranks the findings that the session hands over by `collect`."""

    stem: ClassVar[str] = "optimization"
    kinds: ClassVar[tuple[str, ...]] = (*KINDS, *UNSCORED)

    def __init__(self) -> None:
        self._found: Mapping[str, Sequence[Finding]] = {}

    def collect(self, found: Mapping[str, Sequence[Finding]]) -> None:
        """Take the other engines' newest findings, by engine stem."""
        self._found = found

    def observe(self, now: float, looks: Mapping[str, Look], _history: SeriesReader) -> AdviceReport:
        """Score and ranking at `now`."""
        return AdviceReport(now, judge(looks), rank(self._found), FORMULA)

    def findings(self, report: AdviceReport) -> Sequence[Finding]:
        """Those of all engines, best first: it has none of its own."""
        return tuple(r.finding for r in report.recommendations)

    def actions(self, report: AdviceReport) -> Sequence[Offer]:
        """The offers behind the recommendations, in their order."""
        return tuple(r.finding.offer for r in report.recommendations if r.finding.offer is not None)
