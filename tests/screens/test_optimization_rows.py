"""The score and a recommendation in words: what was judged, what was not, and why it ranks there."""

from __future__ import annotations

import pytest

from perftui.draw.rows import Look, Size, plain
from perftui.engines.experiments.advice.rank import rank
from perftui.engines.experiments.advice.score import FORMULA, judge
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look as BackendLook
from perftui.model.reading import Measure, Reading
from perftui.model.recommendation import AdviceReport
from perftui.model.series import SeriesKey
from perftui.screens.optimization.rows import band, check_rows, gain, recommendation_rows, score_rows

LOOK = Look()


def report(**values: float) -> AdviceReport:
    samples = tuple(Measure(SeriesKey("db", name), value) for name, value in values.items())
    look = BackendLook("db", "postgres", Reading("db", 5.0, 0.0, samples, None), Health(Link.LIVE, 0.0))
    return AdviceReport(5.0, judge({"db": look}), (), FORMULA)


def test_the_score_says_what_it_stands_on() -> None:
    text = plain(score_rows(report(hit_ratio=0.99, mean_s=0.005), Size(100, 14), LOOK))
    assert "90 of 100" in text[0]
    assert "judged on 2 of" in text[0]
    assert any(row.startswith("assets") and "no source" in row for row in text)
    assert any("σ = ln(median ÷ good)" in row for row in text)


def test_without_a_figure_there_is_no_score() -> None:
    assert "– of 100" in plain(score_rows(report(), Size(100, 4), LOOK))[0]


def test_a_check_shows_its_curve_and_the_next_point() -> None:
    made = report(mean_s=0.05)
    check = next(c for c in made.score.categories[3].checks if c.id == "database.mean")
    text = "\n".join(plain(check_rows(check, Size(60, 8))))
    assert "50 points" in text
    assert "90 points at 5.00 ms, 50 at 50.0 ms" in text
    assert "one more point at" in text
    missing = next(c for c in made.score.categories[3].checks if c.value is None)
    assert "not judged: connect" in "\n".join(plain(check_rows(missing, Size(60, 8))))


@pytest.mark.parametrize(("score", "word"), [(None, "off"), (95, "ok"), (70, "warn"), (20, "crit")])
def test_bands(score: float | None, word: str) -> None:
    assert band(score) == word


@pytest.mark.parametrize(
    ("amount", "unit", "text"), [(0, "s", "–"), (0.5, "s", "500 ms"), (3.0, "pages/s", "3 pages/s")]
)
def test_gain(amount: float, unit: str, text: str) -> None:
    assert gain(Finding("a.b", Severity.INFO, "x", "t", ("e",), amount, unit)) == text


@pytest.mark.parametrize("offered", [True, False])
def test_a_recommendation_says_what_applies_it(offered: bool) -> None:
    offer = Offer("scaling.set", "pool", "Scale pool 3 → 5", (("n", 5),)) if offered else None
    finding = Finding(
        "scaling.hot",
        Severity.WARNING,
        "pool",
        "pool is hot",
        ("95% of a core",),
        1.0,
        "s",
        Effort.KEY,
        offer,
    )
    (made,) = rank({"autoscaling": [finding]})
    text = "\n".join(plain(recommendation_rows(made, Size(60, 12), LOOK)))
    assert "• 95% of a core" in text
    assert "rank" in text
    assert ("Scale pool 3 → 5" in text) is offered
    assert ("no key applies" in text) is not offered
