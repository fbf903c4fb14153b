"""Miss ratio curves: exact where everything is looked at, near and honest where one key in a hundred is."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.missratio import MASK, Distances, FewDistances, MissRatio
from perftui.analysis.policies import Lru


def hashes(seed, n, alpha=0.6, keys=40_000):
    """A zipf stream of uniform hashes."""
    chance = random.Random(seed)
    names = [chance.getrandbits(62) for _ in range(keys)]
    weights = [1 / (k + 1) ** alpha for k in range(keys)]
    return chance.choices(names, weights, k=n)


def misses(stream, capacity):
    access = Lru(capacity).access
    return 1 - sum(access(key) for key in stream) / len(stream)


BOTH = pytest.mark.parametrize("made", [Distances, FewDistances])


@BOTH
@given(stream=st.lists(st.integers(0, 9), max_size=100))
def test_distances_are_those_of_a_stack(made, stream):
    distances, stack = made(), []
    for key in stream:
        wanted = stack.index(key) if key in stack else None
        assert distances.use(key) == wanted
        if key in stack:
            stack.remove(key)
        stack.insert(0, key)
    assert len(distances) == len(stack)


@BOTH
def test_distances_after_packing_and_forgetting(made):
    distances, stack, chance = made(), [], random.Random(1)
    for turn in range(6000):
        key = chance.randrange(900)
        assert distances.use(key) == (stack.index(key) if key in stack else None)
        if key in stack:
            stack.remove(key)
        stack.insert(0, key)
        if turn % 7 == 0:
            distances.forget(stack.pop(chance.randrange(len(stack))))


@given(st.lists(st.integers(0, 15), min_size=1, max_size=150), st.integers(1, 20))
def test_at_full_rate_it_is_lru(stream, capacity):
    curve = MissRatio(rate=1.0)
    curve.extend(stream)
    assert curve.at(capacity).miss_ratio == pytest.approx(misses(stream, capacity))
    assert curve.at(capacity).error == 0.0


def judged(alpha, keys, n, rate, sizes, seeds):
    """How far the curve is from LRU at each size of each run, and by how much it says it may be."""
    off = []
    for seed in seeds:
        stream = hashes(seed, n, alpha, keys)
        curve = MissRatio(rate)
        curve.extend(stream)
        off += [(abs(p.miss_ratio - misses(stream, p.entries)), p.error) for p in curve.curve(sizes)]
    return off


def test_a_sample_is_near_and_says_how_near():
    off = []
    for alpha in (0.6, 0.9, 1.1):
        off += judged(alpha, 20_000, 50_000, 0.05, (1000, 3000, 10_000), range(12))
    assert fmean(miss for miss, _ in off) < 0.03
    assert fmean(error for _, error in off) < 0.06, "an interval of everything says nothing"
    assert sum(miss <= error for miss, error in off) >= 0.87 * len(off)


def test_a_fixed_number_of_keys():
    stream = hashes(3, 100_000, 0.8)
    curve = MissRatio(rate=1.0, most=600)
    curve.extend(stream)
    assert curve.sampled <= 600
    assert 0.001 < curve.rate < 0.1
    for point in curve.curve((1000, 10_000)):
        assert point.miss_ratio == pytest.approx(misses(stream, point.entries), abs=0.04)


def test_one_by_one_is_as_many_at_once():
    stream = hashes(9, 5000)
    one, many = MissRatio(0.3, most=500), MissRatio(0.3, most=500)
    for key in stream:
        one.add(key)
    many.extend(stream)
    assert one.seen == many.seen == 5000
    assert one.curve((50, 500)) == many.curve((50, 500))


def test_a_larger_cache_never_misses_more():
    curve = MissRatio(0.1)
    curve.extend(hashes(4, 20_000))
    ratios = [p.miss_ratio for p in curve.curve(range(100, 40_000, 500))]
    assert ratios == sorted(ratios, reverse=True)


def test_nothing_seen_says_nothing():
    curve = MissRatio()
    assert curve.curve((1, 2)) == ()
    assert (curve.at(5).miss_ratio, curve.at(5).error) == (1.0, 1.0)


@pytest.mark.parametrize(("rate", "most"), [(0, None), (1.5, None), (0.5, 0)])
def test_senseless_rates_are_refused(rate, most):
    with pytest.raises(ValueError, match="rate"):
        MissRatio(rate, most)


def test_what_is_left_out_before_is_as_if_it_was_left_out_here():
    stream = hashes(5, 20_000, 0.8, 3000)
    whole, told = MissRatio(1.0, most=400), MissRatio(1.0, most=400)
    for one in (whole, told):
        one.narrow(1 << 21)
    whole.extend(stream)
    kept = [key for key in stream if key & MASK < told.below]
    told.extend(kept)
    told.skip(len(stream) - len(kept))
    assert told.rate == whole.rate <= 1 / 8
    assert told.curve((100, 1000)) == whole.curve((100, 1000))


def test_what_narrows_later_forgets_keys_and_stays_near():
    stream = hashes(6, 40_000, 0.8, 3000)
    curve = MissRatio(1.0, most=5000)
    curve.extend(stream[:5000])
    before = curve.sampled
    curve.narrow(1 << 22)
    assert curve.sampled < before / 2
    curve.extend(stream[5000:])
    assert curve.at(500).miss_ratio == pytest.approx(misses(stream, 500), abs=0.05)


def test_what_faded_weighs_less_and_says_the_same():
    curve = MissRatio(1.0, most=500)
    curve.extend(hashes(7, 5000, 0.8, 400))
    before = curve.at(100)
    curve.fade(0.25)
    assert curve.seen == 1250
    assert curve.at(100).miss_ratio == pytest.approx(before.miss_ratio)
    curve.extend([12345] * 3750)
    assert curve.at(100).miss_ratio == pytest.approx(before.miss_ratio / 4, abs=0.001)


def test_a_key_left_out_is_a_hit_of_every_size():
    stream = hashes(8, 6000, 0.5, 300)
    curve = MissRatio(1.0, most=500)
    curve.extend(stream[:3000])
    before = curve.sampled
    hot = stream[0]
    curve.leave_out((hot, 987_654_321))
    assert curve.sampled == before - 1
    rest = [key for key in stream[3000:] if key != hot]
    curve.extend(rest)
    curve.skip(3000 - len(rest))
    assert curve.at(100).miss_ratio == pytest.approx(misses(stream, 100), abs=0.02)
    curve.narrow(1)
    assert curve.sampled <= 1
