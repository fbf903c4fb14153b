"""Apdex: exact where a bucket ends at the target, bounded and rising everywhere else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.apdex import apdex, at_most
from perftui.analysis.quantile import Histogram, merge

BOUNDS = (0.01, 0.05, 0.1, 0.2, 0.4, 1.0, math.inf)
VALUES = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60)


def filled(values, bounds=BOUNDS):
    return Histogram(bounds, tuple(float(sum(v <= bound for v in values)) for bound in bounds))


@given(VALUES)
def test_it_is_the_definition_where_buckets_end_at_the_target(values):
    satisfied = sum(v <= 0.1 for v in values)
    tolerating = sum(0.1 < v <= 0.4 for v in values)
    assert apdex(filled(values), 0.1) == pytest.approx((satisfied + tolerating / 2) / len(values))


@given(VALUES, st.floats(0.001, 2.0))
def test_it_lies_between_what_the_buckets_allow(values, target):
    histogram = filled(values)
    found = apdex(histogram, target)
    low = sum(
        max((c for b, c in zip(BOUNDS, histogram.counts, strict=True) if b <= x), default=0.0)
        for x in (target, 4 * target)
    )
    high = sum(
        min(c for b, c in zip(BOUNDS, histogram.counts, strict=True) if b >= x) for x in (target, 4 * target)
    )
    assert low / 2 / len(values) - 1e-9 <= found <= high / 2 / len(values) + 1e-9
    assert 0.0 <= found <= 1.0


@given(VALUES, st.floats(0.001, 2.0), st.floats(0.001, 2.0))
def test_a_more_patient_target_never_scores_less(values, a, b):
    low, high = sorted((a, b))
    assert apdex(filled(values), low) <= apdex(filled(values), high) + 1e-12


@given(VALUES, VALUES)
def test_of_everything_together_it_is_the_mean_weighted_by_requests(first, second):
    together = apdex(merge([filled(first), filled(second)]), 0.1)
    weighted = len(first) * apdex(filled(first), 0.1) + len(second) * apdex(filled(second), 0.1)
    assert together == pytest.approx(weighted / (len(first) + len(second)))


@given(VALUES, st.floats(0.0, 4.0))
def test_counts_below_a_value_never_fall_outside(values, x):
    assert 0.0 <= at_most(filled(values), x) <= len(values)


def test_nothing_is_said_without_requests_or_a_total():
    assert apdex(Histogram((), ())) is None
    assert apdex(filled([], BOUNDS)) is None
    assert apdex(Histogram((0.1, 1.0), (1.0, 2.0))) is None
