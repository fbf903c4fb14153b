"""Which series led: true leads are found with their length, noise and followers are not."""

from __future__ import annotations

import math
import random

import pytest

from perftui.analysis.movers import ALIKE, LEVEL, POINTS, STEP, best, distance, grid, movers
from perftui.model.series import SeriesKey


def noisy(seed, jumps=(), level=100.0, spread=1.0):
    """Ten minutes by ten seconds; each jump is (point, size)."""
    dice = random.Random(seed)
    return [level + dice.gauss(0, spread) + sum(size for at, size in jumps if n >= at) for n in range(POINTS)]


def key(name):
    return SeriesKey("web", name)


def test_the_lead_of_a_step_is_found_whatever_its_size_and_sign():
    target = noisy(1, [(50, 40.0)])
    others = {
        key("cause"): noisy(2, [(44, 800.0)], level=10.0),
        key("inverse"): noisy(3, [(47, -60.0)]),
        key("follower"): noisy(4, [(53, 40.0)]),
        key("together"): noisy(5, [(50, 40.0)]),
        key("noise"): noisy(6),
        key("elsewhere"): noisy(7, [(40, 30.0), (43, -30.0)]),
    }
    found = movers(target, others, {key("cause"): "bytes"})
    assert [(one.key.name, one.lead, one.unit) for one in found] == [
        ("cause", 60.0, "bytes"),
        ("inverse", 30.0, "1"),
    ]
    assert found[0].r > 0.9 > -0.9 > found[1].r
    assert (found[0].before, found[0].after) == (pytest.approx(10, abs=1), pytest.approx(810, abs=1))


def test_many_series_of_noise_lead_nothing():
    target = noisy(1, [(50, 40.0)])
    others = {key(f"n{seed}"): noisy(seed) for seed in range(100, 700)}
    assert movers(target, others, {}) == ()


@pytest.mark.parametrize(("size", "names"), [(3.0, []), (6.0, ["drift"])])
def test_what_stayed_within_its_usual_spread_led_nothing_however_alike_it_is(size, names):
    target = noisy(1, [(50, 40.0)])
    wobble = [(1.0 if n % 2 else -1.0) if n < LEVEL else 0.0 for n in range(POINTS)]
    drift = [value + (size if n >= 44 else 0.0) for n, value in enumerate(wobble)]
    assert best(target, drift)[1] > ALIKE
    assert [one.key.name for one in movers(target, {key("drift"): drift}, {})] == names


def test_a_ramp_that_leads_by_a_minute():
    def ramp(start):
        return [min(50.0, max(0.0, (n - start) * 5.0)) for n in range(POINTS)]

    assert best(ramp(46), ramp(40)) == (6, pytest.approx(1.0))


def test_the_grid_fills_gaps_and_refuses_what_was_not_there():
    at = [n * STEP + 1 for n in range(POINTS)]
    values = [float(n) for n in range(POINTS)]
    assert grid(at, values, POINTS * STEP) == values
    holes = [math.nan if n in (7, 8) else v for n, v in enumerate(values)]
    assert grid(at, holes, POINTS * STEP)[6:10] == [6.0, 6.0, 6.0, 9.0]
    assert grid(at[20:], values[20:], POINTS * STEP) is None
    assert grid([], [], POINTS * STEP) is None


def test_a_quick_look_tells_what_moved():
    assert distance(noisy(1, [(54, 20.0)])) > 10
    assert distance(noisy(1)) < 3
    assert distance([math.nan, *noisy(1, [(54, 20.0)])]) > 10
    assert distance([]) == 0.0
    assert distance([5.0] * 60) == 0.0
