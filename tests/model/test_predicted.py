"""What a node says of its predictions goes through its record unchanged, and nothing else comes out of one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.model.noderecord import LARGEST, NoRecord, pack, unpack
from perftui.model.predicted import (
    HOURS,
    LONGEST,
    MOST_GROUPS,
    Predicted,
    PredictedGroup,
    TurnedOff,
    packed,
    unpacked,
)
from perftui.model.tiers import TierStats

COUNT = st.integers(0, 1 << 40)


def group(name: str = "report", used: int = 3, of: int = 4, off: TurnedOff | None = None) -> PredictedGroup:
    return PredictedGroup(name, used, of - used, 2, used, of, off)


TOLD = Predicted(472_000, ((0, 0),) * 23 + ((4, 3),), 100, 3, 40, 1, paused=False, groups=(group(),))


@st.composite
def groups(draw: st.DrawFn) -> PredictedGroup:
    used, more = draw(COUNT), draw(COUNT)
    off = draw(st.none() | st.builds(TurnedOff, st.integers(0, 1 << 40).map(float), COUNT, COUNT))
    name = draw(st.text(st.characters(categories=("L", "N", "P")), max_size=LONGEST))
    return PredictedGroup(name, draw(COUNT), draw(COUNT), draw(COUNT), used, used + more, off)


@given(
    COUNT,
    st.lists(st.tuples(COUNT, COUNT), max_size=HOURS),
    st.tuples(COUNT, COUNT),
    st.booleans(),
    st.lists(groups(), max_size=MOST_GROUPS),
)
def test_it_goes_through_a_record(
    hour: int, hours: list[tuple[int, int]], day: tuple[int, int], paused: bool, of: list[PredictedGroup]
) -> None:
    told = Predicted(hour, tuple(hours), max(day), min(day), 1, 2, paused, tuple(of))
    data = pack(TierStats("shop", "n", predicted=told), 1.0)
    again = unpack(data).stats.predicted
    assert again is not None
    assert replace(again, groups=()) == replace(told, groups=())
    assert set(again.groups) == set(told.groups)
    assert len(data) < LARGEST


def test_groups_that_are_off_are_told_first_and_names_are_inert() -> None:
    off = group("\x1b[31mred" + 100 * "x", off=TurnedOff(1.0, 2, 30))
    told = replace(TOLD, groups=(*(group(f"g{n}", n, n + 1) for n in range(60)), off))
    again = unpacked(packed(told))
    assert len(again.groups) == MOST_GROUPS
    assert again.groups[0].name == "?[31mred" + 52 * "x"
    assert [one.name for one in again.groups[1:3]] == ["g59", "g58"]


def test_precision_is_of_those_that_are_on() -> None:
    assert TOLD.precision == 0.75
    off = replace(TOLD, groups=(group(), group("menu", 0, 30, TurnedOff(0.0, 0, 30))))
    assert (off.precision, off.on) == (0.75, True)
    assert (replace(off, groups=off.groups[1:]).precision, replace(off, groups=off.groups[1:]).on) == (
        None,
        False,
    )
    assert (replace(TOLD, groups=()).on, replace(TOLD, asked=0, gained=0).gain) == (True, None)
    assert TOLD.gain == 0.03


WRONG: list[tuple[str, Any]] = [
    ("hour", -1),
    ("hour", 1.5),
    ("hour", True),
    ("hours", [[1, 2, 3]]),
    ("hours", [[1, 2]] * 25),
    ("hours", {"0": 1}),
    ("day", [1, 2]),
    ("day", [1]),
    ("keys", 1 << 60),
    ("failed", None),
    ("paused", 1),
    ("groups", [["a", [1, 2, 3, 4, 5], None]] * 21),
    ("groups", [["a", [1, 2, 3, 5, 4], None]]),
    ("groups", [["a\n", [1, 2, 3, 4, 5], None]]),
    ("groups", [["a" * 61, [1, 2, 3, 4, 5], None]]),
    ("groups", [["a", [1, 2, 3, 4], None]]),
    ("groups", [["a", [1, 2, 3, 4, 5], [float("inf"), 1, 2]]]),
    ("groups", [["a", [1, 2, 3, 4, 5], ["now", 1, 2]]]),
    ("groups", [[7, [1, 2, 3, 4, 5], None]]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_record_with_anything_else_is_none(name: str, value: Any) -> None:
    text = json.loads(pack(TierStats("shop", "n", predicted=TOLD), 1.0))
    text["predicted"][name] = value
    with pytest.raises(NoRecord):
        unpack(json.dumps(text).encode())
    del text["predicted"][name]
    with pytest.raises(NoRecord):
        unpack(json.dumps(text).encode())
