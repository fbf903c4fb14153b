"""Curves between their points, merged over nodes, and the size they speak for."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.misscurves import advice, at, by_namespace, merged, shared
from perftui.analysis.missratio import MissRatio
from perftui.model.misscurve import FACTORS, MissCurve, Point
from perftui.model.noderecord import NodeRecord, NodesLook
from perftui.model.tiers import TierStats


def made(
    room=1000, seen=1000.0, miss=lambda size: 1 / (1 + size / 500), error=0.01, entry_bytes=100.0, rate=0.1
):
    sizes = sorted({max(1, round(room * factor)) for factor in FACTORS})
    return MissCurve(room, entry_bytes, seen, rate, tuple(Point(n, miss(n), error) for n in sizes))


@given(st.floats(1, 1e6))
def test_between_points_it_lies_between_them(size):
    curve = made()
    found = at(curve, size)
    below = [p for p in curve.points if p.entries <= size] or [curve.points[0]]
    above = [p for p in curve.points if p.entries >= size] or [curve.points[-1]]
    low, high = above[0].miss_ratio, below[-1].miss_ratio
    assert min(low, high) - 1e-12 <= found.miss_ratio <= max(low, high) + 1e-12
    assert all(at(curve, p.entries) == p for p in curve.points)


def test_nodes_weigh_by_their_accesses_and_sizes_add_up():
    busy, idle = made(miss=lambda _: 0.1, seen=900.0), made(miss=lambda _: 0.5, seen=100.0)
    both = merged((busy, idle))
    assert (both.room, both.seen, both.nodes, both.entry_bytes) == (2000, 1000.0, 2, 100.0)
    assert at(both, 2000).miss_ratio == pytest.approx(0.14)
    assert at(both, 2000).error == pytest.approx(math.hypot(0.009, 0.001))
    assert merged((busy,)) is busy
    assert merged((both, busy)).nodes == 3


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(1, 1e6)), min_size=2, max_size=5))
def test_a_merged_curve_never_rises_and_has_its_place_now(nodes):
    curves = [made(room, seen, lambda n, r=room: 1 / (1 + n / r)) for room, seen in nodes]
    both = merged(curves)
    ratios = [p.miss_ratio for p in both.points]
    assert ratios == sorted(ratios, reverse=True)
    assert [p.entries for p in both.points] == sorted({p.entries for p in both.points})
    now = sum(c.seen * at(c, c.room).miss_ratio for c in curves) / sum(c.seen for c in curves)
    assert at(both, both.room).miss_ratio == pytest.approx(now)


def test_nodes_of_one_stream_are_as_one():
    chance = random.Random(1)
    stream = [int(chance.paretovariate(0.7)) % 5000 * 7919 for _ in range(40_000)]
    curves = []
    for half in (stream[::2], stream[1::2]):
        ratio = MissRatio(1.0)
        ratio.extend(half)
        points = ratio.curve(sorted({max(1, round(300 * f)) for f in FACTORS}))
        curves.append(MissCurve(300, 0.0, ratio.seen, 1.0, points))
    for a, b in zip(merged(curves).points, curves[0].points, strict=True):
        assert a.miss_ratio == pytest.approx(b.miss_ratio, abs=0.02)


def test_half_and_double_are_told_with_money():
    said = advice(made(), 2.0)
    assert said.now == Point(1000, pytest.approx(1 / 3), 0.01)
    assert said.half_costs == pytest.approx(1 / 2 - 1 / 3)
    assert said.double_brings == pytest.approx(1 / 3 - 1 / 5)
    assert (said.bytes_now, said.price_now) == (100_000.0, pytest.approx(0.0002))
    assert said.open_end
    assert (said.entries, said.error) == (10_079, 0.01)


def test_a_curve_that_is_flat_speaks_for_less_and_a_cliff_for_what_lies_beyond():
    flat = advice(made(miss=lambda n: 0.3 if n < 300 else 0.05))
    assert 300 <= flat.entries <= 400
    assert not flat.open_end
    assert flat.then.miss_ratio == pytest.approx(0.05)
    cliff = advice(made(miss=lambda n: 0.9 if n < 5000 else 0.05))
    assert 5000 <= cliff.entries <= 6400
    nothing = advice(made(miss=lambda _: 0.2, entry_bytes=0.0), 5.0)
    assert (nothing.entries, nothing.bytes_then, nothing.price_then) == (62, None, None)


def test_a_memory_that_nodes_share_grows_while_a_doubling_pays():
    asked = shared(made(), 2000)
    assert asked.times == pytest.approx(4.0)
    assert (asked.now.miss_ratio, asked.then.miss_ratio) == pytest.approx((1 / 5, 1 / 17), rel=0.01)
    assert asked.error == 0.01
    assert shared(made(miss=lambda _: 0.3), 2000).times == 1.0
    steep = shared(made(miss=lambda size: 0.5 if size < 3000 else 0.1), 2000)
    assert 1.0 < steep.times < 2.0
    both = shared(merged((made(), made())), 2000)
    assert both.now.miss_ratio == pytest.approx(1 / 5, rel=0.01)


@pytest.mark.parametrize("entries", [0, 900, 8100, 1e9])
def test_nothing_is_said_of_sizes_that_a_shared_memory_has_not(entries):
    assert shared(made(), entries) is None


def test_few_nodes_speak_for_many():
    records = [NodeRecord(TierStats("shop", str(n), curve=made()), 0.0) for n in range(5)]
    assert by_namespace(NodesLook(tuple(records)))["shop"].nodes == 5
    assert by_namespace(NodesLook(tuple(records)), 2)["shop"].nodes == 2
