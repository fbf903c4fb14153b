"""Counts in bounded room: bounds that hold for every stream, and forgetting."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.frequency import CountMin, SpaceSaving

streams = st.lists(st.integers(0, 30) | st.text(max_size=2), max_size=200)


@given(streams)
def test_count_min_is_never_too_low(stream):
    sketch = CountMin(error=0.2, doubt=0.3)
    for key in stream:
        sketch.add(key)
    assert sketch.total == len(stream)
    assert all(sketch.count(key) >= n for key, n in Counter(stream).items())


def test_count_min_is_seldom_too_high():
    chance = random.Random(11)
    stream = [f"k{int(chance.paretovariate(0.7))}" for _ in range(30_000)]
    sketch = CountMin(error=0.002, doubt=0.02)
    for key in stream:
        sketch.add(key)
    true = Counter(stream)
    beyond = sum(sketch.count(key) > n + 0.002 * len(stream) for key, n in true.items())
    assert beyond <= 0.02 * len(true)


def test_count_min_takes_numbers_that_count():
    sketch = CountMin(error=0.001)
    for n in range(2000):
        sketch.add(n)
    assert sum(sketch.count(n) > 3 for n in range(2000)) < 40


@given(streams, st.floats(0, 1))
def test_count_min_ages(stream, keep):
    sketch = CountMin(error=0.2)
    for key in stream:
        sketch.add(key)
    before = {key: sketch.count(key) for key in stream}
    sketch.age(keep)
    assert sketch.total == pytest.approx(len(stream) * keep)
    assert all(sketch.count(key) == pytest.approx(n * keep) for key, n in before.items())


@given(streams, st.integers(1, 12))
def test_space_saving_keeps_its_bounds(stream, room):
    top = SpaceSaving(room)
    for key in stream:
        top.add(key)
    true = Counter(stream)
    found = {f.key: f for f in top.top(room)}
    assert len(top) == len(found) == min(room, len(true))
    assert all(f.count - f.error <= true[key] <= f.count for key, f in found.items())
    assert sum(f.count for f in found.values()) == len(stream), "each count is somebody's"
    assert all(key in found for key, n in true.items() if n > len(stream) / room)


def test_space_saving_finds_the_head_of_a_zipf():
    chance = random.Random(2)
    stream = [int(chance.paretovariate(1.0)) for _ in range(20_000)]
    top = SpaceSaving(100)
    for key in stream:
        top.add(key)
    wanted = [key for key, _ in Counter(stream).most_common(10)]
    assert {f.key for f in top.top(10)} == set(wanted)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.lists(st.integers(5, 20), max_size=80))
def test_space_saving_keeps_its_bounds_through_ageing(before, after):
    top = SpaceSaving(6)
    for key in before:
        top.add(key)
    top.age(0.5)
    for key in after:
        top.add(key)
    old, new = Counter(before), Counter(after)
    for f in top.top(6):
        true = old[f.key] * 0.5 + new[f.key]
        assert f.count - f.error <= true + 1e-9
        assert true <= f.count + 1e-9


def test_what_was_popular_once_does_not_stay_so():
    top, sketch = SpaceSaving(4), CountMin()
    for _ in range(1000):
        top.add("old")
        sketch.add("old")
    for _ in range(20):
        top.age()
        sketch.age()
    assert len(top) == 0
    assert sketch.count("old") < 0.01
    top.add("new")
    assert [f.key for f in top.top(3)] == ["new"]


@pytest.mark.parametrize("error", [0, 1, 2])
def test_senseless_bounds_are_refused(error):
    with pytest.raises(ValueError, match="error"):
        CountMin(error=error)
    with pytest.raises(ValueError, match="counter"):
        SpaceSaving(0)
