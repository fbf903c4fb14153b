"""Slopes that steps and outliers cannot fake."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.leak import theil_sen, thin


@given(st.floats(-100, 100), st.floats(-1e6, 1e6), st.integers(4, 400))
def test_a_straight_line_gives_its_slope(slope, start, n):
    at = [float(i) for i in range(n)]
    found = theil_sen(at, [start + slope * t for t in at])
    assert found.per_s == pytest.approx(slope, rel=1e-3, abs=1e-6)
    assert found.seconds == n - 1


def test_noise_around_a_level_is_no_growth_and_outliers_do_not_tilt_it():
    noise = random.Random(7)
    at = [float(i) for i in range(600)]
    level = [100 + noise.gauss(0, 5) for _ in at]
    found = theil_sen(at, level)
    assert found.low < 0 < found.high
    spiked = [100 + t * 0.5 + (5000 if i % 50 == 0 else 0) for i, t in enumerate(at)]
    found = theil_sen(at, spiked)
    assert found.low > 0
    assert found.per_s == pytest.approx(0.5, rel=0.05)


def test_too_little_to_say():
    assert theil_sen([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]) is None
    assert theil_sen([1.0] * 5, [1.0] * 5) is None
    assert len(thin(range(1000), range(1000))) <= 60
