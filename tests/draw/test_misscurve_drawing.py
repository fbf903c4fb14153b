"""The drawn curve: exactly as large as asked for, its line where the curve is, its error beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.misscurve import Price, misscurve, nothing
from perftui.draw.rows import Look, Size, plain
from perftui.model.misscurve import FACTORS, MissCurve, Point
from tests.draw.test_drawings import holds, looks, sizes

RATIOS = st.floats(0, 1)


def made(miss=lambda n: 1 / (1 + n / 500), error=0.02, room=1000, entry_bytes=100.0):
    points = tuple(Point(n, miss(n), error) for n in sorted({max(1, round(room * f)) for f in FACTORS}))
    return MissCurve(room, entry_bytes, 5000.0, 0.1, points)


CURVES = st.builds(
    MissCurve,
    room=st.integers(1, 1 << 40),
    entry_bytes=st.floats(0, 1e9),
    seen=st.floats(1, 1e12),
    rate=RATIOS,
    points=st.dictionaries(st.integers(1, 1 << 40), st.tuples(RATIOS, RATIOS), min_size=1, max_size=32).map(
        lambda d: tuple(Point(n, *d[n]) for n in sorted(d))
    ),
)


@given(CURVES, sizes, looks, st.none() | st.integers(1, 1 << 45))
def test_any_curve_in_any_size(curve: MissCurve, size: Size, look: Look, cursor: int | None) -> None:
    holds(misscurve(curve, size, look, cursor=cursor), size, look)


@given(sizes)
def test_the_empty_state_in_any_size(size: Size) -> None:
    holds(nothing(size), size, Look())


@pytest.mark.parametrize("look", [Look(), Look(colour=False, ascii_=True)])
def test_the_line_rises_and_the_marks_stand_where_they_belong(look: Look) -> None:
    rows = misscurve(made(error=0.0), Size(80, 20), look)
    text = plain(rows)
    assert text[0].startswith("1,000 entries 97.7 KiB (1x)  hit 66.7% ± 0.0 points")
    tops = [min((y for y in range(2, 18) if text[y][x] != " "), default=99) for x in range(8, 79)]
    assert tops == sorted(tops, reverse=True), "more room never hits less"
    rule = text[18]
    assert abs(rule.index("^" if look.ascii_ else "▾") - 43) <= 2, "now is in the middle of the logarithm"
    assert rule.index("*" if look.ascii_ else "◆") > 60
    assert text[19].split()[:2] == ["6.05", "KiB"]


def test_the_error_is_shaded_and_the_cursor_reads_another_size() -> None:
    curve = made(error=0.1)
    text = plain(misscurve(curve, Size(80, 20), Look(), cursor=2000))
    assert sum(row.count("░") for row in text) > 50
    assert text[0].startswith("2,000 entries 195 KiB (2x)  hit 80.0% ± 10.0 points, +13.3 to now")
    assert sum("│" in row[10:] for row in text[2:18]) > 8


def test_sizes_without_bytes_are_entries() -> None:
    assert "KiB" not in "".join(plain(misscurve(made(entry_bytes=0.0), Size(80, 20), Look())))


def test_the_recommended_size_is_told_in_bytes_and_money() -> None:
    curve, size = made(room=10_000_000, entry_bytes=1000.0), Size(100, 20)
    text = plain(misscurve(curve, size, Look(), price=Price(4.5, "EUR a month")))
    assert text[0].startswith("10,000,000 entries 9.31 GiB 45.00 (1x)  hit 99.99%")
    assert text[1].startswith(
        "recommended: 596 MiB for 2.81, now 9.31 GiB for 45.00, -0.1 points (EUR a month)"
    )
    text = plain(misscurve(curve, size, Look(), cursor=20_000_000, price=Price(4.5)))
    assert text[0].startswith("20,000,000 entries 18.6 GiB 90.00 (2x)")
    assert "EUR" not in text[1]
    assert plain(misscurve(curve, size, Look()))[1].startswith(
        "recommended: 596 MiB, now 9.31 GiB, -0.1 points"
    )
    small = plain(misscurve(made(), size, Look(), price=Price(4.5)))
    assert "for 0.0" in small[1]
    bare = plain(misscurve(made(entry_bytes=0.0), size, Look(), price=Price(4.5)))
    assert " for " not in bare[1]


def test_a_size_that_is_right_is_kept() -> None:
    flat = made(miss=lambda n: 0.5 if n < 1000 else 0.1)
    assert plain(misscurve(flat, Size(100, 20), Look()))[1].startswith("recommended: stay at 97.7 KiB")
