"""Any value becomes JSON; what is secret does not."""

import json
import math
from array import array
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from perftui.config.secret import MASK
from perftui.export.json import dumps, jsonable
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.series import Series, SeriesKey


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Pair(NamedTuple):
    left: int
    password: str


@dataclass(frozen=True, slots=True)
class Leaf:
    name: object
    key: object = field(default="", metadata={"secret": True})
    items: object = ()


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([Colour.RED, Level.LOW])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=8) | st.integers() | st.tuples(st.integers()), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=4)
        | st.builds(Leaf, inner, inner, inner)
        | st.builds(Pair, st.integers(), st.text(max_size=5))
        | st.lists(st.floats(allow_nan=True), max_size=4).map(lambda v: array("d", v))
    ),
    max_leaves=20,
)


@given(values)
def test_everything_becomes_visible_json_that_reads_back(value):
    text = dumps(value)

    assert not _steers(text)
    assert json.loads(text) == json.loads(dumps(json.loads(text)))


def _steers(text):
    return any((c < " " and c != "\n") or "\x7f" <= c <= "\x9f" or c in "\u202e\u200b\u2066" for c in text)


secrets = st.text("abcdefghij0123456789", min_size=8, max_size=16)


@given(secrets, values)
def test_no_secret_gets_out(secret, other):
    shown = dumps(
        [
            Leaf("x", key=secret, items=other if secret not in repr(other) else ()),
            {"password": secret, "db_password": secret, "api_key": secret, "token": [secret]},
            Pair(1, secret),
            f"see redis://user:{secret}@host:1/0",
            {"url": f"postgresql://u:{secret}@h/db", f"redis://:{secret}@h": 1},
        ]
    )
    assert secret not in shown
    assert MASK in shown


def test_a_reference_is_no_secret_and_empty_stays_empty():
    assert jsonable({"password": "env:PW", "token": "", "secret": None}) == {
        "password": "env:PW",
        "token": "",
        "secret": None,
    }


def test_values_take_their_natural_form():
    series = Series(SeriesKey("db", "tps", (("a", "b"),)), "1/s")
    series.append(1.0, 2.0)
    assert jsonable(series) == {"key": "db/tps{a=b}", "unit": "1/s", "samples": [[1.0, 2.0]]}
    assert jsonable([math.inf, Colour.RED, Level.LOW, b"\xff", {3, 1}]) == [
        None,
        "red",
        "low",
        "\\xff",
        [1, 3],
    ]


def test_a_frame_leaves_its_history_out():
    frame = Frame("cache", 1.0, Leaf("n"), {"c": Health(Link.LOST, 1.0, "down")})
    made = jsonable(frame)
    assert "history" not in made
    assert made["health"]["c"]["link"] == "lost"
