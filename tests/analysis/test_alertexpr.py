"""What a condition selects, and what it would have done in a recorded past."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.alertexpr import rehearse, selected, vector
from perftui.analysis.matchers import matches, parse_matchers, parse_selector
from perftui.model.alerts import Matcher, Rule, Selector
from perftui.model.errors import ConfigError
from perftui.model.series import SeriesKey

HIT, MAX = SeriesKey("a", "hit"), SeriesKey("a", "max")
KINDS = {"a": "valkey", "b": "varnish"}


def reader(values):
    """Values by series as (instant, value) pairs."""
    return lambda key, start, end: [v for at, v in values.get(key, ()) if start < at <= end]


def rule(text="*/hit", op="<", threshold=0.9, **more):
    return Rule("r", "r", parse_selector(text), op, threshold, **more)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("*/hit", {"a", "b"}),
        ("@varnish/hit", {"b"}),
        ("a/hit", {"a"}),
        ('*/hit{source=~"b|c"}', {"b"}),
        ('*/hit{route!=""}', set()),
        ("*/miss", set()),
    ],
)
def test_selectors(text, found):
    keys = [HIT, SeriesKey("b", "hit")]
    assert {key.source for key in selected(rule(text), keys, KINDS)} == found


@pytest.mark.parametrize("text", ["hit", "a/b/c", "", 'a/hit{x="1"', "a/hit{x=1}", 'a/hit{x=~"("}'])
def test_bad_selectors_are_told(text):
    with pytest.raises(ConfigError):
        parse_selector(text)


@pytest.mark.parametrize(("how", "value"), [("last", 0.3), ("avg", 0.2), ("min", 0.1), ("max", 0.3)])
def test_windows(how, value):
    read = reader({HIT: [(80, 5.0), (91, 0.1), (95, 0.2), (100, 0.3)]})
    (element,) = vector(rule(how=how, over=10), [HIT], read, 100)
    assert element.value == pytest.approx(value)
    assert element.labels == (("source", "a"),)


def test_an_old_value_is_no_present_one():
    assert vector(rule(), [HIT], reader({HIT: [(30, 0.1)]}), 100) == ()


def test_a_share_needs_the_whole():
    shared = rule(op=">", threshold=0.5, per="max")
    assert vector(shared, [HIT], reader({HIT: [(99, 6.0)]}), 100) == ()
    assert vector(shared, [HIT], reader({HIT: [(99, 6.0)], MAX: [(99, 0.0)]}), 100) == ()
    (element,) = vector(shared, [HIT], reader({HIT: [(99, 6.0)], MAX: [(99, 10.0)]}), 100)
    assert element.value == 0.6


def test_rehearsal_counts_each_firing():
    ups = [(float(t), 0.1 if 100 <= t < 200 or 300 <= t < 310 or t >= 500 else 1.0) for t in range(0, 601, 5)]
    done = rehearse(rule(hold=30), [HIT], reader({HIT: ups}), 0.0, 600.0, tick=5.0)
    assert done.firings == ((130.0, 200.0), (530.0, 600.0))
    assert done.sentence == "would have fired 2 times, 2 min in all, in the last 10 min"
    assert rehearse(rule(), [], reader({}), 0.0, 86400.0, tick=3600.0).sentence.startswith(
        "no series matched"
    )


@given(st.lists(st.tuples(st.sampled_from(["=", "!=", "=~", "!~"]), st.text(max_size=8)), max_size=4))
def test_matchers_are_read_back_as_written(pairs):
    made = tuple(
        Matcher(f"l{n}", op, value if op in ("=", "!=") else "a.*") for n, (op, value) in enumerate(pairs)
    )
    assert parse_matchers(", ".join(map(str, made))) == made


@given(st.text(max_size=6), st.text(max_size=6))
def test_a_matcher_and_its_opposite_never_agree(value, wanted):
    assert matches([Matcher("l", "=", wanted)], {"l": value}) is (value == wanted)
    assert matches([Matcher("l", "!=", wanted)], {"l": value}) is (value != wanted)


def test_a_missing_label_is_an_empty_one():
    assert matches([Matcher("l", "=", "")], {})
    assert not matches([Matcher("l", "=~", ".+")], {})


def test_selectors_are_written_as_they_are_read():
    text = '@valkey/hit_ratio{class="read"}'
    assert str(parse_selector(text)) == text
    assert parse_selector("*/up") == Selector("up")
