"""Figures as people read them, with a width that does not jump."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.draw import format as fmt
from perftui.draw.clean import cell_width


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (fmt.number(0), "0"),
        (fmt.number(7), "7"),
        (fmt.number(0.25), "0.25"),
        (fmt.number(12345), "12.3k"),
        (fmt.number(999.9), "1.00k"),
        (fmt.number(-4.56e6), "−4.56M"),
        (fmt.number(math.nan), "–"),
        (fmt.count(1234567), "1,234,567"),
        (fmt.many(1, "key"), "1 key"),
        (fmt.many(0, "key"), "0 keys"),
        (fmt.many(1234, "entry", "entries"), "1,234 entries"),
        (fmt.plural(1, "is", "are"), "is"),
        (fmt.plural(0.5, "load"), "loads"),
        (fmt.bytes_(512), "512 B"),
        (fmt.bytes_(1536), "1.50 KiB"),
        (fmt.bytes_(12 * 2**30), "12.0 GiB"),
        (fmt.ratio(0.942), "94.2%"),
        (fmt.ratio(1), "100%"),
        (fmt.ratio(0.99999), "99.99%"),
        (fmt.number(9.996), "10.0"),
        (fmt.number(99.96), "100"),
        (fmt.between((0.7225, 1.0)), "72–100%"),
        (fmt.between((0.9621, 0.9889)), "96.2–98.9%"),
        (fmt.between((0.0, 0.0026)), "0.0–0.3%"),
        (fmt.between((-0.1, 1.2)), "0–100%"),
        (fmt.duration(0.0099996), "10.0 ms"),
        (fmt.ratio(0.00001), "<0.01%"),
        (fmt.duration(0.00035), "350 µs"),
        (fmt.duration(0.00124), "1.24 ms"),
        (fmt.duration(12.34), "12.3 s"),
        (fmt.duration(125), "2 m 05 s"),
        (fmt.duration(3 * 3600 + 720), "3 h 12 m"),
        (fmt.duration(4 * 86400 + 7300), "4 d 2 h"),
        (fmt.rate(1234.5), "1.23k/s"),
        (fmt.rate(2048, "bytes"), "2.00 KiB/s"),
        (fmt.age(75), "1 m"),
        (fmt.delta(-0.031, "ratio"), "−3.1%"),
        (fmt.delta(0), "±0"),
        (fmt.value(0.0123, "s"), "12.3 ms"),
        (fmt.value(3, "pods"), "3 pods"),
        (fmt.value(2.38e-5, "s/s"), "23.8 µs/s"),
        (fmt.against(0.94284, ">", 0.8, "ratio"), "94.3% > 80.0%"),
        (fmt.against(12.0, "", 0.0, "s"), "12.0 s"),
        (fmt.value(None, "s"), "–"),
        (fmt.span(604800), "7 d"),
        (fmt.span(90000), "1 d 1 h"),
        (fmt.span(36000), "10 h"),
        (fmt.span(600), "10 m"),
        (fmt.span(610), "10 m 10 s"),
        (fmt.span(0), "0 s"),
        (fmt.span(20), "20.0 s"),
        (fmt.clock(1795615330), "14:02:10"),
        (fmt.stamp(0), "1970-01-01 00:00:00"),
    ],
)
def test_reads(text: str, expected: str) -> None:
    assert text == expected


@given(
    st.floats(allow_nan=True, allow_infinity=True) | st.none(),
    st.sampled_from(["s", "bytes", "ratio", "1/s", "bytes/s", "1", "count"]),
)
def test_width_is_kept(value: float | None, unit: str) -> None:
    assert cell_width(fmt.value(value, unit, 12)) == 12


@given(st.floats(0, 1e15))
def test_numbers_stay_short(value: float) -> None:
    assert len(fmt.number(value)) <= 6


def test_unknown_zone_falls_back_to_utc() -> None:
    assert fmt.clock(0, "Nowhere/None") == "00:00:00"
    assert fmt.clock(0, "Asia/Tokyo") == "09:00:00"


def test_a_life_is_told_as_it_is_typed():
    told = {5: "5 s", 90: "90 s", 300: "5 m", 5400: "90 m", 86400: "24 h", 172800: "2 d", 0.5: "0.5 s"}
    assert {seconds: fmt.life(seconds) for seconds in told} == told
    assert [fmt.life(odd) for odd in (None, float("nan"), float("inf"), 0.0, -1.0)] == [
        fmt.NOTHING,
        fmt.NOTHING,
        "never",
        "not kept",
        "not kept",
    ]
