"""The 0–100 score as a value that can be argued with: inputs, curves, weights and what was left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Curve:
    """A log-normal scoring curve by two points: 90 at `good`, 50 at `median` (same unit, good < median)."""

    good: float
    median: float


@dataclass(frozen=True, slots=True)
class Check:
    """One measured figure turned into points. `value` and `score` None: no live backend gave it.

    `more_is_better` figures are ratios, scored on their miss (1 − ratio); `unit` as in Series.
    """

    id: str
    category: str
    title: str
    unit: str
    curve: Curve
    weight: float
    more_is_better: bool
    sources: tuple[str, ...]
    value: float | None
    score: float | None
    at: float | None
    connect: str


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """Weighted mean of a category's checks; `score` None when under half of them were judged."""

    name: str
    weight: float
    score: float | None
    judged: int
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """The whole: weighted mean of the categories that count. `version` is that of the check table."""

    overall: float | None
    categories: tuple[CategoryScore, ...]
    judged: int
    total: int
    version: int
