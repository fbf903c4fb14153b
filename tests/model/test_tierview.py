"""Rates between two records of a node, and their sums."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.model.cache import CacheReading
from perftui.model.tiers import TierStats
from perftui.model.tierview import COUNTERS, TierFacts, TierNode, TierTraffic, between, share, together
from tests.engines.cache.test_findings import CALM

COUNTS = st.fixed_dictionaries({name: st.integers(0, 10**9) for name in COUNTERS})


def stats(**counts: int) -> TierStats:
    return TierStats("shop", "n", {name.replace("_", "."): n for name, n in counts.items()})


def test_a_node_s_rates_are_what_it_gained() -> None:
    before = stats(hit_l1=10, miss=5)
    now = stats(hit_l1=90, hit_l2=10, miss=15, coalesced=10, stale=5, evicted_capacity=2)
    found = between(before, now, 2.0)
    assert found == TierTraffic(40.0, 5.0, 5.0, 5.0, 2.5, 1.0)
    assert found is not None
    assert (found.requests, found.hit_ratio, found.l1_hit_ratio) == (55.0, 45 / 55, 40 / 55)
    assert found.stale_ratio == 2.5 / 55


def test_what_leaves_l1_has_a_rate_for_each_cause() -> None:
    before = stats(evicted_capacity=2, evicted_expiry=10, evicted_explicit=5)
    now = stats(evicted_capacity=6, evicted_expiry=11, evicted_explicit=25)
    found = between(before, now, 2.0)
    assert found is not None
    assert found.evictions == (("capacity", 2.0), ("expiry", 0.5), ("explicit", 10.0))
    both = together([found, found])
    assert both is not None
    assert dict(both.evictions) == {"capacity": 4.0, "expiry": 1.0, "explicit": 20.0}


def test_no_rates_of_one_record_nor_of_a_counter_that_fell() -> None:
    assert between(stats(miss=1), stats(miss=2), 0.0) is None
    assert between(stats(miss=2), stats(miss=1), 1.0) is None


def test_nothing_is_known_of_nothing() -> None:
    assert together([]) is None
    assert together([None, None]) is None
    assert share(0.0, 0.0) is None
    assert TierTraffic().hit_ratio is None


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=5), st.integers(0, 3))
def test_the_sum_s_ratio_lies_between_those_of_its_parts(pairs: list[tuple], unknown: int) -> None:
    parts = []
    for before, gained in pairs:
        now = {name: before[name] + gained[name] for name in COUNTERS}
        parts.append(between(TierStats("a", "b", before), TierStats("a", "b", now), 2.0))
    whole = together([*parts, *[None] * unknown])
    assert whole is not None
    known = [part for part in parts if part is not None]
    assert astuple(whole) == pytest.approx([sum(x) for x in zip(*map(astuple, known), strict=True)])
    ratios = [part.hit_ratio for part in known if part.hit_ratio is not None]
    if ratios:
        assert whole.hit_ratio is not None
        assert min(ratios) - 1e-9 <= whole.hit_ratio <= max(ratios) + 1e-9


def test_what_is_served_counts_the_memory_above_the_server() -> None:
    def reading(hits: float | None, misses: float | None, *nodes: TierNode) -> CacheReading:
        facts = TierFacts(nodes) if nodes else None
        return replace(CALM, hits_per_s=hits, misses_per_s=misses, tiers=facts)

    node = TierNode("shop", "n", 0.0, TierTraffic(l1_hits=80.0, l2_hits=10.0, misses=5.0, coalesced=5.0))
    assert reading(10.0, 5.0).served_ratio == pytest.approx(10 / 15)
    assert reading(10.0, 5.0, node).served_ratio == pytest.approx(95 / 100)
    assert reading(12.0, 10.0, node).served_ratio == pytest.approx(97 / 102)  # each load looked twice
    assert reading(10.0, 14.0, node).served_ratio == pytest.approx(95 / 104)  # four are others' misses
    assert reading(None, None, node).served_ratio is None
    assert reading(0.0, 0.0).served_ratio is None
