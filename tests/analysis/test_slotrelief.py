"""Which slots to move: never the one that cannot be split, never in vain, and no slot twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.slotrelief import LEAST, last_but, relief

HELD = ((0, 5460),)


def test_a_slot_that_fits_elsewhere_is_moved_alone() -> None:
    found = relief({"a": 100.0, "b": 10.0, "c": 30.0}, "a", 7, 50.0, HELD)
    assert found is not None
    assert (found.to, found.slots, found.others) == ("b", ((7, 7),), False)
    assert (found.before, found.after) == (100.0, 60.0)


def test_where_the_slot_is_too_heavy_the_slots_beside_it_go() -> None:
    found = relief({"a": 100.0, "b": 45.0}, "a", 7, 60.0, HELD)
    assert found is not None
    assert found.others
    moved = sum(last - first + 1 for first, last in found.slots)
    assert moved == pytest.approx(5460 * 27.5 / 40, abs=1)
    assert found.after == pytest.approx(72.5, abs=0.1)
    assert not any(first <= 7 <= last for first, last in found.slots)


@pytest.mark.parametrize(
    ("loads", "load"),
    [
        ({"a": 100.0, "b": 0.0}, 99.0),  # the slot is all there is
        ({"a": 100.0, "b": 95.0}, 50.0),  # the other one is as busy
        ({"a": 100.0}, 50.0),
        ({"b": 100.0}, 50.0),
    ],
)
def test_where_no_move_helps_none_is_named(loads: dict[str, float], load: float) -> None:
    assert relief(loads, "a", 7, load, HELD) is None


def test_a_slot_that_is_not_there_and_the_only_one_are_not_moved() -> None:
    found = relief({"a": 100.0, "b": 0.0}, "a", -1, 0.0, HELD)
    assert found is not None
    assert found.others
    assert relief({"a": 100.0, "b": 0.0}, "a", 7, 50.0, ((7, 7),)) is None


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1e6), min_size=1),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_a_move_always_helps_and_keeps_what_it_moves_apart(
    loads: dict[str, float], part: float, slot: int
) -> None:
    held = ((0, 39), (60, 99))
    found = relief(loads, "a", slot, part * loads.get("a", 0.0), held)
    if found is None:
        return
    assert found.to != "a"
    assert found.after <= (1 - LEAST) * found.before
    moved = [s for first, last in found.slots for s in range(first, last + 1)]
    assert len(set(moved)) == len(moved) > 0
    assert all(any(first <= s <= last for first, last in held) for s in moved)
    assert (slot in moved) is not found.others


@given(st.integers(0, 99), st.integers(0, 120))
def test_the_last_ones_without_one(slot: int, count: int) -> None:
    held = ((0, 39), (60, 99))
    slots = [s for first, last in held for s in range(first, last + 1) if s != slot]
    moved = [s for first, last in last_but(held, slot, count) for s in range(first, last + 1)]
    assert moved == slots[len(slots) - min(count, len(slots)) :]
