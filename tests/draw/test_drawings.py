"""Every drawing has exactly the size asked for, whatever it is given, in colour, mono and ASCII."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.analysis.buckets import Window
from perftui.draw.ascii import ascii_rows
from perftui.draw.chart import Threshold
from perftui.draw.gantt import Bar, bar_cells, gantt
from perftui.draw.heatmap import Heat, heat_reading, heatmap, shade
from perftui.draw.histogram import Bin, histogram
from perftui.draw.map import Place, cell_of, coast, place_list, worldmap
from perftui.draw.rows import Look, Rows, Size, plain
from perftui.draw.stackedbar import Part, allot, stackedbar
from perftui.draw.text import row_width
from perftui.draw.tree import Node, flatten, tree
from perftui.draw.waterfall import Phase, Request, waterfall

NOW = 1_795_615_330.0
LOOKS = [Look(), Look(colour=False), Look(colour=False, ascii_=True)]
looks = st.sampled_from(LOOKS)
sizes = st.builds(Size, st.integers(1, 100), st.integers(1, 16))
amounts = st.floats(0, 1e9)
names = st.text(max_size=20)


def holds(rows: Rows, size: Size, look: Look) -> None:
    assert len(rows) == size.height
    assert [row_width(r) for r in rows] == [size.width] * size.height
    assert all(t.isprintable() for t in plain(rows))
    if look.ascii_:
        assert all(t.isascii() for t in plain(ascii_rows(rows)))


@given(st.lists(st.builds(Part, names, amounts), max_size=8), sizes, looks, st.none() | amounts)
def test_stackedbar(parts: list[Part], size: Size, look: Look, total: float | None) -> None:
    holds(stackedbar(parts, size, look, total=total), size, look)


@given(st.lists(amounts, max_size=10), st.integers(0, 100))
def test_allotted_cells_add_up(values: list[float], width: int) -> None:
    cells = allot(values, sum(values), width)
    assert sum(cells) == (width if sum(values) > 0 else 0)
    assert min(cells, default=0) >= 0


@given(st.lists(amounts, max_size=40), sizes, looks)
def test_histogram(counts: list[float], size: Size, look: Look) -> None:
    bins = [Bin(0.001 * 2**i, 0.002 * 2**i, c) for i, c in enumerate(counts)]
    holds(histogram(bins, size, look, marks=(Threshold(0.01, "warn", "p95"),)), size, look)


@settings(deadline=None)
@given(st.integers(0, 120), st.integers(1, 12), sizes, looks, st.booleans(), st.data())
def test_heatmap(columns: int, rows: int, size: Size, look: Look, named: bool, data: st.DataObject) -> None:
    counts = [[float((i * 7 + j * 3) % 11) for j in range(rows)] for i in range(columns)]
    heat = Heat(
        [NOW + 10 * i for i in range(columns + 1)],
        [0.001 * 2**j for j in range(rows + 1)],
        counts,
        labels=[f"core {j}" for j in range(rows)] if named else (),
        top=10.0 if named else None,
    )
    cursor = data.draw(st.none() | st.tuples(st.integers(0, 130), st.integers(0, 13)))
    holds(heatmap(heat, size, look, cursor=cursor), size, look)


def test_heat_reading_is_exact() -> None:
    heat = Heat([NOW, NOW + 10], [0.01, 0.05, 0.1, float("inf")], [[7288.0, 312.0, 0.0]])
    assert heat_reading(heat, (0, 1), Look()) == "14:02:10–14:02:20, 50.0–100 ms: 312 requests, 4.1%"
    assert "over 100 ms" in heat_reading(heat, (0, 2), Look())
    assert heat_reading(heat, (9, 9), Look()) == ""


def test_five_shades_without_colour() -> None:
    assert [shade(s) for s in (0, 0.001, 0.05, 0.2, 0.5, 0.9)] == [0, 1, 2, 3, 4, 5]
    heat = Heat([NOW + i for i in range(7)], [0, 1], [[v] for v in (0, 0.01, 0.05, 0.2, 0.5, 0.9)], top=1.0)
    assert plain(heatmap(heat, Size(40, 2), LOOKS[1]))[0].rstrip().endswith("│ ·░▒▓█")
    assert plain(heatmap(heat, Size(40, 2), LOOKS[2]))[0].rstrip().endswith("| .:+%#")


nodes = st.recursive(
    st.builds(lambda t: Node(t, t), names),
    lambda kids: st.builds(
        lambda t, c: Node(t, t, tuple(c), right="9 ms"), names, st.lists(kids, max_size=3)
    ),
    max_leaves=12,
)


@given(st.lists(nodes, max_size=3), sizes, looks, st.integers(0, 5))
def test_tree(roots: list[Node], size: Size, look: Look, offset: int) -> None:
    holds(tree(roots, size, look, offset=offset, cursor=roots[0].key if roots else None), size, look)


def test_tree_guides_and_folds() -> None:
    root = Node("a", "Hash Join", (Node("b", "Scan", (Node("c", "leaf"),)), Node("d", "Hash")), right="40 ms")
    assert [t.rstrip() for t in plain(tree([root], Size(24, 4), Look()))] == [
        "Hash Join          40 ms", "├─Scan", "│ └─leaf", "└─Hash",
    ]  # fmt: skip
    assert [b.node.key for b in flatten([root], Look(), folded={"b"})] == ["a", "b", "d"]


def test_a_very_deep_tree_is_drawn() -> None:
    node = Node(0, "leaf")
    for i in range(1, 3000):
        node = Node(i, f"n{i}", (node,))
    holds(tree([node], Size(40, 20), Look(), offset=2900), Size(40, 20), Look())


bars = st.builds(
    lambda k, a, d, depth, bad: Bar(k, k, a, a + d, depth=depth, failed=bad),
    names, st.floats(-10, 20), st.floats(0, 10), st.integers(0, 30), st.booleans(),
)  # fmt: skip


@given(st.lists(bars, max_size=8), sizes, looks)
def test_gantt(rows: list[Bar], size: Size, look: Look) -> None:
    holds(gantt(rows, size, Window(0, 10), look), size, look)


@given(bars, st.integers(1, 80))
def test_gantt_bars_are_seen(item: Bar, width: int) -> None:
    cells = bar_cells(item, width, Window(0, 10), Look())
    assert len(cells) == width
    assert cells.strip()


@given(
    st.lists(
        st.builds(
            Request, names, st.floats(0, 5),
            st.lists(st.builds(Phase, st.sampled_from(["dns", "tls", "wait"]), st.floats(0, 2)), max_size=3),
        ),
        max_size=6,
    ),
    sizes,
    looks,
)  # fmt: skip
def test_waterfall(requests: list[Request], size: Size, look: Look) -> None:
    holds(waterfall(requests, size, look), size, look)


places = st.builds(
    Place, names, st.floats(-90, 90), st.floats(-180, 180), st.floats(0, 1),
    st.sampled_from(["ok", "warn", "crit", "lost", "odd"]),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(places, max_size=12), st.integers(1, 130), st.integers(1, 32), looks)
def test_worldmap(spots: list[Place], width: int, height: int, look: Look) -> None:
    size = Size(width, height)
    holds(worldmap(spots, size, look), size, look)
    holds(place_list(spots, size, look), size, look)


def test_places_are_where_they_are() -> None:
    size = Size(120, 32)
    rows = plain(
        worldmap([Place("fra", 50.1, 8.7, 1.0), Place("syd", -33.9, 151.2, state="lost")], size, Look())
    )
    x, y = cell_of(Place("fra", 50.1, 8.7), size)
    assert rows[y][x:].startswith("●█fra")
    assert any("◌▁syd" in row for row in rows[20:])


@pytest.mark.parametrize(("lat", "lon", "land"), [(48, 2, True), (40, -100, True), (-25, 135, True)])
def test_coasts_enclose_the_continents(lat: float, lon: float, land: bool) -> None:
    size = Size(180, 48)
    x, y = cell_of(Place("", lat, lon), size)
    row = coast(size)[y]
    assert bool(row[:x].strip()) is land
    assert bool(row[x:].strip()) is land
