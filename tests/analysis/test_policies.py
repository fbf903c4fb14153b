"""Evictions: what each must do on traces worked out by hand, and laws that hold for all."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis import belady
from perftui.analysis.policies import OPTIMUM, POLICIES, Arc, Lfu, Lru, TwoQueue, rehearse
from perftui.analysis.s3fifo import S3Fifo

traces = st.lists(st.integers(0, 12), max_size=120)
capacities = st.integers(1, 8)


def played(policy, trace):
    return "".join("h" if policy.access(key) else "." for key in trace)


@pytest.mark.parametrize("name", POLICIES)
@given(trace=traces, capacity=capacities)
def test_never_more_than_fits_and_only_what_came_is_a_hit(name, trace, capacity):
    policy = POLICIES[name](capacity)
    seen = set()
    for key in trace:
        hit = policy.access(key)
        assert not hit or key in seen
        assert policy.access(key), "what was just asked for is there"
        seen.add(key)
        assert len(policy) <= capacity


@pytest.mark.parametrize("name", POLICIES)
@given(trace=traces)
def test_with_room_for_all_only_first_uses_miss(name, trace):
    policy = POLICIES[name](200)  # even a tenth of it is more than the keys there are
    assert played(policy, trace).count(".") == len(set(trace))


@pytest.mark.parametrize("name", POLICIES)
@given(trace=traces, capacity=capacities)
def test_none_beats_the_optimum(name, trace, capacity):
    assert played(POLICIES[name](capacity), trace).count("h") <= sum(belady.hits(trace, capacity))


@pytest.mark.parametrize("name", POLICIES)
def test_no_room_is_refused(name):
    with pytest.raises(ValueError, match="at least one"):
        POLICIES[name](0)


def best(trace, capacity):
    """The optimum by trying everything: after each access, any of what was held or came may be left out."""
    states = {frozenset(): 0}
    for key in trace:
        following: dict[frozenset[int], int] = {}
        for held, hits in states.items():
            there = held | {key}
            kept = [there] if len(there) <= capacity else [there - {gone} for gone in there]
            for state in kept:
                following[state] = max(following.get(state, 0), hits + (key in held))
        states = following
    return max(states.values(), default=0)


@given(st.lists(st.integers(0, 4), max_size=14), st.integers(1, 3))
def test_optimum_is_what_trying_everything_finds(trace, capacity):
    assert sum(belady.hits(trace, capacity)) == best(trace, capacity)


def test_optimum_on_every_short_trace():
    for trace in product(range(3), repeat=6):
        assert sum(belady.hits(trace, 1)) == best(trace, 1)


def test_optimum_of_nothing_and_without_room():
    assert belady.hits([], 3) == []
    assert belady.next_uses(list("abab")) == [2, 3, 4, 4]
    with pytest.raises(ValueError, match="at least one"):
        belady.hits([1], 0)


def test_lru_lets_the_one_unused_for_longest_go():
    assert played(Lru(2), "abacb") == "..h.."
    assert played(Lru(2), "abaca") == "..h.h"


def test_lfu_lets_the_least_used_go_and_the_oldest_of_equals():
    assert played(Lfu(2), "aabcab") == ".h..h."
    assert played(Lfu(2), "abcbc") == "..." + "hh"


def test_2q_keeps_what_came_again_through_a_scan():
    policy = TwoQueue(8)
    played(policy, "ab" + "cdefghi" + "ab" + "k")  # a and b come again after they left the first queue
    played(policy, "lmnopq")
    assert played(policy, "ab") == "hh"


def test_arc_keeps_what_was_used_twice_through_a_scan():
    policy = Arc(4)
    played(policy, "aabb" + "cdefghijkl")
    assert played(policy, "ab") == "hh"
    assert played(Lru(4), "aabb" + "cdefghijkl" + "ab")[-2:] == ".."


def test_s3fifo_lets_one_hit_wonders_go_fast():
    policy = S3Fifo(10)
    played(policy, "aaabbb" + "cdefghijklmnopq")
    assert "a" in policy
    assert "b" in policy
    assert "c" not in policy


def test_s3fifo_keeps_what_was_used_once_again():
    cache = S3Fifo(10)
    cache.access("seen")
    assert cache.access("seen")
    for n in range(20):
        cache.access(n)
    assert "seen" in cache


def test_s3fifo_takes_a_known_name_into_the_main_queue():
    policy = S3Fifo(10)
    played(policy, "abcdefghij" + "k")  # a is let go, its name kept
    assert "a" not in policy
    policy.access("a")
    played(policy, "lmnopqrs")
    assert "a" in policy, "it is in the main queue while the small one turns over"


def test_s3fifo_forgets_names_in_time():
    policy = S3Fifo(10)
    played(policy, ["a", *range(30)])
    policy.access("a")
    played(policy, range(100, 112))
    assert "a" not in policy


def test_s3fifo_drops_on_demand():
    policy = S3Fifo(10)
    played(policy, "abc")
    assert policy.drop("b")
    assert not policy.drop("b")
    assert (len(policy), policy.access("b")) == (2, False)


def test_rehearsal_has_a_row_for_each_policy_and_size():
    chance = random.Random(5)
    keys = [int(chance.paretovariate(0.8)) for _ in range(4000)]
    rows = rehearse(keys, [10 + key % 7 for key in keys], (10, 100))
    assert [(r.policy, r.entries) for r in rows] == [
        (name, size) for size in (10, 100) for name in (*POLICIES, OPTIMUM)
    ]
    by = {(r.policy, r.entries): r.hit_ratio for r in rows}
    for name in POLICIES:
        assert 0 < by[name, 10] < by[name, 100] <= by[OPTIMUM, 100] < 1
    assert by["s3fifo", 10] > by["lru", 10]


def test_rehearsal_weighs_by_size():
    rows = rehearse([1, 2, 1, 2], [100, 1, 100, 1], (2,))
    assert {(r.hit_ratio, r.byte_ratio) for r in rows} == {(0.5, 0.5)}
    lru = next(r for r in rehearse([1, 1, 2, 3], [5, 5, 1, 4], (1,)) if r.policy == "lru")
    assert (lru.hit_ratio, lru.byte_ratio) == (0.25, 5 / 15)
    assert rehearse([], [], (1,)) == ()
    assert {r.byte_ratio for r in rehearse([1, 1], [0, 0], (1,))} == {0.0}
