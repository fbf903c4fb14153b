"""Hash slots as cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.draw.rows import Look, Size, plain
from perftui.draw.slotmap import Owned, mark, slotheat, slotmap, style

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


def keys_text(value: float) -> str:
    return f"{value:.0f} keys"


def heat(values: list[float], size: Size, look: Look, ranges: list[Owned] = THIRDS) -> list[str]:
    return plain(slotheat(ranges, values, size, look, text=keys_text))


def test_heat_is_told_by_shape_and_by_the_hottest_cell() -> None:
    values = [0.0] * 2048
    values[100], values[700], values[1000] = 100.0, 20.0, 1.0
    rows = heat(values, Size(70, 8), Look(colour=False))
    body = "".join(row[6:].rstrip("\n") for row in rows[:-1])
    assert (body.count("█"), body.count("▒"), body.count("·")) == (1, 1, 1)
    assert rows[-1].startswith("      · <2%  ░ <10%  ▒ <30%  ▓ <60%  █ up to 100 keys in slots 768-831")
    assert len(rows) == 8
    ascii_rows = heat(values, Size(70, 8), Look(colour=False, ascii_=True))
    assert "".join(ascii_rows).isascii()
    assert "".join(row[6:] for row in ascii_rows[:-1]).count("#") == 1


def test_a_cell_is_the_sum_of_its_slots_and_what_is_not_known_is_no_zero() -> None:
    values = [-1.0] * 1024 + [2.0] * 1024
    rows = heat(values, Size(70, 8), Look(colour=False))
    body = "".join(row[6:].rstrip() for row in rows[:-1])
    assert body.count("?") == body.count("█") == 8192 // 64
    assert "up to 16 keys" in rows[-1]  # 64 slots a cell, 8 a value
    assert "no figure" in heat([-1.0] * 2048, Size(70, 8), Look())[-1]
    assert "none above 0" in heat([0.0] * 2048, Size(70, 8), Look())[-1]


def test_slots_of_nobody_s_show_in_any_heat() -> None:
    holed: list[Owned] = [((0, 8000), 0), ((8001, 8001), -1), ((8002, 16383), 0)]
    assert "".join(heat([5.0] * 2048, Size(70, 8), Look(), holed)).count("!") == 1


@given(st.integers(1, 320), st.integers(0, 60))
def test_heat_fills_any_size(width: int, height: int) -> None:
    rows = heat([1.0] * 2048, Size(width, height), Look())
    assert len(rows) == height
    assert all(len(row) == width for row in rows)
