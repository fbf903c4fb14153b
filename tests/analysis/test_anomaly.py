"""Unusual values: the laws of the judge, of seasons and of the trees."""

import math
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import mon_anomaly as trial
from perftui.analysis.anomaly import LONG, WARM, DetectorState, Judge, detect
from perftui.analysis.halfspace import DEPTH, FEATURES, SPARSE, WINDOW, Forest, _worth
from perftui.analysis.seasonal import DAY, HOUR, WEEK, Season, fit, learn, period

finite = st.floats(-1e9, 1e9)


def fed(values, state=None, step=10.0, start=1.0):
    state = state or DetectorState()
    scores = []
    for i, value in enumerate(values):
        state, score = detect(state, start + i * step, value)
        scores.append(score)
    return state, scores


def noise(n, mean=100.0, sigma=2.0, seed=1):
    r = random.Random(seed)
    return [r.gauss(mean, sigma) for _ in range(n)]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=200))
@settings(max_examples=60, deadline=None)
def test_nothing_makes_it_fall_over(values):
    _, scores = fed(values)
    assert len(scores) == len(values)
    assert all(0 <= s.score <= 1 for s in scores)


@given(finite, st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_a_constant_is_never_unusual(value, n):
    _, scores = fed([value] * n)
    assert not any(s.odd or s.alarm for s in scores)


@given(st.floats(-1e6, 1e6), st.floats(0.01, 1e3), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_moving_or_stretching_a_series_changes_no_verdict(shift, scale, seed):
    row = noise(200, 0.0, 1.0, seed) + [12.0] * 5
    _, one = fed(row)
    _, other = fed([shift + scale * v for v in row])
    assert [s.z for s in other] == pytest.approx([s.z for s in one], rel=1e-3, abs=1e-3)


def test_no_number_and_no_later_point_change_nothing():
    state, _ = fed(noise(100))
    before = (state.seen, state.mean, state.variance, len(state.ring))
    for at, value in ((2000.0, math.nan), (2000.0, math.inf), (2000.0, 1e200), (5.0, 100.0)):
        state, score = detect(state, at, value)
        assert not score.odd
    assert (state.seen, state.mean, state.variance, len(state.ring)) == before


def test_it_says_how_far_it_has_learned_and_judges_nothing_before():
    _, scores = fed([*noise(WARM // 2), 1000000.0])
    assert scores[-1].learned == pytest.approx((WARM // 2 + 1) / WARM)
    assert not scores[-1].odd


def test_a_long_gap_begins_the_learning_again():
    state, _ = fed(noise(200))
    state, score = detect(state, 2000.0 + 11 * 10.0, 500.0)
    assert score.learned == pytest.approx(1 / WARM)
    assert not score.odd
    assert len(state.ring) == 1


def test_a_short_gap_does_not():
    state, _ = fed(noise(200))
    _, score = detect(state, 2000.0 + 5 * 10.0, 130.0)
    assert score.odd


def test_one_odd_point_is_no_alarm_three_of_five_are_one_and_then_it_is_quiet():
    _, scores = fed([*noise(200), 109.0, 100.0, 100.0])
    assert scores[200].odd
    assert not any(s.alarm for s in scores)
    _, scores = fed([*noise(200), *[115.0] * 20])
    assert [i for i, s in enumerate(scores) if s.alarm] == [202]
    assert all(s.lasting for s in scores[202:])


def test_the_quiet_time_separates_alarms_and_follows_the_season():
    calm, burst = noise(60, seed=3), [120.0] * 5
    state, scores = fed([*noise(200), *burst, *calm, *burst, *calm, *burst])
    alarms = [s.at for s in scores if s.alarm]
    assert state.quiet == 900
    assert len(alarms) == 2  # the middle one came within the quiet time
    assert alarms[1] - alarms[0] > 900
    assert DetectorState(season=Season(DAY, (0.0,) * 96, 1.0, 1.0)).quiet == 8640


def test_a_shift_that_holds_is_the_new_normal_with_its_figures():
    row = [*noise(300, 210, 5), *noise(400, 340, 5, seed=2)]
    state, scores = fed(row)
    moved = [s for s in scores if s.moved]
    assert len(moved) == 1
    before, after = moved[0].moved
    assert (before, after) == (pytest.approx(210, abs=3), pytest.approx(340, abs=3))
    assert moved[0].at - 3001 >= 3 * state.quiet
    assert scores[-1].expected == pytest.approx(340, abs=5)
    assert not any(s.odd for s in scores[-50:])


def test_the_long_memory_is_bounded_and_exact():
    r = random.Random(6)
    row = [1e6 + r.uniform(-1, 1) for _ in range(2 * LONG + 100)]  # nothing odd: all is learned
    state, _ = fed(row)
    kept = row[-LONG:]
    mean = math.fsum(kept) / LONG
    assert len(state.ring) == LONG
    assert state.long()[0] == pytest.approx(mean, rel=1e-12)
    assert state.long()[1] == pytest.approx(
        math.sqrt(math.fsum((v - mean) ** 2 for v in kept) / LONG), rel=1e-6
    )


def test_a_floor_hides_what_nobody_cares_about():
    row = [0.0] * 200 + [0.001] * 5
    _, plain = fed([*noise(100, 0, 1e-5), *row])
    _, calm = fed([*noise(100, 0, 1e-5), *row], DetectorState(Judge(floor=0.005)))
    assert any(s.odd for s in plain)
    assert not any(s.odd for s in calm)


def weeks(days, daily=30.0, weekly=0.0, step=600.0, seed=5):
    r = random.Random(seed)
    at = [i * step for i in range(int(days * DAY / step))]
    value = [
        100
        + daily * math.sin(2 * math.pi * a / DAY)
        + weekly * max(0.0, math.sin(2 * math.pi * a / WEEK)) ** 16
        + r.gauss(0, 2)
        for a in at
    ]
    return at, value


def test_the_period_is_found_with_its_strength_and_none_is_an_answer():
    assert period(*weeks(14)).seconds == DAY
    assert period(*weeks(14)).strength > 0.9
    assert period(*weeks(14, daily=5.0, weekly=40.0)).seconds == WEEK
    assert period(*weeks(14, daily=0.0)).seconds == 0
    hourly = [i * 60.0 for i in range(400)]
    assert period(hourly, [math.sin(2 * math.pi * a / HOUR) for a in hourly]).seconds == HOUR
    assert period(*weeks(1.5)).seconds == 0  # two whole periods are needed
    assert period([], []).seconds == 0
    assert period([1.0, 2.0] * 30, [5.0] * 60).seconds == 0


@given(st.floats(1, 1e4), st.floats(0, 6.28), st.floats(-1e4, 1e4))
@settings(max_examples=15, deadline=None)
def test_a_fitted_season_is_the_wave_it_was_made_of(size, phase, level):
    at = [i * 900.0 for i in range(4 * 96)]
    value = [level + size * math.sin(2 * math.pi * a / DAY + phase) for a in at]
    season = fit(at, value, DAY)
    # a quarter of an hour's part stands for its middle: that is all it may be off
    assert all(
        abs(season.at(a + 450) - v) <= 0.01 * size + 1e-9 * abs(level) for a, v in zip(at, value, strict=True)
    )
    assert season.at(at[5]) == pytest.approx(season.at(at[5] + 7 * DAY))


def test_an_incident_leaves_no_ghost_in_the_season():
    at, value = weeks(7)
    spoiled = [
        v + 500 * (2 * DAY + 3 * HOUR < a < 2 * DAY + 6 * HOUR) for a, v in zip(at, value, strict=True)
    ]
    clean, dirty = fit(at, value, DAY), fit(at, spoiled, DAY)
    assert max(abs(clean.at(a) - dirty.at(a)) for a in at[:144]) < 6


def test_a_weekly_peak_is_no_alarm_from_the_third_week_but_its_absence_is_one():
    at, value = weeks(21, daily=5.0, weekly=60.0)
    _, flat = weeks(21, daily=5.0)
    two = len(at) * 2 // 3
    season = learn(at[:two], value[:two])
    assert season is not None
    assert season.period == WEEK

    def alarms(row, season):
        _, scores = fed(row, DetectorState(season=season), 600.0, 0.5)
        return sum(s.alarm for s in scores[two:])

    assert alarms(value, season) == 0
    missing = [*value[:two], *flat[two:]]
    assert alarms(missing, season) >= 1
    assert alarms(missing, None) == 0  # nothing unusual happens, unless one knows what should


def test_the_trees_find_what_is_rare_and_name_why():
    r = random.Random(4)
    forest, ranks = Forest(), []
    for i in range(1500):
        value = 100 + r.gauss(0, 2)
        ranks.append(forest.rate(i * 60.0, value, value - 100, value - 100).rank)
    odd = forest.rate(1500 * 60.0, 130.0, 30.0, 30.0)
    assert all(rank == 1.0 for rank in ranks[: 2 * WINDOW])
    assert odd.rank < 0.01
    assert sum(rank < 0.01 for rank in ranks[1000:]) < 25  # a rank is a share: about five of five hundred
    assert {name for name, _ in odd.reasons} <= set(FEATURES)
    assert odd.reasons[0][1] > 4


def test_the_trees_are_repeatable_and_small():
    def size(thing):
        parts = [thing._worth, thing._fresh, thing._sorted, thing._ratings, thing._hours]
        arrays = [a for row in (thing._worth, thing._fresh) for a in row]
        return sum(map(sys.getsizeof, [*parts, *arrays])) + 24 * (len(thing._sorted) + 2 * len(thing._hours))

    one, other = Forest(7), Forest(7)
    r = random.Random(9)
    for i in range(3000):
        v = r.gauss(0, 1)
        assert one.rate(i * 3600.0, v, v, v) == other.rate(i * 3600.0, v, v, v)
    assert size(one) <= 200_000


def test_seeded_incidents_are_found_better_than_by_plain_three_sigma():
    cases = [trial.make(500 + n) for n in range(24)]
    mine, delays = trial.judge(trial.ours, cases)
    plain, _ = trial.judge(trial.plain, cases)
    found = sorted(d for row in delays.values() for d in row)
    assert mine.precision >= 0.85
    assert mine.recall >= 0.8  # a small draw; the benchmark's two hundred series hold the target
    assert mine.f1 >= 1.3 * plain.f1
    assert found[len(found) // 2] <= 5


@given(st.lists(st.integers(0, 40), min_size=2**DEPTH, max_size=2**DEPTH))
def test_what_a_leaf_is_worth_is_the_mass_of_the_first_sparse_node_on_the_way_to_it(counted):
    def mass(node):
        return counted[node - 2**DEPTH] if node >= 2**DEPTH else mass(2 * node) + mass(2 * node + 1)

    for leaf, worth in enumerate(_worth(counted), 2**DEPTH):
        node, way = 1, list(map(int, f"{leaf:b}"[1:]))
        while mass(node) > SPARSE and way:
            node = 2 * node + way.pop(0)
        assert worth == mass(node) * 2 ** (DEPTH - len(way))
