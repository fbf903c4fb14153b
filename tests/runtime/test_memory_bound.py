"""Samples in memory stay within their budget and flat once they are full, for however long it runs."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest

from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.rings import BUDGET, Rings


def readings(series, step, start):
    keys = [SeriesKey("s", f"n{number}") for number in range(series)]
    at = start
    while True:
        yield Reading("s", at, 0.0, tuple(Measure(key, at) for key in keys), None)
        at += step


def fed(rings, source, count):
    for _, reading in zip(range(count), source, strict=False):
        rings.record(reading)


def test_hours_of_five_hundred_series_is_flat_once_the_rings_are_full():
    rings = Rings()
    source = readings(500, 10.0, 1.0e9)  # a tenth of the pace: the rings turn over sixteen times
    fed(rings, source, 200)
    gc.collect()
    full = rings.bytes
    tracemalloc.start()
    fed(rings, source, 140)  # once around, so that what is allocated anew stands for all
    before = tracemalloc.get_traced_memory()[0]
    fed(rings, source, 500)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert rings.bytes <= full * 1.03
    assert after <= before * 1.03 + 200_000
    fed(rings, source, 1000)
    assert rings.bytes <= full * 1.03


@pytest.mark.parametrize(("series", "step"), [(200, 0.5), (190, 0.1)])
def test_many_series_at_a_high_pace_stay_within_the_budget(series, step, monkeypatch):
    budget = BUDGET // 12
    monkeypatch.setattr("perftui.runtime.rings.BUDGET", budget)
    rings = Rings()
    fed(rings, readings(series, step, time.time()), 1800)
    assert budget * 0.8 < rings.bytes <= budget
    assert rings.overflow == 0
