"""Laws of the flame graph: exact size, children never wider than their parents, nothing lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.flame import build, layout
from perftui.draw.flame import FlameRect, flame, hue, rect_at
from perftui.draw.rows import Look, Size, plain
from perftui.draw.text import row_width

stacks = st.lists(
    st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=8).map(tuple), st.integers(1, 50)), max_size=30
)


def rects(found: list[tuple[tuple[int, ...], int]], width: int, depth: int) -> list[FlameRect]:
    tree = build(found)
    whole = tree.total[0] or 1
    return [
        FlameRect(
            r.depth, r.x, r.width, f"f{tree.frame[r.node]}", tree.total[r.node] / whole, r.node, r.gathered
        )
        for r in layout(tree, 0, width, depth)
    ]


@given(
    stacks, st.integers(1, 120), st.integers(1, 10), st.sampled_from([Look(), Look(False), Look(False, True)])
)
def test_exactly_its_size(
    found: list[tuple[tuple[int, ...], int]], width: int, height: int, look: Look
) -> None:
    rows = flame(rects(found, width, height), Size(width, height), look, selected=0, hits={1})
    assert [row_width(r) for r in rows] == [width] * height


@given(stacks, st.integers(1, 120), st.integers(2, 9))
def test_children_never_exceed_their_parents(
    found: list[tuple[tuple[int, ...], int]], width: int, height: int
) -> None:
    rows = flame(rects(found, width, height), Size(width, height), Look())
    filled = [{x for x, c in enumerate(text_of_cells(row)) if c} for row in rows]
    for above, below in pairwise(filled):
        assert below <= above


def text_of_cells(row: tuple[object, ...]) -> list[bool]:
    """Whether each cell belongs to a bar."""
    return [bool(style) for text, style in row for _ in text]  # type: ignore[misc]


@given(st.lists(st.tuples(st.integers(-5, 60), st.integers(-3, 60)), max_size=12))
def test_overlapping_input_never_overflows(bars: list[tuple[int, int]]) -> None:
    row = flame([FlameRect(0, x, w, "n", 0.1, i) for i, (x, w) in enumerate(bars)], Size(40, 1), Look())
    assert row_width(row[0]) == 40


def test_names_shares_selection_and_matches() -> None:
    bars = [
        FlameRect(0, 0, 60, "all", 1.0, 0),
        FlameRect(1, 0, 30, "parse_row", 0.37, 1),
        FlameRect(1, 30, 20, "long" * 9, 0.3, 2),
        FlameRect(1, 50, 10, "", 0.1, 3, gathered=12),
    ]
    rows = flame(bars, Size(60, 2), Look(), selected=1, hits={2})
    text = plain(rows)[1]
    assert text.startswith("▸parse_row")
    assert "37.0%" in text
    assert "*long" in text
    assert "…" in text
    assert "·12" in text
    assert {span.style for span in rows[1]} == {"cursor bold", "hit", "faint"}
    assert plain(flame(bars, Size(60, 2), Look(), up=True))[1].startswith("▏all")


def test_neighbours_differ_without_colour() -> None:
    bars = [FlameRect(0, 0, 10, "a", 0.5, 1), FlameRect(0, 10, 10, "b", 0.5, 2)]
    styles = [span.style for span in flame(bars, Size(20, 1), Look(colour=False))[0]]
    assert len(set(styles)) == 2


def test_hues_are_stable() -> None:
    assert hue("app.rows") == hue("app.rows")
    assert len({hue(f"package{i}") for i in range(60)}) == 8


def test_picking() -> None:
    bars = [FlameRect(0, 0, 10, "a", 0.5, 1), FlameRect(0, 10, 10, "b", 0.5, 2)]
    assert rect_at(bars, 0, 12) == bars[1]
    assert rect_at(bars, 1, 12) is None
