"""Budgets of perftui itself: exceeded ones are findings with the figure, and a start is not judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from perftui.draw.price import WAITING, rows
from perftui.draw.rows import plain
from perftui.engines.price import PriceEngine
from perftui.model.finding import Severity
from perftui.model.price import Budget, Crowd, PriceReport, SourceCost

CHEAP = SourceCost("cache", "valkey", 1.0, 0.002, 0.002, 9000.0, 300.0)
REPORT = PriceReport(1000.0, 60.0, 0.02, 50e6, 0.01, 900.0, (CHEAP,))
BUDGET = Budget(0.5, 200e6, 20e3, 0.5, 0.25)


def found(report, budget=BUDGET):
    return PriceEngine(budget).findings(report)


def test_within_its_budgets_there_is_nothing_to_say():
    assert found(REPORT) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cpu_ratio": 0.6}, "60.0% of a core over 60 s, budget 50.0%"),
        ({"rss_bytes": 300e6}, "300 MB resident, budget 200 MB"),
        ({"terminal_bytes_per_s": 30e3}, "30,000 B/s to the terminal over 60 s, budget 20,000 B/s"),
        ({"loop_lag_s": 0.75}, "something due waited 0.75 s, budget 0.50 s"),
    ],
)
def test_each_budget_has_its_finding(change, said):
    (one,) = found(replace(REPORT, **change))
    assert (one.id, one.severity, one.source, one.evidence[0]) == (
        "console.over-budget",
        Severity.INFO,
        "perftui",
        said,
    )
    assert found(replace(REPORT, **change), Budget()) == ()
    assert found(replace(REPORT, window=10.0, **change)) == ()


def test_a_backend_that_is_asked_too_much_is_named():
    (one,) = found(replace(REPORT, sources=(CHEAP, replace(CHEAP, name="db", wait_ratio=0.4))))
    assert (one.source, one.severity) == ("db", Severity.WARNING)
    assert one.evidence[0] == "0.40 s of answering a second, budget 0.25"


CROWD = Crowd("shop", "orders_total", 700, "user", 690)


def test_a_label_with_ids_in_it_is_named():
    report = replace(
        REPORT, series=900, most_series=2000, crowds=(CROWD, replace(CROWD, name="y", series=200))
    )
    (one,) = found(report)
    assert (one.id, one.severity, one.source) == ("console.series-crowded", Severity.WARNING, "shop")
    assert one.title == "orders_total of shop takes 700 series"
    assert one.evidence[:2] == (
        "label user has 690 values",
        "900 series are told at a time, 2,000 remembered",
    )
    assert found(replace(report, crowds=(replace(CROWD, series=399),))) == ()
    (full,) = found(replace(report, series=1600, crowds=(replace(CROWD, series=399, values=1),)))
    assert full.evidence[0] == "no label tells them apart"
    assert found(replace(report, window=10.0)) == ()


def test_the_rows_say_figures_budgets_and_each_backend():
    text = "\n".join(plain(rows(replace(REPORT, cpu_ratio=0.6), BUDGET, 72)))
    assert "60.0% of a core  of 50%  over its budget" in text
    assert "47.7 MiB" in text
    assert "series" not in text
    full = "\n".join(plain(rows(replace(REPORT, series=2400, most_series=2000), BUDGET, 72)))
    assert "2,400  of 2,000  over its budget" in full
    assert "cache" in text
    assert all(len(row) == 72 for row in text.splitlines())
    unknown = replace(CHEAP, in_bytes_per_s=None, out_bytes_per_s=None, mean_s=None)
    none = "\n".join(
        plain(rows(replace(REPORT, terminal_bytes_per_s=None, sources=(unknown,)), Budget(), 72))
    )
    assert "terminal" not in none
    assert " of " not in none.replace("of a core", "")
    assert "–" in none
    assert WAITING in plain(rows(None, BUDGET, 72))[0]
