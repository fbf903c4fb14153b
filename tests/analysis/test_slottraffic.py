"""Counters of slots made traffic: shares are of a whole, rates are never negative, and nothing is made up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.slots import SLOTS
from perftui.analysis.slottraffic import APART, SlotMeter, gained, part_of, share, total
from perftui.model.codec import from_jsonable, to_jsonable
from perftui.model.slottraffic import GROUP, SlotCount, SlotFacts, SlotMap

FIGURES = st.one_of(st.none(), st.floats(0, 1e12))


def metered(*looks: tuple[str, float, list[SlotCount]]) -> SlotMeter:
    meter = SlotMeter()
    for node, at, counts in looks:
        meter.take(node, at, counts)
    return meter


def facts(meter: SlotMeter, most: int = 10) -> SlotFacts:
    return meter.facts(most, {})


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_the_shares_of_all_slots_are_one(gains: list[float]) -> None:
    first = [SlotCount(slot, 1, 5.0, 7.0) for slot in range(len(gains))]
    then = [SlotCount(slot, 1, 5.0 + gain, 7.0 + gain) for slot, gain in enumerate(gains)]
    (shard,) = facts(metered(("a", 0.0, first), ("a", 2.0, then)), SLOTS).shards
    if shard.cpu:
        assert sum(one.cpu_share or 0.0 for one in shard.top) == pytest.approx(1.0)
        assert sum(one.bytes_share or 0.0 for one in shard.top) == pytest.approx(1.0)
    assert all(0 <= (one.cpu_share or 0.0) <= 1 + 1e-9 for one in shard.top)
    assert [one.share for one in shard.top] == sorted((one.share for one in shard.top), reverse=True)


@given(FIGURES, FIGURES, st.floats(-5, 100))
def test_a_rate_is_never_negative_and_a_counter_that_fell_is_no_figure(
    before: float | None, now: float | None, seconds: float
) -> None:
    rate = gained(before, now, seconds)
    assert rate is None or rate >= 0
    if before is None or now is None or now < before or seconds <= 0:
        assert rate is None


@given(st.lists(FIGURES))
def test_a_total_is_of_what_is_known(values: list[float | None]) -> None:
    known = [value for value in values if value is not None]
    assert total(values) == (pytest.approx(sum(known)) if known else None)
    assert share(1.0, None) is None
    assert share(1.0, 0.0) is None
    assert share(None, 1.0) is None


def test_a_counter_that_was_reset_and_one_of_another_primary_begin_anew() -> None:
    before, after = [SlotCount(1, 3, 9.0, 900.0)], [SlotCount(1, 3, 1.0, 1000.0)]
    (shard,) = facts(metered(("a", 0.0, before), ("a", 1.0, after))).shards
    assert (shard.cpu, shard.bytes_per_s, shard.measured) == (None, 100.0, 1)
    moved = facts(metered(("a", 0.0, before), ("b", 1.0, after)))
    assert [(s.node, s.measured) for s in moved.shards] == [("b", 0)]
    again = metered(("a", 0.0, before), ("b", 1.0, after), ("b", 2.0, [SlotCount(1, 3, 3.0, 1000.0)]))
    assert facts(again).shards[0].cpu == 2.0


def test_two_looks_that_are_too_near_make_no_rate_and_the_older_one_stays() -> None:
    meter = metered(("a", 0.0, [SlotCount(1, 1, 1.0)]), ("a", APART / 2, [SlotCount(1, 1, 2.0)]))
    assert facts(meter).shards[0].measured == 0
    meter.take("a", 2.0, [SlotCount(1, 1, 3.0)])
    assert facts(meter).shards[0].cpu == 1.0


def test_what_a_primary_tells_of_others_slots_is_left_out_and_slots_that_went_are_forgotten() -> None:
    meter = SlotMeter()
    meter.follow({"a": ((0, 9),), "b": ((10, 19),)})
    meter.take("a", 0.0, [SlotCount(5, 1), SlotCount(15, 100)])
    meter.name(5, b"only")
    (shard,) = facts(meter).shards
    assert (shard.slots, shard.keys) == (1, 1)
    assert shard.fullest[0].only == b"only"
    meter.follow({"b": ((0, 19),)})
    assert facts(meter).shards == ()
    assert meter.facts(1, {"c": "it says nothing"}).why == "it says nothing"


def test_keys_alone_have_no_traffic_and_no_hottest() -> None:
    counts = [SlotCount(slot, slot) for slot in range(5)]
    told = facts(metered(("a", 0.0, counts), ("a", 5.0, counts)), 2)
    assert told.hottest == ()
    assert [one.slot for one in told.fullest] == [4, 3]
    assert not told.measured
    assert SlotFacts().measured


@given(st.dictionaries(st.integers(0, SLOTS - 1), st.integers(0, 1000), max_size=80))
def test_the_map_has_every_key_once_and_survives_being_kept(keys: dict[int, int]) -> None:
    meter = metered(("a", 0.0, [SlotCount(slot, n) for slot, n in keys.items()]))
    found = meter.map(1.0, 3, {})
    assert len(found.keys) == len(found.cpu) == SLOTS // GROUP
    sums: Counter[int] = Counter()
    for slot, n in keys.items():
        sums[slot // GROUP] += n
    told = {place: n for place, n in enumerate(found.keys) if n >= 0}
    assert told == {slot // GROUP: sums[slot // GROUP] for slot in keys}
    assert set(found.cpu) == {-1.0}
    assert from_jsonable(SlotMap, to_jsonable(found)) == found


HELD = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


@given(HELD, st.integers(1, 12))
def test_the_pieces_have_every_slot_once(pairs: list[tuple[int, int]], parts: int) -> None:
    held, at = [], 0
    for gap, length in pairs:
        held.append((at + gap, at + gap + length))
        at += gap + length + 1
    slots = [slot for first, last in held for slot in range(first, last + 1)]
    pieces = [piece for n in range(parts) if (piece := part_of(held, n, parts)) is not None]
    found = [slot for first, last in pieces for slot in slots if first <= slot <= last]
    assert found == slots
    sizes = [sum(first <= slot <= last for slot in slots) for first, last in pieces]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
