"""The check table and the score: nothing is guessed, a check without a live figure is left out and said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from perftui.analysis.scorecurve import score as points
from perftui.model.health import Link
from perftui.model.reading import Look
from perftui.model.score import CategoryScore, Check, Curve, Score
from perftui.model.targets import alike

VERSION = 1
CATEGORIES = {"assets": 25.0, "caching": 25.0, "network": 25.0, "database": 25.0}
FORMULA = (
    "points of a check = 100·(1 − Φ(ln(x ÷ median) ÷ σ)): 90 at its good figure, 50 at its median",
    "σ = ln(median ÷ good) ÷ 1.28155",
    "ratios where more is better are judged on their miss, 1 − ratio",
    "category = weighted mean of its judged checks; under half judged it does not count",
    "overall = weighted mean of the categories that count, 25 each",
)


def _check(  # a row of the table
    id_: str, title: str, unit: str, good: float, median: float, connect: str, *, more: bool = False
) -> Check:
    category = id_.split(".", 1)[0]
    return Check(id_, category, title, unit, Curve(good, median), 1.0, more, (), None, None, None, connect)


# kind of backend, name of the measure → the check it feeds
TABLE: dict[tuple[str, str], Check] = {
    ("valkey", "served_ratio"): _check(
        "caching.hit-ratio", "Cache hit ratio", "ratio", 0.05, 0.15, "a valkey backend", more=True
    ),
    ("valkey", "evicted_per_s"): _check(
        "caching.evictions", "Cache evictions", "1/s", 1.0, 50.0, "a valkey backend"
    ),
    ("edge", "hit_ratio"): _check(
        "caching.edge-hit-ratio",
        "Edge hit ratio",
        "ratio",
        0.1,
        0.4,
        "a varnish or pyedge backend",
        more=True,
    ),
    ("scrape", "http.p95_s"): _check("network.p95", "Service p95", "s", 0.1, 0.4, "a scrape backend"),
    ("scrape", "http.error_ratio"): _check(
        "network.errors", "Service errors", "ratio", 0.001, 0.01, "a scrape backend"
    ),
    ("postgres", "hit_ratio"): _check(
        "database.hit-ratio", "Buffer hit ratio", "ratio", 0.01, 0.05, "a postgres backend", more=True
    ),
    ("postgres", "mean_s"): _check(
        "database.mean", "Mean statement time", "s", 0.005, 0.05, "a postgres backend with pg_stat_statements"
    ),
    ("postgres", "replay_lag_s"): _check(
        "database.replica-lag", "Replica lag", "s", 1.0, 10.0, "a postgres backend on a standby"
    ),
}
EDGES = ("varnish", "pyedge")
KINDS = ("valkey", *EDGES, "scrape", "accesslog", "postgres", "host", "processpool")


def judge(looks: Mapping[str, Look]) -> Score:
    """The score of the newest figures of LIVE and LATE backends; the worst of several sources counts."""
    checks = [_judged(check, _figures(key, looks)) for key, check in TABLE.items()]
    categories = tuple(_category(name, weight, checks) for name, weight in CATEGORIES.items())
    counted = [(c.score, c.weight) for c in categories if c.score is not None]
    total = sum(weight for _, weight in counted)
    overall = sum(value * weight for value, weight in counted) / total if total else None
    return Score(overall, categories, sum(c.judged for c in categories), len(checks), VERSION)


def _figures(key: tuple[str, str], looks: Mapping[str, Look]) -> list[tuple[float, str, float]]:
    kind, name = key
    found = []
    for look in looks.values():
        role = "edge" if look.kind in EDGES else alike(look.kind)
        if role != kind or look.reading is None or look.health.link not in (Link.LIVE, Link.LATE):
            continue
        found += [
            (m.value, look.source, look.reading.at)
            for m in look.reading.samples
            if m.key.name == name and not m.key.labels and not math.isnan(m.value)
        ]
    return found


def _judged(check: Check, figures: Iterable[tuple[float, str, float]]) -> Check:
    worst: tuple[float, float, str, float] | None = None
    for value, source, at in figures:
        got = points(1.0 - value if check.more_is_better else value, check.curve)
        if worst is None or got < worst[0]:
            worst = (got, value, source, at)
    if worst is None:
        return check
    return replace(check, score=worst[0], value=worst[1], sources=(worst[2],), at=worst[3])


def _category(name: str, weight: float, checks: Iterable[Check]) -> CategoryScore:
    mine = tuple(c for c in checks if c.category == name)
    judged = [c for c in mine if c.score is not None]
    enough = bool(mine) and 2 * len(judged) >= len(mine)
    mass = sum(c.weight for c in judged)
    value = sum((c.score or 0.0) * c.weight for c in judged) / mass if enough and mass else None
    return CategoryScore(name, weight, value, len(judged), mine)
