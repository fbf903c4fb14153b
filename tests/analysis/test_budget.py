"""Time in breach: what was seen counts, what was not counts for neither side."""

from __future__ import annotations

import pytest

from perftui.analysis.budget import ALLOWED, spent
from perftui.model.target import Target

P95 = Target("api.p95", "API p95", "s", below=0.1)


def test_breach_is_time_and_not_samples():
    at = [float(second) for second in range(100)]
    one = spent(P95, at, [0.2 if 10 <= a < 15 else 0.05 for a in at], 0.0, 100.0)
    assert one.observed == pytest.approx(100.0)
    assert one.breach == pytest.approx(5.0)
    assert one.ratio == pytest.approx(0.05)
    assert one.left == pytest.approx(1 - 0.05 / ALLOWED)


def test_a_gap_counts_for_neither_side():
    at = [*map(float, range(10)), *map(float, range(1000, 1010))]
    one = spent(P95, at, [0.2] * 10 + [0.05] * 10, 0.0, 1010.0)
    assert one.observed == pytest.approx(22.0)  # the last before the gap speaks for three seconds
    assert one.breach == pytest.approx(12.0)


def test_nothing_seen_is_no_verdict_and_only_the_span_counts():
    assert spent(P95, [], [], 0.0, 10.0).ratio is None
    assert spent(P95, [], [], 0.0, 10.0).left is None
    at = [float(second) for second in range(100)]
    one = spent(P95, at, [0.2] * 100, 90.0, 100.0)
    assert one.breach == one.observed == pytest.approx(10.0)
