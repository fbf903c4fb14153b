"""Quantiles from buckets: exact against the definition, safe across resets and merges."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.quantile import Histogram, added, histogram_quantile, increase, merge

BOUNDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, math.inf)
VALUES = st.lists(st.floats(0.0, 3.0), max_size=60)
QS = st.floats(0.001, 1.0)


def filled(values, bounds=BOUNDS):
    counts = tuple(float(sum(v <= bound for v in values)) for bound in bounds)
    return Histogram(bounds, counts)


@given(VALUES.filter(bool), QS)
def test_the_quantile_lies_in_the_bucket_of_the_true_one(values, q):
    rank = min(len(values), max(1, math.ceil(q * len(values))))
    true = sorted(values)[rank - 1]
    at = bisect_left(BOUNDS, true)
    low = BOUNDS[at - 1] if at else 0.0
    high = BOUNDS[at] if BOUNDS[at] < math.inf else BOUNDS[-2]
    assert low <= filled(values).quantile(q) <= high or filled(values).quantile(q) == BOUNDS[-2]


@given(VALUES.filter(bool), QS, QS)
def test_quantiles_rise_with_q(values, a, b):
    low, high = sorted((a, b))
    assert filled(values).quantile(low) <= filled(values).quantile(high)


@given(st.lists(VALUES, min_size=1, max_size=4), QS)
def test_merging_is_counting_everything_at_once(parts, q):
    together = filled([v for part in parts for v in part])
    assert merge(map(filled, parts)) == together
    quantile = merge(map(filled, parts)).quantile(q)
    assert quantile == together.quantile(q) or math.isnan(quantile)


@given(VALUES, VALUES)
def test_what_was_added_is_what_came_after(before, after):
    assert added(filled(before + after), filled(before)) == filled(after)


@given(VALUES.filter(bool), VALUES)
def test_a_reset_never_gives_less_than_nothing(before, after):
    delta = added(filled(after), filled(before))
    assert all(count >= 0 for count in delta.counts)
    assert delta.count <= max(len(after), 0)


@given(VALUES, VALUES)
def test_merging_unlike_buckets_keeps_the_shared_bounds_exact(a, b):
    coarse = (0.01, 0.1, 1.0, math.inf)
    both = merge([filled(a), filled(b, coarse)])
    assert both == filled(a + b, coarse)


@given(VALUES)
def test_buckets_apart_add_up(values):
    assert sum(n for _, n in filled(values).per_bucket()) == len(values)


@pytest.mark.parametrize(
    ("q", "bounds", "counts", "want"),
    [
        (0.5, (1.0, 2.0, math.inf), (0.0, 10.0, 10.0), 1.5),
        (0.5, (1.0, 2.0, math.inf), (10.0, 10.0, 10.0), 0.5),
        (0.95, (0.1, 0.2, math.inf), (50.0, 100.0, 100.0), 0.19),
        (0.99, (1.0, 2.0, math.inf), (1.0, 2.0, 100.0), 2.0),
        (0.5, (-1.0, 2.0, math.inf), (5.0, 5.0, 5.0), -1.0),
        (0.5, (1.0, 2.0, math.inf), (10.0, 8.0, 10.0), 0.5),
        (-0.1, (1.0, math.inf), (1.0, 1.0), -math.inf),
        (1.1, (1.0, math.inf), (1.0, 1.0), math.inf),
    ],
)
def test_the_definition_case_by_case(q, bounds, counts, want):
    assert histogram_quantile(q, bounds, counts) == pytest.approx(want)


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [((1.0, math.inf), (0.0, 0.0)), ((1.0, 2.0), (1.0, 2.0)), ((math.inf,), (3.0,)), ((), ())],
)
def test_without_observations_or_a_last_bucket_there_is_no_quantile(bounds, counts):
    assert math.isnan(histogram_quantile(0.5, bounds, counts))
    assert math.isnan(histogram_quantile(math.nan, (1.0, math.inf), (1.0, 1.0)))
    assert math.isnan(histogram_quantile(0.0, (1.0, math.inf), (0.0, 1.0)))


def test_counters_gain_and_survive_resets():
    assert increase(5.0, None) == 0.0
    assert increase(9.0, 4.0) == 5.0
    assert increase(3.0, 100.0) == 3.0
