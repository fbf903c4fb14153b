"""Memory of the last minutes: what was recorded comes back, and nothing grows without bound."""

from __future__ import annotations

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from perftui.model.reading import Measure, Reading
from perftui.model.series import Series, SeriesKey
from perftui.runtime.rings import MOST_SAMPLES, Rings

OPS = SeriesKey("v", "ops_per_s")
CORE = SeriesKey("h", "cpu.core", (("core", "0"),))


def reading(at, source="v", **values):
    return Reading(
        source, at, 0.0, tuple(Measure(SeriesKey(source, n), v, "1/s") for n, v in values.items()), None
    )


def pairs(series):
    return [(s.at, s.value) for s in series]


rows = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), st.floats(allow_nan=False), max_size=3), max_size=60
)


@given(rows)
def test_what_was_recorded_comes_back_in_order(rows):
    rings = Rings()
    for n, row in enumerate(rows):
        rings.record(reading(float(n), **row))
    for name in "abc":
        want = [(float(n), row[name]) for n, row in enumerate(rows) if name in row]
        assert pairs(rings.series(SeriesKey("v", name), -math.inf, math.inf)) == want
        assert pairs(rings.series(SeriesKey("v", name), 3.0, 7.0)) == [p for p in want if 3 <= p[0] <= 7]


@given(st.floats(1.7e9, 2.1e9))
def test_a_window_that_ends_at_a_reading_holds_it(at):
    rings, newest = Rings(), reading(at, ops_per_s=1.0)
    rings.record(newest)
    recent = rings.series(OPS, newest.at - 30, newest.at)
    assert list(recent.between(newest.at - 30, newest.at)[1]) == [1.0]


def test_an_unknown_key_is_an_empty_series():
    assert len(Rings().series(OPS, 0, 1)) == 0


def test_the_unit_comes_along():
    rings = Rings()
    rings.record(reading(1.0, ops_per_s=5.0))
    assert rings.series(OPS, 0, 2).unit == "1/s"


def test_a_clock_that_trembles_does_not_fold_the_chart():
    rings = Rings()
    for at in (10.0, 11.0, 10.5, 11.0, 12.0):
        rings.record(reading(at, ops_per_s=at))
    assert [s.at for s in rings.series(OPS, 0, 99)] == [10.0, 11.0, 12.0]


def test_a_clock_set_back_goes_on_from_there():
    rings = Rings()
    for at in (1000.0, 1001.0, 1600.0, 1601.0, 1002.0, 1003.0):
        rings.record(reading(at, ops_per_s=at))
    assert [s.at for s in rings.series(OPS, 0, 9999)] == [1000.0, 1001.0, 1002.0, 1003.0]


def test_old_samples_and_series_without_samples_go():
    rings = Rings(seconds=100)
    rings.record(reading(0.0, gone=1.0))
    for at in range(1, 500):
        rings.record(reading(float(at), ops_per_s=1.0))
    assert rings.keys() == (OPS,)
    assert 100 <= len(rings.series(OPS, 0, 999)) <= 115


def test_fast_backends_are_bounded_by_number():
    rings = Rings()
    for n in range(3 * MOST_SAMPLES):
        rings.record(reading(n / 100, ops_per_s=1.0))
    assert len(rings.series(OPS, 0, 999)) <= MOST_SAMPLES * 1.12


def test_too_many_series_are_refused_and_counted():
    rings = Rings(most_series=10)
    rings.record(reading(1.0, **{f"m{n}": 1.0 for n in range(8)}))
    rings.record(reading(1.0, source="w", **{f"m{n}": 1.0 for n in range(8)}))
    assert len(rings.keys()) == 10
    assert rings.overflow == 6
    rings.record(reading(2.0, **{f"m{n}": 2.0 for n in range(8)}))
    assert rings.overflow == 6
    assert rings.series(SeriesKey("v", "m7"), 0, 9).last.value == 2.0


def test_keys_by_source_exact_name_and_prefix():
    rings = Rings()
    rings.record(reading(1.0, ops_per_s=1.0))
    rings.record(Reading("h", 1.0, 0.0, (Measure(CORE, 0.5, "ratio"),), None))
    assert rings.keys("v") == (OPS,)
    assert rings.keys(name="cpu.") == (CORE,)
    assert rings.keys(name="cpu") == ()
    assert rings.keys("h", "cpu.core") == (CORE,)
    assert rings.keys("nobody") == ()


class Past:
    def __init__(self, at):
        self.asked = []
        self.at = at

    def series(self, key, start, end):
        self.asked.append((start, end))
        series = Series(key, "1/s")
        for at in self.at:
            if start <= at <= end:
                series.append(at, -at)
        return series

    def keys(self, source="", name=""):
        return (OPS, CORE)


def test_older_ranges_come_from_the_past_once():
    past = Past([float(n) for n in range(100)])
    rings = Rings(past=past)
    for n in range(95, 200):
        rings.record(reading(float(n), ops_per_s=float(n)))
    for start in (90.0, 91.0, 92.0):
        got = pairs(rings.series(OPS, start, 100.0))
        assert got == [(float(n), -float(n) if n <= 95 else float(n)) for n in range(int(start), 101)]
    assert past.asked == [(90.0, 95.0)]
    rings.series(OPS, 96.0, 100.0)
    assert len(past.asked) == 1
    assert set(rings.keys()) == {OPS, CORE}


def test_a_source_not_seen_yet_reads_the_past_once():
    now = time.time()
    past = Past([now - 50])
    rings = Rings(past=past)
    for later in range(5):
        assert len(rings.series(OPS, now - 100, time.time() + later)) == 1
    assert len(past.asked) == 1


def test_recording_500_series_is_cheap():
    names = {f"m{n}": 1.0 for n in range(500)}
    looks = [reading(float(n), **names) for n in range(20)]
    took = []
    for _ in range(5):  # the best of them: a garbage collection of the whole suite is none of its cost
        rings, began = Rings(), time.process_time()
        for look in looks:
            rings.record(look)
        took.append(time.process_time() - began)
    assert min(took) / (20 * 500) < 10e-6
