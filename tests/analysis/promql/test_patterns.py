"""Patterns: what RE2 matches is matched, and nothing takes for ever."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.promql.automaton import Automaton, risky
from perftui.analysis.promql.patterns import compiled, fits, matching
from perftui.model.alerts import Matcher
from perftui.model.errors import ExpressionError
from perftui.model.metrics import labels_of

PIECES = ("a", "b", "ab", ".", "[ab]", "[^a]", r"\d", r"\w", r"\S", "(a|b)", "(?:ab|c)", "[a-c0]", "(|a)")
LOOPS = ("", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?")
pieces = st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(LOOPS)).map("".join), max_size=4).map(
    "".join
)
patterns = st.one_of(
    pieces,
    st.tuples(pieces, pieces).map(lambda two: f"({two[0]}){{0,2}}|{two[1]}"),
    pieces.map(lambda one: f"(?i:({one})*)"),
    pieces.map(lambda one: f"(?:x{one})+"),
)


@given(patterns, st.text("abABc0x\n", max_size=8))
def test_the_automaton_agrees_with_re(pattern, text):
    ours = compiled(pattern)
    assert Automaton(ours).fits(text) is (ours.fullmatch(text) is not None)


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|a)*b", ".*.*.*.*x", "(a*)*c", "(?:a{1,30}){1,30}b", "(.+)+=(.+)+"]
)
def test_what_would_backtrack_is_quick(pattern):
    began = time.process_time()
    assert not fits(pattern, "a" * 1000 + "!")
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("pattern", "is_"),
    [("a.*", False), (".*a.*", False), ("a|b|c+", False), ("(a+)+", True), (".*a.*b.*", True)],
)
def test_plain_patterns_stay_with_re(pattern, is_):
    assert risky(re.compile(pattern)) is is_


@pytest.mark.parametrize("pattern", ["(a+)+^b", r"(\b|a+)+", "((a{900}){900})+", "(?=a)(b*)*"])
def test_what_neither_can_do_is_refused(pattern):
    with pytest.raises(ExpressionError):
        fits(pattern, "aaa")


def test_named_classes_and_absent_labels():
    assert fits("[[:alpha:]]+[[:digit:]]", "ab1")
    holds = matching([Matcher("a", "=~", "x|"), Matcher("b", "!=", ""), Matcher("c", "!~", "y.*")])
    assert holds(labels_of(b="1"))
    assert not holds(labels_of(a="x"))
    assert not holds(labels_of(b="1", c="yes"))
