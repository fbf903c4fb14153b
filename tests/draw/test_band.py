"""The shade behind a chart's lines: where it is, and that lines stay on top."""

import random

from perftui.analysis.buckets import Window
from perftui.draw.band import Band
from perftui.draw.chart import Line, chart
from perftui.draw.rows import Look, Size, plain
from perftui.model.series import Series, SeriesKey

AT = [float(n) for n in range(0, 600, 5)]
LINE = Line("x", AT, [50 + 50 * (n % 2) for n in range(len(AT))])


def drawn(band, look=None):
    return plain(
        chart([LINE], Size(60, 12), Window.last(600, 600), look or Look(), low=0, high=200, band=band)
    )


def test_the_band_is_shaded_between_its_edges_only():
    rows = drawn(Band(AT, [120.0] * len(AT), [180.0] * len(AT)))
    shaded = [n for n, row in enumerate(rows) if "░" in row]
    assert shaded
    assert shaded == list(range(shaded[0], shaded[-1] + 1))
    assert max(shaded) < len(rows) // 2  # above the line, whose values are 50 to 100
    without = drawn(None)
    assert [row.replace("░", " ").rstrip() for row in rows] == [row.rstrip() for row in without]


def test_lines_stay_on_top_and_ascii_has_its_own_sign():
    rows = drawn(Band(AT, [0.0] * len(AT), [200.0] * len(AT)))
    dots = [c for row in drawn(None) for c in row if 0x2800 < ord(c) <= 0x28FF]
    assert [c for row in rows for c in row if 0x2800 < ord(c) <= 0x28FF] == dots
    assert any(":" in row for row in drawn(Band(AT, [120.0] * len(AT), [180.0] * len(AT)), Look(ascii_=True)))


def test_a_band_elsewhere_or_long_ago_is_not_drawn():
    assert drawn(Band(AT, [300.0] * len(AT), [400.0] * len(AT))) == drawn(None)
    early = Band(AT[:10], [120.0] * 10, [180.0] * 10)
    shaded = [row.index("░") for row in drawn(early) if "░" in row]
    assert all(row.rindex("░") < 20 for row in drawn(early) if "░" in row)
    assert shaded


def test_edges_are_paired_by_their_instants():
    low, high = Series(SeriesKey("a", "low")), Series(SeriesKey("a", "high"))
    for at in (1.0, 2.0, 3.0):
        low.append(at, at)
    for at in (2.0, 3.0, 4.0):
        high.append(at, 10 * at)
    band = Band.of(low, high)
    assert (band.at, band.low, band.high) == ([2.0, 3.0], [2.0, 3.0], [20.0, 30.0])
    assert band.where(1.9) is None
    assert band.where(2.5) == (2.0, 20.0)


def test_a_band_around_values_holds_nearly_all_of_them():
    r = random.Random(1)
    values = [r.gauss(100, 3) for _ in range(500)]
    at = [float(n) for n in range(500)]
    band = Band.around(at, values)
    assert len(band.at) > 400
    inside = [edges[0] <= v <= edges[1] for a, v in zip(at, values, strict=True) if (edges := band.where(a))]
    assert sum(inside) / len(inside) > 0.97
