"""Trace Context by the letter of the Recommendation."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis import tracecontext as tc

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_reads_what_it_writes():
    context = tc.parse(GOOD, ["congo=t61rcWkgMzE, rojo=00f067aa0ba902b7"])
    assert context is not None
    assert context.sampled
    assert context.traceparent == GOOD
    assert context.tracestate == "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.upper(),
        GOOD + "-",
        GOOD + "0",
        GOOD[:-1],
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"01-{TRACE}-{SPAN}-01extra",
    ],
)
def test_refuses(text):
    assert tc.parse_parent(text) is None


def test_higher_version_is_read_by_its_first_four_fields():
    context = tc.parse_parent(f"cc-{TRACE}-{SPAN}-01-what-the-future-holds")
    assert context is not None
    assert context.traceparent == GOOD


def test_only_known_flags_survive():
    context = tc.parse_parent(f"00-{TRACE}-{SPAN}-ff")
    assert context is not None
    assert context.traceparent.endswith("-03")


@pytest.mark.parametrize(
    "headers",
    [
        ["a=1,a=2"],
        ["A=1"],
        ["a"],
        ["a=b=c"],
        ["a=ü"],
        [",".join(f"k{n}=1" for n in range(33))],
        ["a=" + "x" * 257],
    ],
)
def test_bad_state_is_dropped_and_the_parent_kept(headers):
    context = tc.parse(GOOD, headers)
    assert context is not None
    assert context.state == ()


def test_several_headers_are_joined_and_empty_members_allowed():
    assert tc.parse_state(["a=1,,", "\t b=2"]) == (("a", "1"), ("b", "2"))


def test_own_member_moves_to_the_front():
    context = tc.parse(GOOD, ["a=1,shop=old,b=2"])
    assert context is not None
    assert tc.with_member(context, "shop", "new").tracestate == "shop=new,a=1,b=2"


def test_long_members_go_first():
    members = [("a", "x" * 200), ("b", "y" * 100), ("c", "z" * 200), ("d", "w" * 100)]
    assert tc.format_state(members) == f"a={'x' * 200},b={'y' * 100},d={'w' * 100}"


@given(st.text(max_size=80))
def test_never_raises(text):
    tc.parse(text, [text])


def test_new_and_child_share_the_trace_only():
    first = tc.start(os.urandom)
    second = tc.child(first, os.urandom)
    assert (first.trace_id, first.sampled) == (second.trace_id, True)
    assert first.span_id != second.span_id
    assert tc.parse_parent(second.traceparent) == second
