"""Hash slots as cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.rows import Look, Size, plain
from perftui.draw.slotmap import Owned, mark, slotmap, style

THIRDS: list[Owned] = [((0, 5460), 0), ((5461, 10922), 1), ((10923, 16383), 2)]


def test_rows_begin_with_their_first_slot_and_cells_are_the_owners() -> None:
    rows = plain(slotmap(THIRDS, Size(70, 8), Look(colour=False)))
    assert rows[0].startswith("    0 AAAA")
    assert rows[-1].rstrip().endswith("C")
    assert {len(row) for row in rows} == {70}
    joined = "".join(row[6:].strip() for row in rows)
    assert len(joined) * 32 == 16_384  # slots a cell
    assert (joined.count("A"), joined.count("/"), joined.count("C")) == (170, 2, 170)


def test_one_slot_of_nobody_s_is_seen() -> None:
    holed: list[Owned] = [((0, 8000), 0), ((8001, 8001), -1), ((8002, 16383), 0)]
    rows = slotmap(holed, Size(70, 8), Look())
    assert "".join(plain(rows)).count("!") == 1
    assert any(span == ("!", "crit reverse") for row in rows for span in row)


def test_colours_repeat_and_letters_end() -> None:
    assert (style(0), style(8)) == ("s1", "s1")
    assert (mark(0), mark(51), mark(52)) == ("A", "z", "+")
    assert "█" in "".join(plain(slotmap(THIRDS, Size(40, 4), Look())))


@given(st.integers(1, 200), st.integers(0, 60))
def test_any_size_is_filled(width: int, height: int) -> None:
    rows = plain(slotmap(THIRDS, Size(width, height), Look()))
    assert len(rows) == height
    assert all(len(row) == width for row in rows)
