"""Stamps order the writes of all nodes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.instrument.cache.stamp import Stamps, instant
from tests.instrument.cache.clock import Hand


@given(st.lists(st.floats(-5, 5), max_size=40))
def test_each_is_later_than_the_one_before_whatever_the_clock_does(steps: list[float]) -> None:
    hand = Hand()
    stamps, given_ = Stamps(hand.time), []
    for step in steps:
        hand.go(step)
        given_.append(stamps.next())
    assert given_ == sorted(set(given_))
    assert all(len(stamp) == 16 for stamp in given_)


def test_a_write_after_another_nodes_is_later_though_our_clock_is_behind() -> None:
    ahead, behind = Stamps(Hand(1_700_000_005.0).time), Stamps(Hand(1_700_000_000.0).time)
    theirs = ahead.next()
    behind.seen(theirs)
    assert behind.next() > theirs


def test_a_stamp_from_the_far_future_is_not_believed() -> None:
    ours = Stamps(Hand().time)
    ours.seen(b"\xff" * 16)
    assert abs(instant(ours.next()) - 1_700_000_000.0) < 1


def test_two_nodes_never_give_the_same() -> None:
    hand = Hand()
    assert Stamps(hand.time).next() != Stamps(hand.time).next()
