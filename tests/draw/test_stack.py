"""Rates on top of each other: as large as asked for, each layer as high as it is, told without colours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.buckets import Window
from perftui.draw.rows import Look, Size, plain
from perftui.draw.stack import Layer, stack
from tests.draw.test_drawings import holds, looks, sizes

AT = 1_000_000.0
WINDOW = Window.last(100.0, AT)


def steady(name: str, value: float) -> Layer:
    times = [AT - 99 + n for n in range(100)]
    return Layer(name, times, [value] * 100)


@given(
    st.lists(st.lists(st.floats(0, 1e9), max_size=40), min_size=1, max_size=6),
    sizes,
    looks,
)
def test_any_layers_in_any_size(values: list[list[float]], size: Size, look: Look) -> None:
    layers = [Layer(f"l{n}", [AT - i for i in range(len(v))][::-1], v) for n, v in enumerate(values)]
    holds(stack(layers, WINDOW, size, look), size, look)


def test_each_layer_takes_its_share_of_a_column() -> None:
    text = plain(stack([steady("absent", 6.0), steady("expired", 3.0)], WINDOW, Size(60, 12), Look()))
    assert text[0].startswith("█ absent 6/s  ▓ expired 3/s")
    column = [row[30] for row in text[1:11]]
    assert column.count("█") == 6
    assert column.count("▓") == 3
    assert column.index("▓") < column.index("█")
    assert "10/s" in text[1]


def test_without_signs_and_without_anything() -> None:
    text = plain(stack([steady("a", 1.0), steady("b", 1.0)], WINDOW, Size(60, 12), Look(ascii_=True)))
    assert text[0].startswith("# a 1/s  % b 1/s")
    assert {"#", "%"} <= set("".join(text[1:]))
    none = plain(stack([Layer("a", [], [])], WINDOW, Size(60, 12), Look()))
    assert any("none in this time" in row for row in none)
