"""Unusual values: a detector a series, and findings that say what was expected instead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from perftui.analysis.anomaly import DetectorState, Judge, Score, detect
from perftui.analysis.halfspace import Forest, Rarity
from perftui.analysis.seasonal import learn
from perftui.model.anomaly import HIGH, LOW, SIGMAS, AnomalyReport, Oddity, Watch, told
from perftui.model.finding import Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look, Measure
from perftui.model.series import SeriesKey

FLOORS = {"ratio": 0.005, "s": 0.0005}
"""Differences nobody would get up for, by unit."""
NEWS = 600.0  # seconds in which a moved baseline is worth a finding


@dataclass(slots=True)
class _Watched:
    """One series."""

    state: DetectorState
    unit: str
    forest: Forest | None
    score: Score | None = None
    rarity: Rarity = field(default_factory=lambda: Rarity(1.0))
    since: float | None = None
    moved: tuple[float, float, float] | None = None


class AnomalyEngine:
    """Fed point by point by whoever has the clock; reports what it thinks of the newest points."""

    stem: ClassVar[str] = "anomaly"
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.left_out = 0
        self._series: dict[SeriesKey, _Watched] = {}

    def knows(self, key: SeriesKey) -> bool:
        """Whether a series is judged already."""
        return key in self._series

    def begin(self, key: SeriesKey, unit: str, at: Sequence[float], value: Sequence[float]) -> None:
        """Judge a series from now on, its season learned from what is remembered of it."""
        judge = Judge(sigmas=self.watch.sigmas, floor=FLOORS.get(unit, 0.0))
        state = DetectorState(judge=judge, season=learn(at, value))
        self._series[key] = _Watched(state, unit, Forest() if self.watch.trees else None)

    def strict(self, key: SeriesKey, sigmas: float) -> None:
        """Judge a series by a threshold of its own from now on."""
        state = self._series[key].state
        if state.judge.sigmas != sigmas:
            state.judge = replace(state.judge, sigmas=sigmas)

    def prime(self, key: SeriesKey, at: Sequence[float], value: Sequence[float]) -> None:
        """Let it learn from remembered points at the pace it will be fed; nothing is told of them."""
        one = self._series[key]
        for a, v in zip(at, value, strict=True):
            self.feed(key, a, v)
        one.since = one.moved = None
        one.state.hits, one.state.odd_since = 0, 0.0
        one.state.quiet_until = -math.inf

    def feed(self, key: SeriesKey, at: float, value: float, *, learning: bool = True) -> None:
        """Judge one point; without `learning` it teaches nothing."""
        one = self._series[key]
        one.state, score = detect(one.state, at, value, learning=learning)
        one.score = score
        if learning and one.forest is not None and score.expected == score.expected:
            season = one.state.season
            short = value - (season.at(at) if season else 0.0) - one.state.mean
            one.rarity = one.forest.rate(at, value, short, value - score.expected)
        if score.moved:
            one.moved = (at, *score.moved)
        one.since = (one.since or at) if score.lasting else None

    def measures(self) -> tuple[Measure, ...]:
        """What charts and rules need: the band, and the distance while enough points were odd (else 0)."""
        found: list[Measure] = []
        for key, one in self._series.items():
            score = one.score
            if score is None or math.isnan(score.low):
                continue
            found += [
                Measure(told(SIGMAS, key), abs(score.z) if score.lasting else 0.0),
                Measure(told(LOW, key), score.low, one.unit),
                Measure(told(HIGH, key), score.high, one.unit),
            ]
        return tuple(found)

    def observe(self, now: float, looks: Mapping[str, Look], history: SeriesReader) -> AnomalyReport:
        """The newest judgement of every series."""
        rows = [_row(key, one, one.score) for key, one in self._series.items() if one.score is not None]
        rows.sort(key=lambda row: (row.since is None, -abs(row.z), row.key))
        return AnomalyReport(tuple(rows), self.left_out)

    def findings(self, report: AnomalyReport) -> Sequence[Finding]:
        """What is unusual, and what has become usual lately."""
        odd = [_unusual(row) for row in report.rows if row.since is not None]
        news = [row for row in report.rows if row.moved and row.at - row.moved[0] < NEWS]
        return (*odd, *(_moved(row) for row in news))

    def actions(self, report: AnomalyReport) -> Sequence[Offer]:
        """Nothing can be done about a number as such."""
        return ()


def _row(key: SeriesKey, one: _Watched, score: Score) -> Oddity:
    season = one.state.season
    return Oddity(
        key,
        one.unit,
        score.at,
        score.value,
        _known(score.expected),
        score.sigma,
        score.z,
        _known(score.low),
        _known(score.high),
        score.learned,
        one.since,
        season.period if season else 0.0,
        season.strength if season else 0.0,
        one.moved,
        one.rarity.rank,
        one.rarity.reasons,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _unusual(row: Oddity) -> Finding:
    side = "above" if row.z > 0 else "below"
    season = f", season {row.period / 3600:g} h" if row.period else ""
    band = f"{row.low or 0:.4g} to {row.high or 0:.4g}"
    distance = f"{abs(row.z):.1f} σ, σ {row.sigma:.3g}{season}"
    evidence = [f"{row.value:.4g} where {band} was expected ({distance})"]
    if row.reasons and row.rank < 0.05:
        named = ", ".join(f"{name} {z:+.1f} σ" for name, z in row.reasons)
        evidence.append(f"rarer than {1 - row.rank:.1%} of points: {named}")
    return Finding(
        f"anomaly.{row.key.name}",
        Severity.INFO,
        row.key.source,
        f"{row.key} is {side} what is usual",
        tuple(evidence),
        labels=(("series", str(row.key)),),
    )


def _moved(row: Oddity) -> Finding:
    at, before, after = row.moved or (0.0, 0.0, 0.0)
    return Finding(
        "anomaly.baseline-moved",
        Severity.INFO,
        row.key.source,
        f"{row.key}: baseline moved, {before:.4g} → {after:.4g}",
        (f"the new level has held long enough to be normal since {row.at - at:.0f} s ago",),
        labels=(("series", str(row.key)),),
    )
