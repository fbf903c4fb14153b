"""Lanes: every happening where it belongs, at any size, with and without colour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.buckets import Window
from perftui.draw.clean import cell_width
from perftui.draw.lanes import NAMES, Item, Lane, lanes
from perftui.draw.rows import Look, Size, plain

WINDOW = Window(1_000_000.0, 1_003_600.0)
TIMES = st.floats(990_000.0, 1_010_000.0)
ITEMS = st.lists(st.builds(Item, st.integers(), TIMES, st.none() | TIMES, st.booleans()), max_size=30)


@given(ITEMS, st.integers(12, 200), st.integers(1, 10), st.booleans(), st.none() | TIMES)
def test_any_events_fit_any_size(items, width, height, ascii_, cursor):
    look = Look(ascii_=ascii_)
    rows = plain(
        lanes([Lane("findings", items), Lane("notes", ())], Size(width, height), WINDOW, look, cursor=cursor)
    )
    assert len(rows) == height
    assert all(cell_width(row) == width for row in rows)
    if ascii_:
        assert all(row.isascii() for row in rows)


def drawn(*items):
    rows = plain(lanes([Lane("notes", items, "♦")], Size(NAMES + 1 + 60, 2), WINDOW, Look()))
    return rows[0][NAMES + 1 :]


def test_a_moment_is_one_sign_and_several_are_counted():
    assert drawn(Item(1, WINDOW.end - 600)).count("♦") == 1
    assert drawn(Item(1, WINDOW.end - 600), Item(2, WINDOW.end - 600)).count("2") == 1
    assert "+" in drawn(*(Item(n, WINDOW.end - 600) for n in range(12)))


def test_a_span_has_its_length_and_arrows_where_it_leaves():
    assert drawn(Item(1, WINDOW.end - 1200, WINDOW.end - 600)).count("━") == pytest.approx(11, abs=1)
    assert drawn(Item(1, WINDOW.end - 1200, open_=True)).endswith("━▸")
    assert drawn(Item(1, WINDOW.start - 900, WINDOW.start + 600)).startswith("◂━")


def test_what_lies_outside_leaves_nothing():
    assert set(drawn(Item(1, WINDOW.start - 900), Item(2, WINDOW.start - 900, WINDOW.start - 800))) == {"·"}
