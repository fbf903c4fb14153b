"""Totals to values a minute, the cost of an incident, and how many different ones there are."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perftui.analysis.business import OTHER, PerMinute, cost, parts
from perftui.analysis.hyperloglog import FEW_BITS, Distinct
from perftui.model.business import MOST_PARTS, Figure


@given(st.lists(st.integers(0, 1000), min_size=8, max_size=40), st.floats(1, 30))
@settings(max_examples=60, deadline=None)
def test_growth_over_a_minute_is_the_growth_whatever_the_pace(steps, pace):
    rate, total, at, seen = PerMinute(), 5000.0, 100.0, [(100.0, 5000.0)]
    assert rate.step(at, {"": total}) == {}
    for more in steps:
        at, total = at + pace, total + more
        value = rate.step(at, {"": total})[""]
        seen.append((at, total))
    first = next((s for s in reversed(seen[:-1]) if at - s[0] >= 60), seen[0])
    assert value == pytest.approx((total - first[1]) * 60 / (at - first[0]))


def test_a_reset_counts_from_zero_and_a_new_part_too():
    rate = PerMinute()
    rate.step(0, {"a": 100})
    assert rate.step(60, {"a": 40, "b": 6}) == {"a": 40, "b": 6}
    assert rate.step(60, {"a": 99}) == {}  # the same instant again
    assert rate.step(120, {"a": 40})["a"] == 0


def test_parts_are_told_apart_by_their_label_and_bounded():
    money = [
        Figure(5, (("currency", "EUR"),)),
        Figure(7, (("currency", "USD"),)),
        Figure(1, (("currency", "EUR"),)),
    ]
    assert parts(money, "currency") == {"EUR": 6, "USD": 7}
    assert parts(money, "") == {"": 13}
    assert parts([Figure(1)], "currency") == {OTHER: 1}
    assert parts([Figure(float("nan")), Figure(float("inf")), Figure(2)], "") == {"": 2}
    many = parts([Figure(1, (("f", str(n)),)) for n in range(1000)], "f")
    assert len(many) == MOST_PARTS + 1
    assert many[OTHER] == 1000 - MOST_PARTS


def test_an_incident_costs_what_is_missing():
    at = [60.0 * n for n in range(11)]
    found = cost(at, [40.0] * 11, [95.0] * 11, [105.0] * 11)
    assert (found.amount, found.least, found.most) == (600.0, 550.0, 650.0)
    assert found.since == 0.0
    assert cost([1.0], [1.0], [1.0], [1.0]) is None


@pytest.mark.parametrize("many", [0, 1, 50, 1000, 20_000, 60_000, 150_000])
def test_distinct_ones_are_counted_within_two_percent(many):
    for seed in range(3 if many < 100_000 else 1):
        found = Distinct()
        for n in range(many):
            found.add(f"{seed}:{n}")
            if n % 3 == 0:
                found.add(f"{seed}:{n}")
        assert found.count() == pytest.approx(many, rel=0.02, abs=0.5)


@pytest.mark.parametrize("many", [10, 1000, 20_000])
def test_in_a_quarter_of_the_room_the_standard_error_is_below_two_percent(many):
    off = []
    for seed in range(8):
        found = Distinct(FEW_BITS)
        for n in range(many):
            found.add(f"{seed}:{n}")
        off.append(found.count() / many - 1)
    assert (sum(error * error for error in off) / len(off)) ** 0.5 <= 0.02


def test_put_together_nothing_is_counted_twice():
    r = random.Random(1)
    ids = [str(r.random()) for _ in range(9000)]
    one, other, whole = Distinct(), Distinct(), Distinct()
    for n, text in enumerate(ids):
        whole.add(text)
        if n < 6000:
            one.add(text)
        if n >= 3000:
            other.add(text.encode())
    one.merge(other)
    assert one.count() == whole.count()
