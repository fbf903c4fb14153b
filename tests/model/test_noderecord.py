"""Records of nodes: read as they were written, and anything else refused for one of few reasons."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.model.noderecord import LARGEST, NodeRecord, NoRecord, pack, unpack
from perftui.model.tiers import DefaultTtl, EarlyLoads, LocalCopies, SharedLoads, TierStats

NAMES = st.text("abcz09_.", min_size=1, max_size=20)
STATS = st.builds(
    TierStats,
    namespace=st.text("shop-é:/ ", min_size=1, max_size=20),
    node=st.text("0123abc", min_size=1, max_size=20),
    counters=st.dictionaries(NAMES, st.integers(0, 2**63 - 1), max_size=9),
    gauges=st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False), max_size=9),
    sketches=st.dictionaries(NAMES, st.binary(max_size=60), max_size=4),
    ttl=st.none() | st.builds(DefaultTtl, st.floats(0, 1e9) | st.just(float("inf")), st.floats(-1, 1e9)),
    shared=st.none() | st.builds(SharedLoads, st.booleans(), st.booleans()),
    early=st.none() | st.builds(EarlyLoads, st.floats(0, 1e9), st.floats(0, 1e9)),
    local=st.none() | st.builds(LocalCopies, st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
)
REASONS = {"too large", "no JSON", "another version", "another shape"}
GOOD = json.loads(pack(TierStats("shop", "n1", {"hit.l1": 3}, {"l1.bytes": 1.0}, {"get": b"x"}), 7.0))


@given(STATS, st.floats(0, 1e10).map(lambda at: round(at, 3)))
def test_a_record_is_read_as_it_was_written(stats, at):
    assert unpack(pack(stats, at)) == NodeRecord(stats, at)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_bytes_are_refused_for_a_known_reason(data):
    with pytest.raises(NoRecord) as caught:
        unpack(data)
    assert str(caught.value) in REASONS


@pytest.mark.parametrize(
    "change",
    [
        {"namespace": ""}, {"namespace": 5}, {"namespace": "a" * 201}, {"node": "\x1b[31m"}, {"node": "a\u202eb"},
        {"counters": {"a": -1}}, {"counters": {"a": 2**63}}, {"counters": {"a": True}}, {"counters": {"a": 1.5}},
        {"counters": {"A\n": 1}}, {"counters": [1]}, {"counters": {f"c{n}": 1 for n in range(600)}},
        {"gauges": {"a": "1"}}, {"gauges": {"a": 10**400}}, {"sketches": {"a": 1}}, {"sketches": {"a": "%%%"}},
        {"at": None}, {"at": "now"}, {"ttl": 5}, {"ttl": {"now": 5}}, {"ttl": {"now": "5", "own": 5}},
        {"shared": True}, {"shared": {"now": True}}, {"shared": {"now": 1, "own": False}},
        {"work": 5}, {"work": {}}, {"early": 1.0}, {"early": {"now": -1.0, "own": 0}}, {"early": {"now": 1}},
    ],
)  # fmt: skip
def test_another_shape_is_refused(change):
    with pytest.raises(NoRecord, match="another shape"):
        unpack(json.dumps(GOOD | change).encode())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b" " * (LARGEST + 1), "too large"),
        (b"[" * 60_000, "no JSON"),
        (json.dumps(GOOD).encode().replace(b"1.0", b"NaN"), "no JSON"),
        (b"9" * 9000, "no JSON"),
        (json.dumps(GOOD | {"v": 2}).encode(), "another version"),
        (b"[]", "another version"),
    ],
)
def test_what_cannot_be_read_is_named(data, why):
    with pytest.raises(NoRecord, match=why):
        unpack(data)


def test_what_would_not_be_read_is_not_written():
    stats = TierStats(
        "shop", "n", {"good": 1, "Bad name": 2}, {"inf": float("inf"), "x": 1.0}, {"big": b"x" * 99_999}
    )
    assert unpack(pack(stats, 1.0)).stats == TierStats("shop", "n", {"good": 1}, {"x": 1.0}, {})
