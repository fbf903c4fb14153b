"""Stacked layers: they add up, are told apart without colour, and fit whatever size they get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.buckets import Window
from perftui.draw.clean import cell_width
from perftui.draw.rows import Look, Size, plain
from perftui.draw.stackedarea import Layer, stackedarea
from perftui.model.series import Series, SeriesKey

WINDOW = Window(1000.0, 1060.0)


def layer(name: str, values: list[float], step: float = 2.0) -> Layer:
    series = Series(SeriesKey("db", name))
    for n, value in enumerate(values):
        series.append(1000.0 + n * step, value)
    return Layer(name, series)


def test_layers_stand_on_one_another() -> None:
    rows = stackedarea([layer("CPU", [2.0] * 30), layer("Lock", [2.0] * 30)], Size(40, 10), WINDOW, Look())
    body = rows[1:-1]
    styles = [[span.style for span in row if "█" in span.text] for row in body]
    assert styles[-1] == ["s1"]
    assert styles[0] == ["s2"]
    assert plain(rows)[0].startswith("█ CPU 2")


def test_without_colour_every_layer_has_its_own_sign() -> None:
    layers = [layer("CPU", [1.0] * 30), layer("Lock", [1.0] * 30)]
    shades = "\n".join(plain(stackedarea(layers, Size(40, 10), WINDOW, Look(colour=False))))
    assert "█" in shades
    assert "▓" in shades
    letters = "\n".join(plain(stackedarea(layers, Size(40, 10), WINDOW, Look(ascii_=True))))
    assert "aaa" in letters
    assert "bbb" in letters
    assert letters.isascii()


def test_silence_is_a_gap_and_sparse_samples_are_not() -> None:
    sparse = plain(stackedarea([layer("CPU", [1.0] * 7, 10.0)], Size(67, 8), WINDOW, Look()))
    assert sparse[4][17:].count(" ") == 0
    gone = plain(stackedarea([layer("CPU", [1.0] * 10)], Size(67, 8), WINDOW, Look()))
    assert gone[4].rstrip()[-1] == "█"
    assert gone[4][40:].strip() == ""


def test_nothing_says_so() -> None:
    assert "no data in this window" in "\n".join(
        plain(stackedarea([layer("CPU", [])], Size(40, 8), WINDOW, Look()))
    )


@pytest.mark.parametrize("size", [Size(1, 1), Size(23, 3), Size(24, 4), Size(80, 6), Size(200, 60)])
@pytest.mark.parametrize("look", [Look(), Look(colour=False), Look(ascii_=True)])
def test_exactly_its_size(size: Size, look: Look) -> None:
    rows = plain(stackedarea([layer("a\x1b[31m", [1.0, 5.0]), layer("b", [0.0, 2.0])], size, WINDOW, look))
    assert [cell_width(row) for row in rows] == [size.width] * size.height
    assert all(row.isprintable() for row in rows)


@given(st.lists(st.floats(0, 1e9), max_size=40), st.lists(st.floats(0, 1e9), max_size=40))
def test_any_values(one: list[float], two: list[float]) -> None:
    rows = plain(stackedarea([layer("a", one), layer("b", two)], Size(50, 9), WINDOW, Look()))
    assert len(rows) == 9
