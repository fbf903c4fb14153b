"""What is watched for unusual values, and what was found."""

from __future__ import annotations

from dataclasses import dataclass

from perftui.model.series import SeriesKey

TOPIC = "anomaly"
SOURCE = "anomaly"  # of the series that tell bands and distances; their label `series` names the judged one
SIGMAS, LOW, HIGH = "anomaly.sigmas", "anomaly.low", "anomaly.high"

SERIES: tuple[str, ...] = (
    "@scrape/http.requests_per_s",
    "@scrape/http.p95_s",
    "@scrape/http.error_ratio",
    "@valkey/served_ratio",
    "@postgres/p95_estimate_s",
    'business/business.value{part=""}',
)
"""Selectors of the series watched unless configured otherwise."""


LEAST, MOST = 2.0, 10.0  # sigmas between which people's marks can move a series' threshold
MARK = "unusual:"  # what a series' own threshold is kept under begins with


def marked(sigmas: float, seen: float, *, normal: bool) -> float:
    """The threshold of a series whose alert at `seen` sigmas was called normal, or an incident."""
    return min(MOST, max(1.1 * sigmas, 1.05 * seen)) if normal else max(LEAST, 0.9 * sigmas)


def told(name: str, key: SeriesKey) -> SeriesKey:
    """Under which key something is told about a judged series."""
    return SeriesKey(SOURCE, name, (("series", str(key)),))


@dataclass(frozen=True, slots=True)
class Watch:
    """What to watch: selectors, seconds a point, and from how many sigmas a point is odd.

    With the `learner` `neighbours` minutes are told that are as rare as `rare` among fourteen days.
    """

    series: tuple[str, ...] = SERIES
    every: float = 10.0
    sigmas: float = 3.0
    trees: bool = True
    learner: str = "trees"
    rare: float = 0.001


@dataclass(frozen=True, slots=True)
class Rare:
    """An hour, ended at `at`, with as few like it as `rank` among `known` others, and what made it so.

    `rank` is a probability: of minutes like those that were learned one in 1/rank is so rare by chance.
    """

    at: float
    rank: float
    known: int
    reasons: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Oddity:
    """One judged series at its newest point.

    `since` is when it became unusual, None while it is not; `learned` below 1 means no judgement yet.
    `period` is its season in seconds (0: none) with its `strength`. `moved` is (at, from, to) of the last
    shift that became normal. `rank` is how rare the point is among all (1: not, or unknown); `reasons` are
    the features that make it so, with their distance in sigmas. `day` is the calendar's event it is in.
    `rare` is the newest rare hour of the last minutes.
    """

    key: SeriesKey
    unit: str
    at: float
    value: float
    expected: float | None
    sigma: float
    z: float
    low: float | None
    high: float | None
    learned: float
    since: float | None = None
    period: float = 0.0
    strength: float = 0.0
    moved: tuple[float, float, float] | None = None
    rank: float = 1.0
    reasons: tuple[tuple[str, float], ...] = ()
    day: str = ""
    rare: Rare | None = None


@dataclass(frozen=True, slots=True)
class AnomalyReport:
    """Every judged series, the most unusual first; `left_out` counts those beyond the bound.

    `note` says what is missing for what was asked.
    """

    rows: tuple[Oddity, ...] = ()
    left_out: int = 0
    note: str = ""
