"""Slots of a cluster."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.slots import SLOTS, owners, slot_of


@pytest.mark.parametrize(
    ("key", "slot"), [(b"123456789", 0x31C3), (b"", 0), (b"foo", 12182), (b"{foo}.bar", 12182)]
)
def test_known_ones(key: bytes, slot: int) -> None:
    assert slot_of(key) == slot


@given(st.binary())
def test_every_key_has_one(key: bytes) -> None:
    assert 0 <= slot_of(key) < SLOTS


@given(
    st.binary(min_size=1).filter(lambda t: b"}" not in t),
    st.binary(),
    st.binary().filter(lambda t: b"{" not in t),
)
def test_what_is_in_the_first_braces_decides(tag: bytes, after: bytes, before: bytes) -> None:
    assert slot_of(before + b"{" + tag + b"}" + after) == slot_of(b"{" + tag + b"}")


def test_empty_braces_are_text() -> None:
    assert slot_of(b"{}a") != slot_of(b"{}b")


def test_the_higher_epoch_holds_a_slot_and_the_rest_is_nobody_s() -> None:
    claims = [("new", 9, [(0, 99)]), ("old", 1, [(0, 199)]), ("far", 2, [(16_383, 16_383)])]
    assert owners(claims) == [
        ((0, 99), "new"),
        ((100, 199), "old"),
        ((200, 16_382), ""),
        ((16_383, 16_383), "far"),
    ]
    assert owners([]) == [((0, SLOTS - 1), "")]


RANGES = st.tuples(st.integers(0, SLOTS - 1), st.integers(0, SLOTS - 1)).map(lambda r: (min(r), max(r)))


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.lists(RANGES, max_size=4)), max_size=6)
)
def test_every_slot_is_told_once_and_true(claims: list[tuple[str, int, list[tuple[int, int]]]]) -> None:
    told = owners(claims)
    assert [first for (first, _), _ in told] == [0, *(last + 1 for (_, last), _ in told[:-1])]
    assert told[-1][0][1] == SLOTS - 1
    for (first, last), node in told:
        for slot in (first, last):
            best = max((e for _, e, rs in claims if any(a <= slot <= b for a, b in rs)), default=None)
            at_best = {n for n, e, rs in claims if e == best and any(a <= slot <= b for a, b in rs)}
            assert node in at_best if best is not None else node == ""
