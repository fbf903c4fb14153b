"""The rank test against published values, brute force and its own symmetries."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.significance import mann_whitney

values = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=40)


def counted(before, after):
    """U of the second sample by its definition."""
    return sum((b > a) + (b == a) / 2 for a in before for b in after)


@given(values, values)
def test_u_is_what_its_definition_says(before, after):
    test = mann_whitney(before, after)
    assert test.u == pytest.approx(counted(before, after))
    assert 0.0 <= test.p <= 1.0
    assert -1.0 <= test.delta <= 1.0


@given(values, values)
def test_it_looks_the_same_from_both_sides_and_in_any_unit(before, after):
    there, back = mann_whitney(before, after), mann_whitney(after, before)
    assert there.p == pytest.approx(back.p)
    assert there.delta == pytest.approx(-back.delta)
    scaled = mann_whitney([v * 3 + 7 for v in before], [v * 3 + 7 for v in after])
    assert scaled == there


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_small_samples_are_exact(n, m, data):
    order = data.draw(st.permutations(range(n + m)))
    before, after = [float(v) for v in order[:n]], [float(v) for v in order[n:]]
    far = abs(counted(before, after) - n * m / 2)
    splits = [set(chosen) for chosen in combinations(range(n + m), m)]
    as_far = sum(
        abs(counted([v for v in range(n + m) if v not in one], one) - n * m / 2) >= far for one in splits
    )
    assert mann_whitney(before, after).p == pytest.approx(min(1.0, as_far / len(splits)))


def test_published_values():
    # Mann and Whitney's table (1947): n = m = 5, U = 2 has a one-sided probability of 4 in 252.
    test = mann_whitney([1, 2, 3, 4, 7], [5, 6, 8, 9, 10])
    assert test.u == 23
    assert test.p == pytest.approx(2 * 4 / 252)
    # All apart, n = m = 20: 2 / C(40, 20) exactly; the approximation is told with 1e-7.
    far = mann_whitney([float(v) for v in range(20)], [float(v) for v in range(20, 40)])
    assert far.delta == 1.0
    assert far.p == pytest.approx(6.8e-8, rel=0.01)


@pytest.mark.parametrize(("before", "after"), [([], [1.0]), ([1.0], []), ([5.0] * 30, [5.0] * 30)])
def test_nothing_is_concluded_from_nothing(before, after):
    assert mann_whitney(before, after).p == 1.0
    assert not mann_whitney(before, after).beyond_noise


def test_sure_but_tiny_is_noise():
    before = [float(v % 100) for v in range(4000)]
    after = [v + 6.0 for v in before]
    test = mann_whitney(before, after)
    assert test.p < 0.001
    assert not test.beyond_noise
