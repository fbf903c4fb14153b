"""Metrics with many series, and the label behind them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.cardinality import FEWEST, MOST, crowds
from perftui.model.price import Crowd
from perftui.model.series import SeriesKey


def many(count, source="shop", name="orders"):
    return [SeriesKey(source, name, (("region", f"r{n % 3}"), ("user", f"u{n}"))) for n in range(count)]


def test_the_label_with_the_most_values_is_named():
    assert crowds(many(500)) == (Crowd("shop", "orders", 500, "user", 500),)


def test_few_are_no_crowd_and_the_largest_comes_first():
    assert crowds(many(FEWEST - 1)) == ()
    rows = [*many(300, "a"), *many(400, "b"), *many(250, "c"), *many(201, "d")]
    assert [(one.source, one.series) for one in crowds(rows)] == [("b", 400), ("a", 300), ("c", 250)]


def test_series_without_labels_have_none_to_name():
    assert crowds([SeriesKey("s", "x")] * FEWEST) == (Crowd("s", "x", FEWEST, "", 0),)


@given(st.lists(st.builds(SeriesKey, st.text(max_size=2), st.text(max_size=2)), max_size=50))
def test_no_more_are_told_than_are_asked_for(keys):
    assert len(crowds(keys * FEWEST)) <= MOST
