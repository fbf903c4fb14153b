"""Unusual values: a detector a series, and findings that say what was expected instead."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import ClassVar

from perftui.analysis.anomaly import WARM, DetectorState, Judge, Score, aside, detect
from perftui.analysis.halfspace import Forest, Rarity
from perftui.analysis.lagwindows import SPAN, STEP
from perftui.analysis.neighbours import Neighbours
from perftui.analysis.occasions import Days, expected
from perftui.analysis.seasonal import Season, learn
from perftui.model.anomaly import HIGH, LOW, SIGMAS, AnomalyReport, Oddity, Rare, Watch, told
from perftui.model.finding import Finding, Offer, Severity
from perftui.model.frame import SeriesReader
from perftui.model.reading import Look, Measure
from perftui.model.series import SeriesKey

FLOORS = {"ratio": 0.005, "s": 0.0005}
"""Differences nobody would get up for, by unit."""
RARE = 300.0  # seconds for which a rare hour is worth a finding
NEWS = 600.0  # seconds in which a moved baseline is worth a finding
SPANS = 100  # times in which nothing was to be learned that are remembered
TOGETHER = 300.0  # seconds between two such times below which they are one

Course = tuple[Sequence[float], Sequence[float]]
"""Instants and the values at them."""


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
    day: str = ""
    minute: int = 0
    values: list[float] = field(default_factory=list)  # of the minute that runs
    window: deque[float] = field(default_factory=lambda: deque(maxlen=SPAN))
    model: Neighbours | None = None
    rare: Rare | None = None
    hushed: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=SPANS))


class AnomalyEngine:
    """Fed point by point by whoever has the clock; reports what it thinks of the newest points."""

    stem: ClassVar[str] = "anomaly"
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.left_out = 0
        self.days = Days()
        self.note = ""
        self._series: dict[SeriesKey, _Watched] = {}

    @property
    def judged(self) -> tuple[SeriesKey, ...]:
        """The series that are judged."""
        return tuple(self._series)

    def taught(self, key: SeriesKey, model: Neighbours) -> None:
        """From now on its hours are compared with those."""
        self._series[key].model = model

    def knows(self, key: SeriesKey) -> bool:
        """Whether a series is judged already."""
        return key in self._series

    def begin(self, key: SeriesKey, unit: str, at: Sequence[float], value: Sequence[float]) -> None:
        """Judge a series from now on, its season learned from what is remembered of it."""
        judge = Judge(sigmas=self.watch.sigmas, floor=FLOORS.get(unit, 0.0))
        state = DetectorState(judge=judge, season=learn(*self.days.plain(at, value)))
        self._series[key] = _Watched(state, unit, Forest() if self.watch.trees else None)

    def season(self, key: SeriesKey) -> Season | None:
        """What a series is known to repeat."""
        return self._series[key].state.season

    def relearned(self, key: SeriesKey, weeks: Course, last: Course) -> DetectorState | None:
        """A series' season from what is remembered by now, and the memories of its last points without it.

        None: it has none still, or there are too few points. Nothing changes yet: this takes time, and may be
        done in a thread while points come.
        """
        before, hushed = self._series[key].state, tuple(self._series[key].hushed)
        season = learn(*self.days.plain(*weeks))
        if season is None and before.season is None:
            return None
        state = DetectorState(judge=before.judge, season=season)
        for at, value in zip(*last, strict=True):
            learning = not any(start <= at <= end for start, end in hushed)
            self._score(state, at, value, learning=learning)
        return state if state.seen >= WARM else None

    def adopt(self, key: SeriesKey, state: DetectorState) -> None:
        """Judge by what was learned anew; what is unusual just now is still the same."""
        before = self._series[key].state
        state.judge, state.hits = before.judge, before.hits
        state.odd_since, state.quiet_until = before.odd_since, before.quiet_until
        self._series[key].state = state

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
        """Judge one point; without `learning` it teaches nothing.

        A day of a calendar is judged as the weekday it is like, where the series has a week; else it teaches
        nothing and nothing about it is unusual.
        """
        one, season, day = self._series[key], self._series[key].state.season, self.days.at(at)
        one.day = day.title if day is not None else ""
        if not learning:
            _extend(one.hushed, at)
        then, score = self._score(one.state, at, value, learning=learning)
        one.score = score
        self._compare(one, at, value)
        if (
            learning
            and then is not None
            and one.model is None
            and one.forest is not None
            and score.expected == score.expected
        ):
            short = value - (season.at(then) if season else 0.0) - one.state.mean
            one.rarity = one.forest.rate(then, value, short, value - score.expected)
        if score.moved:
            one.moved = (at, *score.moved)
        one.since = (one.since or at) if score.lasting else None

    def _score(
        self, state: DetectorState, at: float, value: float, *, learning: bool
    ) -> tuple[float | None, Score]:
        """The instant whose season is expected (None: that of no other), and what is thought of the point."""
        then = expected(self.days.at(at), at, state.season)
        if then is None:
            return None, aside(state, at, value)
        return then, detect(state, at, value, learning=learning, as_of=then)[1]

    def _compare(self, one: _Watched, at: float, value: float) -> None:
        """A minute that is over is compared with its neighbours, its hour with theirs."""
        minute = int(at // STEP)
        if minute != one.minute:
            if one.values:
                one.window.append(fmean(one.values))
                self._judge(one, at)
            if minute != one.minute + 1:
                one.window.clear()
            one.minute, one.values = minute, []
        one.values.append(value)

    def _judge(self, one: _Watched, at: float) -> None:
        if one.rare is not None and at - one.rare.at >= RARE:
            one.rare = None
        if one.model is None or len(one.window) < SPAN:
            return
        if one.day:
            one.rarity = Rarity(1.0)
            return
        one.rarity = Rarity(*one.model.judge(one.minute, tuple(one.window)))
        if one.rarity.rank <= self.watch.rare:
            one.rare = Rare(at, one.rarity.rank, one.model.known, one.rarity.reasons)

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
        return AnomalyReport(tuple(rows), self.left_out, self.note)

    def findings(self, report: AnomalyReport) -> Sequence[Finding]:
        """What is unusual, and what has become usual lately."""
        odd = [_unusual(row) for row in report.rows if row.since is not None]
        news = [row for row in report.rows if row.moved and row.at - row.moved[0] < NEWS]
        rare = [_rare(row, row.rare) for row in report.rows if row.rare is not None]
        return (
            *odd,
            *rare,
            *(_moved(row) for row in news),
            *((_missing(report.note),) if report.note else ()),
        )

    def actions(self, report: AnomalyReport) -> Sequence[Offer]:
        """Nothing can be done about a number as such."""
        return ()


def _extend(spans: deque[tuple[float, float]], at: float) -> None:
    """One instant more, of the last span where it goes on."""
    if spans and at - spans[-1][1] < TOGETHER:
        spans[-1] = (spans[-1][0], at)
    else:
        spans.append((at, at))


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
        one.day,
        one.rare,
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


def _rare(row: Oddity, rare: Rare) -> Finding:
    named = ", ".join(f"{name} {z:+.1f} σ" for name, z in rare.reasons)
    said = f"1 in {1 / rare.rank:,.0f} of {rare.known:,} hours of up to 14 days is so unlike the others"
    return Finding(
        "anomaly.rare",
        Severity.INFO,
        row.key.source,
        f"the last hour of {row.key} is like few before",
        (f"{said}, {row.at - rare.at:.0f} s ago", named),
        labels=(("series", str(row.key)),),
    )


def _missing(note: str) -> Finding:
    return Finding("anomaly.learner", Severity.INFO, "anomaly", "unusual values are judged by less", (note,))


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
