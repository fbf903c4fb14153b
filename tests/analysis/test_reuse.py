"""Re-use read: what is known of it, which TTL covers it, and nothing of too little or of nonsense."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis import reuse
from perftui.analysis.quantile import Sketch
from perftui.analysis.reuse import ROUND, Tally
from perftui.model.namespacepolicy import MOST
from perftui.model.noderecord import NodeRecord
from perftui.model.reuse import ENDED, OPEN, Reuse
from perftui.model.tiers import TierStats


def sketch(*values):
    made = Sketch()
    for value, times in values:
        made.add(value, times)
    return made.pack()


def record(ended, still, node="n", namespace="shop"):
    return NodeRecord(TierStats(namespace, node, sketches={ENDED: sketch(*ended), OPEN: sketch(*still)}), 0.0)


def told(*records):
    return reuse.by_namespace(records).get("shop")


def test_of_times_that_are_all_over_it_is_their_distribution():
    known = told(record([(10.0, 100), (200.0, 300)], [(1.0, 50)]))
    assert [share for _, share in known.steps] == [0.25, 0.75]
    assert [seconds for seconds, _ in known.steps] == pytest.approx([10.0, 200.0], rel=0.01)
    assert (known.seen, known.keys, known.nodes) == (400, 50, 1)


def test_those_still_open_count_as_long_as_they_lasted():
    known = told(record([(10.0, 100), (200.0, 100)], [(100.0, 100)]))
    assert [share for _, share in known.steps] == pytest.approx([1 / 3, 2 / 3])
    open_end = told(record([(10.0, 100)], [(100.0, 200)]))
    assert [share for _, share in open_end.steps] == pytest.approx([1 / 3])
    assert reuse.quantile(open_end, 0.5, 1.0) is None, "two of three lasted longer than anybody saw"
    assert reuse.quantile(open_end, 0.3, 1.0) == pytest.approx(10.0, rel=0.01)


def test_too_little_says_nothing():
    assert told(record([(10.0, 49)], [(1.0, 50)])) is None
    assert told(record([(10.0, 500)], [(1.0, 15)])) is None
    assert told(record([(10.0, 60)], [(1.0, 50)], namespace="other")) is None
    one = TierStats("shop", "n", sketches={ENDED: sketch((10.0, 99))})
    assert told(NodeRecord(one, 0.0)) is None
    few = told(record([(10.0, 100), (900.0, 5)], [(1.0, 50)]))
    assert len(few.steps) == 1, "what five saw is no distribution"


def test_a_ttl_ends_however_often_the_entry_is_used():
    known = Reuse(((10.0, 0.5), (100.0, 0.5)), 1000, 100)
    assert reuse.late(known, 5.0) == 1.0
    assert reuse.late(known, 50.0) == pytest.approx(0.5 / 6 + 0.5)
    assert reuse.spared(known, 50.0, 100.0) == pytest.approx(1 - (0.5 / 11 + 0.25) / (0.5 / 6 + 0.5))
    assert reuse.quantile(known, 0.5, 50.0) == 100.0
    assert reuse.covering(known, 50.0) == 120.0
    again = 1000 * reuse.late(known, 50.0)
    assert reuse.ended(known, 50.0) == pytest.approx(again / (again + 100))


@given(st.lists(st.tuples(st.floats(1e-3, 1e8), st.integers(1, 10**6)), max_size=60),
       st.lists(st.tuples(st.floats(1e-3, 1e8), st.integers(1, 10**6)), max_size=60),
       st.integers(1, 5), st.floats(1.0, MOST))  # fmt: skip
def test_any_sketches_give_shares_and_a_ttl_that_can_be_set(ended, still, nodes, ttl):
    known = told(*(record(ended, still, str(n)) for n in range(nodes)))
    if known is None:
        return
    assert 0 < sum(share for _, share in known.steps) <= 1 + 1e-9
    assert [seconds for seconds, _ in known.steps] == sorted(seconds for seconds, _ in known.steps)
    assert reuse.covering(known, ttl) in ROUND
    assert 0 <= reuse.spared(known, ttl, 2 * ttl) <= 1
    assert 0 <= reuse.ended(known, ttl) <= 1
    middle = reuse.quantile(known, 0.5, ttl)
    assert middle is None or known.steps[0][0] <= middle <= known.steps[-1][0]


def test_more_steps_than_nodes_make_are_nobody_s():
    tally = Tally()
    tally.add(record([(1.02**n, 20) for n in range(1000)], [(1.0, 50)]))
    assert tally.told() is None


def test_ttls_that_are_proposed_rise_and_end_where_none_can_be_set():
    assert list(ROUND) == sorted(set(ROUND))
    assert ROUND[-1] == MOST
    beyond = Reuse(((10 * MOST, 1.0),), 100, 50)
    assert reuse.covering(beyond, 60.0) == MOST
    assert not math.isinf(reuse.late(beyond, MOST))
