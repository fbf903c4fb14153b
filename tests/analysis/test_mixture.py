"""The estimated quantile against real draws, and the exact inverse of merging moments."""

from __future__ import annotations

import random
from statistics import fmean, pstdev, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.mixture import Part, lognormal_quantile, split_off

VALUES = st.lists(st.floats(0.001, 1000), min_size=2, max_size=40)


def test_nothing_has_no_quantile() -> None:
    assert lognormal_quantile([], 0.95) is None
    assert lognormal_quantile([Part(0, 1, 1)], 0.95) is None


def test_constant_calls_have_their_value() -> None:
    assert lognormal_quantile([Part(10, 0.02, 0.0)], 0.95) == pytest.approx(0.02, rel=1e-6)
    two = [Part(90, 0.001, 0.0), Part(10, 1.0, 0.0)]
    assert lognormal_quantile(two, 0.5) == pytest.approx(0.001, rel=1e-6)
    assert lognormal_quantile(two, 0.95) == pytest.approx(1.0, rel=1e-6)


def test_near_what_was_drawn() -> None:
    source = random.Random(7)
    fast = [source.lognormvariate(-7, 0.5) for _ in range(4000)]
    slow = [source.lognormvariate(-3, 0.8) for _ in range(1000)]
    parts = [Part(len(v), fmean(v), pstdev(v)) for v in (fast, slow)]
    real = quantiles(fast + slow, n=100)[94]
    assert lognormal_quantile(parts, 0.95) == pytest.approx(real, rel=0.15)


@given(VALUES, VALUES)
def test_what_was_merged_can_be_split_off(old: list[float], added: list[float]) -> None:
    both = old + added
    part = split_off(len(both), fmean(both), pstdev(both), len(old), fmean(old), pstdev(old))
    assert part.n == len(added)
    assert part.mean == pytest.approx(fmean(added), rel=1e-6, abs=1e-6)
    assert part.stddev == pytest.approx(pstdev(added), rel=1e-3, abs=1e-3)


def test_nothing_added_is_nothing() -> None:
    assert split_off(5, 1.0, 0.1, 5, 1.0, 0.1) == Part(0.0, 0.0, 0.0)
