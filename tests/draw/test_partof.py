"""Bars of a whole and its part, by the hour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.partof import partof
from perftui.draw.rows import Look, Size, plain

DAY = [(0, 0)] * 21 + [(8, 8), (8, 4), (1, 0)]


def test_the_part_stands_in_the_whole_and_the_least_is_seen() -> None:
    rows = plain(partof(DAY, 472_000, Size(55, 5), Look()))
    assert rows == [
        "     8│" + 21 * "  " + "█ ░   ",
        "      │" + 21 * "  " + "█ ░   ",
        "      │" + 21 * "  " + "█ █   ",
        "     0│" + 21 * "  " + "█ █ ░ ",
        "       " + _hours(472_000 % 24),
    ]


def _hours(newest: int) -> str:
    places = [(newest - 23 + n) % 24 for n in range(24)]
    return "".join(f"{hour:02}" if hour % 3 == 0 else "  " for hour in places)


def test_no_colour_and_no_blocks() -> None:
    rows = plain(partof([(2, 1)], 0, Size(9, 3), Look(colour=False, ascii_=True)))
    assert [row.rstrip() for row in rows] == ["     2|:", "     0|#", "       00"]


def test_nothing_yet() -> None:
    assert "nothing in the last day" in "".join(plain(partof([(0, 0)] * 24, 0, Size(60, 4), Look())))


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=24),
    st.integers(0, 10**6),
    st.integers(1, 200),
    st.integers(1, 30),
    st.booleans(),
)
def test_it_fills_its_size(
    pairs: list[tuple[int, int]], hour: int, width: int, height: int, ascii_: bool
) -> None:
    drawn = [(max(pair), min(pair)) for pair in pairs]
    rows = plain(partof(drawn, hour, Size(width, height), Look(ascii_=ascii_)))
    assert len(rows) == height
    assert {len(row) for row in rows} == {width}
    if ascii_:
        assert all(ord(c) < 128 or c in "…│" for row in rows for c in row)


@pytest.mark.parametrize("width", [20, 31, 60, 120])
def test_where_there_is_no_room_the_newest_are_drawn(width: int) -> None:
    first = plain(partof(DAY, 0, Size(width, 4), Look()))[2]
    assert "░" in first
