"""When a rate has jumped: laws over waves, steps, bursts and idle services."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.surge import FEWEST, LEAST, LEAST_USUAL, OVER_PEAKS, usual

RATES = st.floats(0.0, 1e5)


@given(
    st.floats(0.1, 1e4),
    st.floats(0.0, 0.35),
    st.floats(30.0, 86400.0),
    st.floats(0.0, 7.0),
    st.integers(12, 450),
)
def test_a_wave_of_a_day_is_no_jump_wherever_it_is_first_seen(scale, depth, period, phase, samples):
    def rate(second):
        return scale * (1 + depth * math.sin(2 * math.pi * second / period + phase))

    past = [rate(2.0 * i) for i in range(samples)]
    assert all(usual(past, rate(2.0 * samples + later)) is None for later in range(0, 400, 7))


@given(st.floats(LEAST_USUAL, 1e4), st.floats(2.6, 100.0), st.integers(FEWEST, 450))
def test_a_step_is_a_jump_over_the_level_before(level, factor, samples):
    now = level * factor
    assert usual([level] * samples, now) == (level if now >= LEAST else None)


@given(st.lists(RATES, max_size=100), RATES)
def test_what_has_been_seen_before_or_matters_to_nobody_is_no_jump(past, now):
    found = usual(past, now)
    if found is None:
        return
    assert len(past) >= FEWEST
    assert now >= max(LEAST, 2.5 * found)
    assert sum(rate * OVER_PEAKS <= now for rate in past) >= 0.95 * len(past) - 1


@given(st.lists(RATES, min_size=FEWEST, max_size=100), RATES, RATES)
def test_more_is_a_jump_where_less_was_one(past, a, b):
    less, more = sorted((a, b))
    assert usual(past, less) is None or usual(past, more) == usual(past, less)


def test_a_burst_that_comes_every_five_minutes_is_news_once():
    burst, calm = [100.0] * 15, [10.0] * 135
    assert usual(calm * 3, 100.0) == 10.0
    assert usual((burst + calm) * 3, 100.0) is None


def test_back_after_an_outage_is_no_jump():
    assert usual([50.0] * 100 + [0.5] * 300, 50.0) is None


def test_an_idle_service_has_nothing_usual():
    assert usual([0.2] * 100, 60.0) is None
