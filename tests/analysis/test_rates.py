"""Rates add up to what the counters did, resets included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.rates import Rates


def test_first_look_has_no_rate() -> None:
    rates = Rates()
    assert rates.step(10.0, {"a": 5}) == {}
    assert rates.step(12.0, {"a": 9, "new": 1}) == {"a": 2.0}
    assert rates.step(13.0, {"a": 9, "new": 4}) == {"a": 0.0, "new": 3.0}


def test_a_reset_counts_from_zero() -> None:
    rates = Rates()
    rates.step(0.0, {"a": 100})
    assert rates.step(2.0, {"a": 10}) == {"a": 5.0}


def test_a_clock_that_stands_or_jumps_back_gives_nothing_and_loses_nothing() -> None:
    rates = Rates()
    rates.step(10.0, {"a": 0})
    assert rates.step(10.0, {"a": 50}) == {}
    assert rates.step(9.0, {"a": 70}) == {}
    assert rates.step(20.0, {"a": 100}) == {"a": 10.0}


@given(st.lists(st.tuples(st.floats(0.1, 10), st.integers(0, 1000)), min_size=1, max_size=30))
def test_rates_add_up(steps: list[tuple[float, int]]) -> None:
    rates, at, count, total = Rates(), 0.0, 0, 0.0
    rates.step(at, {"a": count})
    for gap, more in steps:
        at, count = at + gap, count + more
        rate = rates.step(at, {"a": count})["a"]
        assert rate >= 0
        total += rate * gap
    assert total == pytest.approx(count, abs=1e-6)
