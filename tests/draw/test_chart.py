"""Laws of the line chart: exact size, spikes kept, gaps kept, still between scrolls."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perftui.analysis.buckets import Grid, Window, gap_ends, grid, reduce
from perftui.draw.chart import Line, Mark, Threshold, chart, value_at
from perftui.draw.rows import Look, Rows, Size, plain
from perftui.draw.text import row_width

NOW = 1_795_615_330.0  # 14:02:10 UTC
COLOUR, MONO, ASCII = Look(), Look(colour=False), Look(colour=False, ascii_=True)

samples = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60)


def flat(n: int, value: float = 10.0) -> Line:
    return Line("x", [NOW - n + i for i in range(n)], [value] * n)


def body(rows: Rows) -> list[str]:
    return [r.split("┤")[-1].split("│")[-1] for r in plain(rows)]


@settings(deadline=None)
@given(
    samples,
    st.integers(1, 70),
    st.integers(1, 20),
    st.sampled_from([COLOUR, MONO, ASCII]),
    st.sampled_from(["1", "s", "bytes", "ratio", "1/s"]),
    st.booleans(),
    st.integers(1, 3),
)
def test_always_exactly_its_size(
    values: list[float], width: int, height: int, look: Look, unit: str, log: bool, count: int
) -> None:
    lines = [Line(f"l{i}", [NOW - len(values) + k for k in range(len(values))], values) for i in range(count)]
    rows = chart(
        lines, Size(width, height), Window.last(60, NOW), look, unit=unit, log=log, cursor=NOW - 5,
        thresholds=(Threshold(5),), marks=(Mark(NOW - 10, "deploy"),),
    )  # fmt: skip
    assert len(rows) == height
    assert all(row_width(row) == width for row in rows)
    if look.ascii_:
        assert all(
            ord(c) < 128
            for r in plain(rows)
            for c in r.replace("∞", "").replace("−", "").replace("…", "").replace("µ", "").replace("–", "")
        )


@given(st.integers(9, 599))  # what lies before the first whole cell has scrolled off
def test_a_spike_of_one_sample_reaches_the_top(where: int) -> None:
    line = flat(600)
    values = list(line.value)
    values[where] = 1000.0
    rows = chart([Line("x", line.at, values)], Size(80, 20), Window.last(600, NOW), COLOUR, high=1000)
    top = body(rows)[0]
    assert top.strip()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(2, 80))
@example([0.0, 0.0, 0.0, -1.0, 0.0], 3)  # its last sample stands on a border that no quotient tells
def test_buckets_keep_minimum_and_maximum(values: list[float], count: int) -> None:
    at = [NOW - len(values) + 1 + i for i in range(len(values))]
    columns = grid(Window.last(len(values) + 5, NOW), count)
    buckets = reduce(at, values, columns)
    inside = [v for a, v in zip(at, values, strict=True) if 0 <= columns.index(a) < columns.count]
    assert min(b.low for b in buckets.values()) == min(inside)
    assert max(b.high for b in buckets.values()) == max(inside)


def test_gaps_stay_gaps() -> None:
    at = [NOW - 100 + i for i in range(100) if not 40 <= i < 60]
    rows = chart(
        [Line("x", at, [5.0] * len(at))], Size(110, 12), Window.last(100, NOW), COLOUR, low=0, high=10
    )
    line = max(body(rows)[:10], key=lambda r: len(r.replace(" ", "")))
    assert " " * 15 in line.strip()
    assert len(line.strip().replace(" ", "")) > 60


def test_nan_is_a_gap_and_one_missing_reading_is_bridged() -> None:
    values = [5.0] * 50
    values[20] = math.nan
    buckets = reduce(range(50), values, Grid(1.0, 0, 50))
    assert [i for i, b in buckets.items() if b.after_gap] == [21]
    assert gap_ends([0, 1, 2, 4, 5, 6]) == frozenset()
    assert gap_ends([0, 1, 2, 12, 13, 14]) == {3}
    assert gap_ends([0, 10, 20, 30, 31, 32, 33]) == frozenset()  # watched from here on


def test_pictures_scroll_by_whole_cells_and_do_not_shimmer() -> None:
    period, size = 600.0, Size(80, 12)
    value = [50 + 40 * math.sin(i / 17) for i in range(2000)]
    at = [NOW - 1500 + i for i in range(2000)]

    def picture(end: float) -> list[str]:
        stop = int(end - at[0]) + 1
        rows = chart(
            [Line("x", at[:stop], value[:stop])], size, Window.last(period, end), COLOUR, low=0, high=100
        )
        return body(rows)[:10]

    before = picture(NOW)
    cell = period / 146 * 2
    same = shifted = 0
    for second in range(1, 20):
        after = picture(NOW + second)
        if all(a[:-2] == b[:-2] for a, b in zip(before, after, strict=True)):
            same += 1
        elif all(a[2:-2] == b[1:-3] for a, b in zip(before, after, strict=True)):
            shifted += 1
        before = after
    assert same + shifted == 19
    assert shifted == pytest.approx(19 / cell, abs=1)


def test_axis_labels_are_in_the_unit_and_in_local_time() -> None:
    rows = plain(
        chart(
            [flat(60, 0.5)],
            Size(60, 12),
            Window.last(60, NOW),
            Look(tz="Asia/Tokyo"),
            unit="ratio",
            low=0,
            high=1,
        )
    )
    assert any("100%┤" in r for r in rows)
    assert any("0%┤" in r for r in rows)
    assert "23:02" in rows[-1]


def test_lines_are_told_apart_without_colour() -> None:
    rows = plain(chart([flat(60, 3), flat(60, 8)], Size(60, 12), Window.last(60, NOW), MONO, low=0, high=10))
    assert rows[0].startswith("a x")
    assert "b x" in rows[0]
    assert any("a" in r for r in body_text(rows))
    assert any("b" in r for r in body_text(rows))


def body_text(rows: list[str]) -> list[str]:
    return [r[8:] for r in rows[1:-2]]


def test_cursor_reads_exact_values() -> None:
    line = Line("p95", [NOW - 3, NOW - 2, NOW - 1], [1.0, 0.25, 3.0])
    rows = chart([line], Size(60, 10), Window.last(10, NOW), COLOUR, unit="s", cursor=NOW - 2)
    assert "14:02:08" in plain(rows)[0]
    assert "p95 250 ms" in plain(rows)[0]
    lit = [span for row in rows for span in row if span.style == "cursor"]
    assert lit
    assert {len(span.text) for span in lit} == {1}  # one column, nothing beside it
    assert value_at(line, NOW - 2) == 0.25
    assert value_at(line, NOW - 60) is None


def test_marks_and_thresholds_are_drawn() -> None:
    rows = chart(
        [flat(60, 8)],
        Size(60, 12),
        Window.last(60, NOW),
        COLOUR,
        thresholds=(Threshold(9, "crit"),),
        marks=(Mark(NOW - 30),),
    )
    assert any("▾" in r for r in plain(rows))
    assert any(span.style == "crit" and "╌" in span.text for row in rows for span in row)


def test_no_data_says_so() -> None:
    rows = plain(chart([], Size(60, 12), Window.last(60, NOW), COLOUR))
    assert any("no data" in r for r in rows)


def test_one_line_uses_one_style_a_row() -> None:
    rows = chart([flat(600)], Size(160, 40), Window.last(600, NOW), COLOUR)
    assert max(len(row) for row in rows) <= 3


def test_a_legend_that_is_too_long_for_a_row_takes_two_and_cuts_nothing() -> None:
    names = ("p50", "p95", "p99", "p50 at nodes", "p99 at nodes")
    lines = [Line(name, (0.0, 10.0), (0.00035, 0.00124)) for name in names]
    rows = plain(chart(lines, Size(58, 12), Window(0.0, 10.0), Look(), unit="s"))
    assert rows[0].rstrip() == "━ p50 1.24 ms  ━ p95 1.24 ms  ━ p99 1.24 ms"
    assert rows[1].rstrip() == "━ p50 at nodes 1.24 ms  ━ p99 at nodes 1.24 ms"
    assert len(rows) == 12
    low = plain(chart(lines, Size(58, 6), Window(0.0, 10.0), Look(), unit="s"))
    assert low[0].rstrip().endswith("…")
    assert len(low) == 6
    wide = plain(chart(lines, Size(120, 12), Window(0.0, 10.0), Look(), unit="s"))
    assert "p99 at nodes 1.24 ms" in wide[0]
