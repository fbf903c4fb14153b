"""Curves on the wire: read as they were written, and nothing else taken for one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.model.misscurve import MOST_POINTS, MissCurve, Point, packed, unpacked
from perftui.model.noderecord import NoRecord, pack, unpack
from perftui.model.tiers import TierStats

RATIOS = st.integers(0, 100_000).map(lambda n: n / 100_000)
CURVES = st.builds(
    MissCurve,
    room=st.integers(1, 10**9),
    entry_bytes=st.integers(0, 10**6).map(lambda n: n / 10),
    seen=st.integers(10, 10**9).map(lambda n: n / 10),
    rate=st.sampled_from((1.0, 0.5, 0.00123)),
    points=st.lists(st.tuples(st.integers(1, 10**9), RATIOS, RATIOS), min_size=1, max_size=MOST_POINTS,
                    unique_by=lambda p: p[0]).map(lambda ps: tuple(Point(*p) for p in sorted(ps))),
)  # fmt: skip
GOOD = MissCurve(100, 10.0, 500.0, 0.5, (Point(50, 0.4, 0.01), Point(100, 0.2, 0.01)))


@given(CURVES)
def test_a_curve_is_read_as_it_was_written(curve):
    assert unpacked(json.loads(json.dumps(packed(curve)))) == curve


def test_a_record_has_a_curve_or_none():
    with_one, without = (unpack(pack(TierStats("a", "b", curve=c), 1.0)) for c in (GOOD, None))
    assert with_one.stats.curve == GOOD
    assert without.stats.curve is None


@pytest.mark.parametrize(
    "change",
    [
        {"room": 0}, {"room": 2**60}, {"room": "5"}, {"seen": -1}, {"rate": 2}, {"entry_bytes": True}, {"points": []},
        {"points": 5}, {"points": [[1, 0.5]]}, {"points": [[2, 0.5, 0], [1, 0.5, 0]]}, {"points": [[1, 1.5, 0]]},
        {"points": [[n, 0.5, 0.1] for n in range(1, 99)]}, {"points": ["abc"]}, {"points": [[10**400, 0, 0]]},
    ],
)  # fmt: skip
def test_another_shape_is_no_record(change):
    text = json.loads(pack(TierStats("a", "b", curve=GOOD), 1.0))
    text["curve"] |= change
    with pytest.raises(NoRecord, match="another shape"):
        unpack(json.dumps(text).encode())


@pytest.mark.parametrize("curve", [None, 5, [], "x", {}])
def test_no_curve_at_all_is_no_record(curve):
    text = json.loads(pack(TierStats("a", "b"), 1.0)) | {"curve": curve}
    with pytest.raises(NoRecord, match="another shape"):
        unpack(json.dumps(text).encode())
