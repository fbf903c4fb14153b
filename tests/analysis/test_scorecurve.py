"""The curve meets its two points, falls, and can be turned round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.scorecurve import score, value_at
from perftui.model.score import Curve

curves = st.tuples(st.floats(1e-3, 1e3), st.floats(1.01, 50)).map(lambda t: Curve(t[0], t[0] * t[1]))


@given(curves)
def test_two_points(curve: Curve) -> None:
    assert score(curve.good, curve) == pytest.approx(90)
    assert score(curve.median, curve) == pytest.approx(50)


@given(curves, st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_never_scores_better(curve: Curve, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= score(high, curve) <= score(low, curve) <= 100


@given(curves, st.floats(1, 99))
def test_inverse(curve: Curve, points: float) -> None:
    assert score(value_at(points, curve), curve) == pytest.approx(points, abs=1e-6)


def test_lighthouse_lcp_mobile() -> None:
    # LCP on mobile: p10 2500 ms, median 4000 ms
    assert score(2500, Curve(2500, 4000)) == pytest.approx(90)
    assert score(4000, Curve(2500, 4000)) == pytest.approx(50)
    assert score(0, Curve(2500, 4000)) == 100


def test_a_curve_that_rises_is_refused() -> None:
    with pytest.raises(ValueError, match="good < median"):
        score(1, Curve(2, 1))
