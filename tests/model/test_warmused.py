"""What became of a job's keys goes through gauges of a record, and nothing that cannot be comes out of them."""

from __future__ import annotations

import math

import pytest

from perftui.model.noderecord import pack, unpack
from perftui.model.tiers import TierStats
from perftui.model.warmused import MOST_JOBS, Warmed, gauges, newest, warmed

NIGHTLY = Warmed("nightly", 1_700_000_000.0, 10, 3, 2)
DOTTED = Warmed("a.at", 5.0, 4, 4)


def test_it_goes_through_a_record() -> None:
    data = pack(TierStats("shop", "n", gauges=gauges([NIGHTLY, DOTTED])), 1.0)
    assert warmed(unpack(data).stats.gauges) == (DOTTED, NIGHTLY)
    assert (NIGHTLY.precision, DOTTED.precision) == (0.3, 1.0)
    assert Warmed("none", 0.0, 0, 0).precision is None


def test_an_older_node_says_nothing() -> None:
    assert warmed({"l1.entries": 3.0, "warm.start.total": 9.0}) == ()


@pytest.mark.parametrize(
    ("what", "figure"),
    [("used", 9.0), ("used", -1.0), ("of", 0.0), ("of", math.inf), ("left", 8.0), ("at", math.nan)],
)
def test_what_cannot_be_is_left_out(what: str, figure: float) -> None:
    assert warmed(gauges([NIGHTLY]) | {f"warmjob.nightly.{what}": figure}) == ()


def test_a_part_of_it_is_none_and_there_is_a_bound() -> None:
    whole = gauges([NIGHTLY])
    for name in whole:
        assert warmed({key: value for key, value in whole.items() if key != name}) == ()
    assert warmed(gauges([Warmed("-bad", 1.0, 2, 1)])) == ()
    many = [Warmed(f"job{n}", 1.0, 2, 1) for n in range(MOST_JOBS + 5)]
    assert len(warmed(gauges(many))) == MOST_JOBS


def test_the_newest_run_of_a_job_counts_in_each_namespace() -> None:
    old, new = Warmed("nightly", 1.0, 5, 5), Warmed("nightly", 2.0, 5, 1)
    told = newest([("shop", old), ("shop", new), ("carts", old)])
    assert told == {("shop", "nightly"): new, ("carts", "nightly"): old}


def test_of_one_run_the_node_that_knows_most_is_heard() -> None:
    less, more = Warmed("nightly", 5.0, 10, 2, 8), Warmed("nightly", 5.0, 10, 3, 7)
    later = Warmed("nightly", 6.0, 1, 0, 1)
    assert newest([("shop", more), ("shop", less)]) == {("shop", "nightly"): more}
    assert newest([("shop", less), ("shop", more)]) == {("shop", "nightly"): more}
    assert newest([("shop", more), ("shop", later), ("shop", less)]) == {("shop", "nightly"): later}
