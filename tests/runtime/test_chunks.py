"""Packed samples come back; folding keeps what a chart and a sum need; damage is told, not drawn."""

from __future__ import annotations

import math
import random
import zlib
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.runtime.chunks import dense, folded, joined, pack, pack_times, plain, unpack, unpack_times

numbers = st.one_of(
    st.floats(width=64),
    st.integers(-(2**60), 2**60).map(float),
    st.integers(-300, 300).map(float),
    st.floats(0, 1),
)
columns = st.lists(numbers, max_size=80) | st.lists(st.integers(-(2**52), 2**52).map(float), max_size=80)


def same(got, want):
    if math.isnan(want):
        return math.isnan(got)
    if want.is_integer() if math.isfinite(want) else True:
        return got == want
    return abs(got - want) <= abs(want) * 2**-23


@settings(deadline=None, max_examples=40)
@given(columns)
def test_packed_values_come_back_integers_exactly_others_to_seven_digits(values):
    (got,) = unpack(pack([array("d", values)]))
    assert len(got) == len(values)
    assert all(map(same, got, values))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 30).flatmap(
        lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=5)
    )
)
def test_columns_come_back_together(rows):
    got = unpack(pack([array("d", column) for column in rows]))
    assert [len(column) for column in got] == [len(column) for column in rows]
    assert all(same(a, b) for g, w in zip(got, rows, strict=True) for a, b in zip(g, w, strict=True))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 4e9), max_size=80))
def test_times_come_back_to_the_microsecond(times):
    times = sorted(times)
    got = unpack_times(pack_times(array("d", times)))
    assert got == array("d", (round(round(at * 1e6) / 1e6, 6) for at in times))


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 255))
def test_damage_is_a_value_error(junk, place, byte):
    good = bytearray(pack([array("d", range(50))]))
    good[place % len(good)] ^= byte
    for data in (junk, bytes(good), bytes(good[: place % len(good)])):
        for reader in (unpack, unpack_times):
            try:
                reader(data)
            except ValueError:
                pass


def test_a_bomb_is_refused():
    with pytest.raises(ValueError, match="damaged"):
        unpack(zlib.compress(bytes(200 << 20)))


rising = st.lists(st.floats(0, 5000), max_size=120, unique=True).map(sorted)


@settings(deadline=None, max_examples=40)
@given(rising, st.data(), st.sampled_from([10.0, 60.0, 3600.0]))
def test_a_fold_keeps_extremes_sum_and_last(times, data, step):
    values = [data.draw(st.floats(-1e6, 1e6) | st.just(math.nan)) for _ in times]
    rows = folded(plain(array("d", times), array("d", values)), step)
    live = [(at, value) for at, value in zip(times, values, strict=True) if not math.isnan(value)]
    assert sum(rows.count) == len(live)
    assert all(at % step == 0 for at in rows.at)
    rows = dense(rows)
    total = sum(mean * count for mean, count in zip(rows.mean, rows.count, strict=True))
    assert math.isclose(total, sum(value for _, value in live), abs_tol=1e-3)
    for at, low, high, mean, last in zip(rows.at, rows.low, rows.high, rows.mean, rows.last, strict=True):
        inside = [value for instant, value in live if at <= instant < at + step]
        assert (low, high, last) == (min(inside), max(inside), inside[-1])
        assert low - 1e-6 <= mean <= high + 1e-6


@settings(deadline=None, max_examples=40)
@given(rising)
def test_folding_twice_is_folding_once(times):
    raw = plain(array("d", times), array("d", times))
    once, twice = folded(raw, 3600.0), folded(folded(folded(raw, 10.0), 60.0), 3600.0)
    for a, b in zip((once.at, *once.columns), (twice.at, *twice.columns), strict=True):
        assert all(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-9) for x, y in zip(a, b, strict=True))


def test_joining_keeps_order_and_the_first_of_two():
    a = plain(array("d", [3, 4]), array("d", [30, 40]))
    b = plain(array("d", [1, 3]), array("d", [10, 99]))
    rows = joined([a, b], 0.0)
    assert (list(rows.at), list(rows.mean)) == ([1, 3, 4], [10, 30, 40])


def typical(rng, n=300):
    """Columns like those of a console: rates, ratios, gauges, byte counts, counters, things that rarely move."""
    size = total = 1e9
    yield [1000 + 50 * math.sin(i / 30) + rng.gauss(0, 20) for i in range(n)]
    yield [round(0.93 + rng.gauss(0, 0.002), 4) for _ in range(n)]
    yield [float(rng.randint(10, 40)) for _ in range(n)]
    yield [3.0] * n
    yield [(size := size + rng.randint(-4096, 8192)) for _ in range(n)]
    yield [(total := total + rng.randint(900, 1100)) for _ in range(n)]
    yield [100.0 + (i // 40) for i in range(n)]


def test_a_sample_takes_at_most_sixteen_tenths_of_a_byte():
    rows = [array("d", column) for column in typical(random.Random(7))]
    assert sum(len(pack([column])) for column in rows) / (300 * len(rows)) <= 1.6
