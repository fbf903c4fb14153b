"""What to do next: every engine's findings as one ranked list."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.finding import Finding
from perftui.model.score import Score


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A finding with its place in the list. `rank_value` orders; `why_rank` says how it came about."""

    layer: str
    finding: Finding
    rank_value: float
    why_rank: str


@dataclass(frozen=True, slots=True)
class AdviceReport:
    """Score and ranked recommendations at one moment."""

    at: float
    score: Score
    recommendations: tuple[Recommendation, ...]
    formula: tuple[str, ...]
