"""The sketch of durations: right within one percent, merged without loss, read from any bytes without harm."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.quantile import Sketch

VALUES = st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=300)


def sketch_of(values):
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    return sketch


@given(VALUES, st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_sketch_is_within_one_percent_of_the_value_at_that_rank(values, q):
    exact = sorted(values)[math.floor(q * (len(values) - 1))]
    assert sketch_of(values).quantile(q) == pytest.approx(exact, rel=0.0101)


@given(VALUES, VALUES)
def test_merged_sketches_are_that_of_all_values(one, two):
    merged, both = sketch_of(one), sketch_of(one + two)
    merged.merge(sketch_of(two))
    assert (merged.buckets, merged.count) == (both.buckets, both.count)
    assert merged.total == pytest.approx(both.total)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=100))
def test_a_sketch_comes_back_from_its_bytes(values):
    sketch = sketch_of(values)
    back = Sketch.unpack(sketch.pack())
    assert (back.buckets, back.zeros, back.count) == (sketch.buckets, sketch.zeros, sketch.count)
    assert all(math.isfinite(back.quantile(q)) for q in (0.0, 0.5, 1.0) if back.count)


@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_are_a_sketch_or_an_error(data, begin):
    try:
        sketch = Sketch.unpack(sketch_of([1.0]).pack()[:17] + data if begin else data)
    except ValueError:
        return
    assert sketch.count >= 0
    assert len(sketch.buckets) <= 2048


def test_a_sketch_keeps_its_size_and_its_high_quantiles():
    sketch = sketch_of(10 ** (n / 100) for n in range(-900, 3000))
    assert len(sketch.buckets) == 2048
    assert len(sketch.pack()) < 8200
    assert sketch.quantile(0.99) == pytest.approx(10**29.6, rel=0.2)
    assert sketch.quantile(1.0) == pytest.approx(10**29.99, rel=0.0101)


def test_an_empty_sketch_has_no_quantile():
    assert math.isnan(Sketch().quantile(0.5))
    assert math.isnan(sketch_of([1.0]).quantile(1.5))
