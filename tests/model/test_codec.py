"""Stored reports come back equal, and hostile ones are refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.flame import build
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.health import Health, Link
from perftui.model.profiler import StackFrame, TreeArrays
from perftui.model.series import SeriesKey


@dataclass(frozen=True)
class Inner:
    name: str
    key: SeriesKey
    raw: bytes = b""


@dataclass(frozen=True)
class Outer:
    at: float
    items: tuple[Inner, ...]
    pair: tuple[str, int]
    health: Mapping[str, Health]
    by_key: dict[SeriesKey, float]
    maybe: float | None = None


inner = st.builds(
    Inner,
    name=st.text(),
    key=st.builds(SeriesKey, st.text(), st.text(), st.just((("core", "1"),))),
    raw=st.binary(),
)
outer = st.builds(
    Outer,
    at=st.floats(allow_nan=False),
    items=st.lists(inner).map(tuple),
    pair=st.tuples(st.text(), st.integers()),
    health=st.dictionaries(st.text(), st.builds(Health, st.sampled_from(Link), st.floats(0, 1e9), st.text())),
    by_key=st.dictionaries(st.builds(SeriesKey, st.text(), st.text()), st.floats(allow_nan=False)),
    maybe=st.none() | st.floats(allow_nan=False),
)


@given(outer)
def test_round_trip(value: Outer) -> None:
    assert from_jsonable(Outer, json.loads(json.dumps(to_jsonable(value)))) == value


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"at": "x"},
        {"at": 1.0, "items": {}, "pair": ["a", 1], "health": {}, "by_key": {}},
        {"at": 1.0, "items": [], "pair": ["a"], "health": {}, "by_key": {}},
        {"at": 1.0, "items": [], "pair": ["a", True], "health": {}, "by_key": {}},
        {
            "at": 1.0,
            "items": [],
            "pair": ["a", 1],
            "health": {"v": {"link": "nope", "since": 0}},
            "by_key": {},
        },
    ],
)
def test_what_does_not_fit_is_refused(data: Any) -> None:
    with pytest.raises(ValueError):
        from_jsonable(Outer, data)


def test_unknown_fields_are_ignored() -> None:
    assert from_jsonable(Health, {"link": "LIVE", "since": 1.0, "new": 3}) == Health(Link.LIVE, 1.0)


def test_infinity_survives_json() -> None:
    assert from_jsonable(float, json.loads(json.dumps(to_jsonable(float("inf"))))) == float("inf")


def test_objects_that_are_no_values_are_refused() -> None:
    with pytest.raises(TypeError):
        to_jsonable(object())


def test_call_trees_with_their_arrays_and_named_frames_come_back_equal() -> None:
    tree = build([((0, 1), 3), ((0,), 2)])
    stored = json.loads(json.dumps(to_jsonable({"tree": tree, "hot": StackFrame("f", "a.py", 3)})))
    assert from_jsonable(TreeArrays, stored["tree"]) == tree
    assert from_jsonable(StackFrame, stored["hot"]) == StackFrame("f", "a.py", 3)
    with pytest.raises(ValueError):
        from_jsonable(StackFrame, ["f"])
