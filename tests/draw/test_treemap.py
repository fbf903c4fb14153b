"""Tiles whose areas are shares: they fill the room, tell their interval without colour, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.clean import cell_width
from perftui.draw.rows import Look, Size, plain
from perftui.draw.treemap import NARROWEST, Tile, ends, gathered, layout, treemap

TILES = [
    Tile("user:", 0.578, 0.05, "1.16 MiB"),
    Tile("page/", 0.277, 0.047, "571 KiB"),
    Tile("session:", 0.087, 0.037, "180 KiB"),
    Tile("用户:", 0.053, 0.023, "109 KiB"),
    Tile("cart:", 0.005, 0.002, "8 KiB"),
]
SIZES = [Size(78, 9), Size(70, 19), Size(74, 31)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", [Look(), Look(colour=False), Look(ascii_=True)])
def test_every_tile_tells_its_share_with_its_interval(size: Size, look: Look) -> None:
    rows = plain(treemap(TILES, size, look))
    assert [cell_width(row) for row in rows] == [size.width] * size.height
    text = "\n".join(rows)
    assert "57.8% ± 5.0%" in text
    assert "27.7% ± 4.7%" in text
    assert "…" not in text
    told = text.replace("\n", " ")
    for tile in TILES[:4]:
        assert tile.name in told
    assert "cart:" in told or "1 more, 0.50% ± 0.20% together" in told
    assert "░" in text


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=40), st.integers(12, 200), st.integers(2, 50))
def test_rectangles_fill_the_size_and_areas_are_shares(shares: list[float], width: int, height: int) -> None:
    shares.sort(reverse=True)
    rects = layout(shares, Size(width, height))
    taken = [[0] * width for _ in range(height)]
    for rect in rects:
        for y in range(rect.y, rect.y + rect.height):
            for x in range(rect.x, rect.x + rect.width):
                taken[y][x] += 1
    assert all(count == 1 for row in taken for count in row)
    for share, rect in zip(shares, rects, strict=True):
        exact = share / sum(shares) * width * height
        assert abs(rect.width * rect.height - exact) <= rect.width + rect.height + 1


@given(
    st.lists(st.tuples(st.floats(0.0001, 1.0), st.floats(0.0, 0.3)), max_size=70),
    st.integers(1, 120),
    st.integers(1, 40),
)
def test_whatever_there_is_it_fits(pairs: list[tuple[float, float]], width: int, height: int) -> None:
    tiles = [Tile(f"prefix{n}:", share, error, "1 B") for n, (share, error) in enumerate(pairs)]
    rows = plain(treemap(tiles, Size(width, height), Look(), selected="prefix0:"))
    assert [cell_width(row) for row in rows] == [width] * height


def test_the_rest_is_told_together_with_the_sum_of_errors() -> None:
    tiles = [Tile("big:", 0.5, 0.01), *(Tile(f"p{n}:", 0.02, 0.004) for n in range(25))]
    shown, below = gathered(tiles, Size(40, 9))
    assert below is None
    assert shown[-1].name.endswith(" more")
    assert sum(tile.share for tile in shown) == pytest.approx(1.0)
    assert sum(tile.error for tile in shown) == pytest.approx(0.11)
    assert all(rect.width >= NARROWEST for rect in layout([tile.share for tile in shown], Size(40, 9)))


def test_the_paler_end_is_the_interval() -> None:
    assert ends(Tile("a", 0.5, 0.1), 60) == (40, 20)  # from 0.4 to 0.6
    assert ends(Tile("a", 0.5), 60) == (60, 0)  # counted
    assert ends(Tile("a", 0.01, 0.5), 60) == (0, 60)


def test_the_selected_one_has_an_arrow_and_nothing_has_a_word() -> None:
    rows = plain(treemap(TILES, SIZES[0], Look(), selected="page/"))
    assert "┌▸page/" in rows[0]
    assert "nothing to show" in "\n".join(plain(treemap([], SIZES[0], Look())))
    hostile = plain(treemap([Tile("\x1b[31mred", 1.0)], SIZES[0], Look()))
    assert "\x1b" not in "".join(hostile)
