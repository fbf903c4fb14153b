"""The score counts only what was measured, and the ranking puts the worst and cheapest first."""

from __future__ import annotations

import pytest

from perftui.engines.experiments import OptimizationEngine
from perftui.engines.experiments.advice.score import judge
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.rings import Rings


def look(name: str, kind: str, link: Link = Link.LIVE, **values: float) -> Look:
    samples = tuple(Measure(SeriesKey(name, key), value) for key, value in values.items())
    return Look(name, kind, Reading(name, 100.0, 0.01, samples, None), Health(link, 0.0))


def finding(title: str, severity: Severity, gain: float = 0.0, effort: Effort = Effort.MINUTES) -> Finding:
    return Finding("x.y", severity, "valkey", title, ("measured",), gain, "s", effort)


def test_nothing_measured_no_score() -> None:
    score = judge({})
    assert score.overall is None
    assert score.judged == 0
    assert score.total > 5
    assert all(c.score is None for c in score.categories)


def test_category_needs_half_its_checks() -> None:
    one = judge({"pg": look("pg", "postgres", hit_ratio=0.99)})
    assert [c.score for c in one.categories if c.name == "database"] == [None]
    two = judge({"pg": look("pg", "postgres", hit_ratio=0.99, mean_s=0.005)})
    assert two.overall == pytest.approx(90)


def test_lost_backends_do_not_count() -> None:
    assert judge({"pg": look("pg", "postgres", Link.LOST, hit_ratio=0.99, mean_s=0.005)}).judged == 0


def test_the_worst_source_counts() -> None:
    both = judge(
        {
            "good": look("good", "postgres", hit_ratio=0.999, mean_s=0.001),
            "bad": look("bad", "postgres", hit_ratio=0.95, mean_s=0.05),
        }
    )
    assert both.overall == pytest.approx(50)
    database = next(c for c in both.categories if c.name == "database")
    assert {c.sources for c in database.checks if c.value is not None} == {("bad",)}


def test_nan_is_no_figure() -> None:
    assert judge({"v": look("v", "valkey", hit_ratio=float("nan"))}).judged == 0


def test_ranking() -> None:
    engine = OptimizationEngine()
    engine.collect(
        {
            "cache": [
                finding("slow", Severity.WARNING),
                finding("slow but cheap", Severity.WARNING, effort=Effort.KEY),
            ],
            "database": [
                finding("down", Severity.CRITICAL, effort=Effort.DAYS),
                finding("big gain", Severity.WARNING, 50),
            ],
        }
    )
    report = engine.observe(1.0, {}, Rings())
    assert [r.finding.title for r in report.recommendations] == ["down", "big gain", "slow but cheap", "slow"]
    assert all(r.why_rank for r in report.recommendations)
