"""Which way an alert takes, and when a group of them is worth a message."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.matchers import parse_matchers
from perftui.analysis.noticegroups import Member, advanced
from perftui.analysis.routing import group_of, inhibited, paths, routed
from perftui.analysis.smstext import BASIC, EXTENDED, SEPTETS, WIDE, fitted, septets
from perftui.model.alerts import Inhibition
from perftui.model.finding import Severity
from perftui.model.notify import ALL, EscalationPolicy, Rota, Route, Step, What
from tests.notices import acked, alert, over

TREE = (
    Route("outage", parse_matchers('outage="true"'), ("sms",), go_on=True),
    Route("critical", parse_matchers('severity="critical"'), ("pager",)),
    Route("db", parse_matchers('source=~"db.*"'), ("dba",), under="critical"),
    Route("rest", (), ("mail",)),
)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"severity": "critical"}, ["critical"]),
        ({"severity": "critical", "source": "db1"}, ["db"]),
        ({"severity": "critical", "outage": "true"}, ["outage", "critical"]),
        ({"severity": "info"}, ["rest"]),
        ({"outage": "true"}, ["outage", "rest"]),
    ],
)
def test_the_first_that_matches_decides_and_its_branches_before_it(labels, names):
    assert [route.name for route in routed(TREE, labels)] == names


def test_a_branch_without_channels_leads_only_to_its_own():
    tree = (Route("trunk", ()), Route("leaf", parse_matchers('a="1"'), ("x",), under="trunk"))
    assert [[r.name for r in way] for way in paths(tree, {"a": "1"})] == [["trunk", "leaf"]]
    assert paths(tree, {"a": "2"}) == ()


def test_routes_that_grow_on_each_other_end():
    assert routed((Route("a", (), ("x",), under="b"), Route("b", (), ("x",), under="a")), {}) == ()


LABELS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)
ROUTES = st.lists(
    st.tuples(LABELS, st.booleans(), st.integers(0, 5), st.booleans()), min_size=1, max_size=6
).map(
    lambda rows: tuple(
        Route(
            f"r{n}",
            parse_matchers(", ".join(f'{k}="{v}"' for k, v in labels.items())),
            ("c",) if told else (),
            under=f"r{up}" if up < n and n else "",
            go_on=go_on,
        )
        for n, (labels, go_on, up, told) in enumerate(rows)
    )
)


@given(ROUTES, LABELS)
def test_every_way_matches_from_trunk_to_leaf_and_each_leaf_comes_once(routes, labels):
    ways = paths(routes, labels)
    for way in ways:
        assert way[0].under == ""
        assert all(b.under == a.name for a, b in pairwise(way))
        assert all(labels.get(m.name) == m.value for route in way for m in route.matchers)
        assert way[-1].channels
    assert len({way[-1].name for way in ways}) == len(ways)
    trunks = [r for r in routes if not r.under]
    first = next((r for r in trunks if all(labels.get(m.name) == m.value for m in r.matchers)), None)
    if first is not None and not first.go_on:
        assert {way[0].name for way in ways} <= {first.name}


def test_a_group_is_told_by_its_labels():
    route = Route("r", group_by=("rule",))
    assert group_of(route, {"rule": "x", "source": "y"}) == (("rule", "x"),)
    assert group_of(replace(route, group_by=("...",)), {"b": "1", "a": "2"}) == (("a", "2"), ("b", "1"))


def test_a_host_that_is_down_hushes_what_is_on_it_and_only_that():
    rule = Inhibition(parse_matchers('rule="down"'), parse_matchers('rule!=""'), ("source",), "lost")
    down, slow = alert("down", "a"), alert("slow", "a")
    elsewhere, ended = alert("slow", "b"), over(alert("down", "c"))
    here = alert("slow", "c")
    found = inhibited([down, slow, elsewhere, ended, here], [rule], {})
    assert found == {slow.fingerprint: (down.fingerprint, "lost")}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=12))
def test_something_loud_is_always_left(pairs):
    """Inhibition never hushes everything: whoever hushes is itself heard of."""
    alerts = [alert(rule, source) for rule, source in pairs]
    rule = Inhibition(parse_matchers('rule="a"'), (), ("source",))
    found = inhibited(alerts, [rule], {})
    assert not set(found) & {by for by, _ in found.values()}


ROUTE = Route("r", (), ("c",), group_wait=30, group_interval=300, repeat_interval=3600)
POLICY = EscalationPolicy("p", (Step(300, "sms", "oncall"), Step(900, "sms", "second")))


def walked(steps, route=ROUTE, policy=POLICY):
    """What is said at each (time, members)."""
    group, told = None, []
    for at, members in steps:
        group, messages = advanced(group, "k", route, (), members, policy, at)
        told += [(at, message.what) for message in messages]
    return group, told


ONE, TWO = Member("1", 0.0), Member("2", 0.0)
ACKED = Member("1", 0.0, "anna")


def test_wait_then_trigger_changes_by_interval_and_an_end_at_once():
    steps = [
        (0, [ONE]),
        (29, [ONE]),
        (30, [ONE]),
        (60, [ONE, TWO]),
        (331, [ONE, TWO]),
        (340, [TWO]),
        (350, []),
    ]
    group, told = walked(steps, policy=None)
    assert told == [(30, What.TRIGGER), (331, What.UPDATE), (350, What.RESOLVE)]
    assert group is not None  # remembered for an interval
    assert advanced(group, "k", ROUTE, (), [], None, 651)[0] is None


def test_what_ends_within_the_wait_is_never_told():
    assert walked([(0, [ONE]), (20, []), (50, [])]) == (None, [])


def test_what_comes_straight_back_waits_for_the_interval():
    _, told = walked([(0, [ONE]), (30, [ONE]), (40, []), (50, [ONE]), (90, [ONE]), (340, [ONE])], policy=None)
    assert told == [(30, What.TRIGGER), (40, What.RESOLVE), (340, What.TRIGGER)]


def test_escalation_until_an_acknowledgement_and_on_from_there_when_it_is_taken_back():
    steps = [(0, [ONE]), (30, [ONE]), (301, [ONE]), (302, [ACKED]), (2000, [ACKED]), (2001, [ONE])]
    group, told = walked(steps)
    assert told == [
        (30, What.TRIGGER),
        (301, What.ESCALATE),
        (302, What.ACKNOWLEDGE),
        (2001, What.UPDATE),
    ]
    group, messages = advanced(group, "k", ROUTE, (), [ONE], POLICY, 2002)
    assert [m.what for m in messages] == [What.ESCALATE]
    assert messages[0].places[0].to == "second"


def test_repeats_until_acknowledged():
    _, told = walked(
        [(0, [ONE]), (30, [ONE]), (3000, [ONE]), (3630, [ONE]), (3640, [ACKED]), (9000, [ACKED])], policy=None
    )
    assert told == [(30, What.TRIGGER), (3630, What.REPEAT), (3640, What.ACKNOWLEDGE)]


def test_a_silence_over_what_was_told_makes_no_end_of_it():
    hushed = replace(ONE, quiet=True)
    _, told = walked([(0, [ONE]), (30, [ONE]), (40, [hushed]), (9000, [hushed]), (9001, [])])
    assert told == [(30, What.TRIGGER), (9001, What.RESOLVE)]


MEMBERS = st.lists(
    st.builds(Member, st.sampled_from("1234"), st.just(0.0), st.sampled_from(["", "anna"]), st.booleans()),
    max_size=4,
    unique_by=lambda m: m.fingerprint,
)


@given(st.lists(st.tuples(st.integers(1, 400), MEMBERS), max_size=40))
def test_a_resolve_follows_a_trigger_and_never_two_in_a_row(steps):
    at, timed = 0, []
    for wait, members in steps:
        at += wait
        timed.append((at, members))
    _, told = walked(timed)
    open_ = False
    for _, what in told:
        assert open_ is (what is not What.TRIGGER)
        open_ = what is not What.RESOLVE
    changes = [at for at, what in told if what in (What.TRIGGER, What.REPEAT)]
    assert all(b - a >= ROUTE.group_interval for a, b in pairwise(changes))


def test_turns_of_a_rota():
    rota = Rota({"a": "+1", "b": "+2"}, ("a", "b"), shift=100.0, since=0.0)
    assert [rota.numbers("oncall", at) for at in (0, 99, 100, 250)] == [("+1",), ("+1",), ("+2",), ("+1",)]
    assert rota.numbers("second", 0) == ("+2",)
    assert rota.numbers("b", 0) == ("+2",)
    assert rota.numbers(ALL, 0) == ("+1", "+2")
    assert Rota().numbers("oncall", 5.0) == ()


@given(st.text(max_size=400))
def test_a_short_message_is_one_segment(text):
    short = fitted(text)
    length = septets(short)
    assert length <= SEPTETS if length is not None else len(short.encode("utf-16-le")) // 2 <= WIDE
    assert "\n" not in short
    assert "\x1b" not in short


def test_readable_letters_stay_in_the_cheap_alphabet():
    assert fitted("Größe ≥ 5 … naïve “Łódź”") == 'Größe >= 5 ... naive "Lódz"'.replace("ó", "o")
    assert len(BASIC | EXTENDED) == 136
    assert fitted("Дом стоит на холме") == "Дом стоит на холме"
    assert fitted("x" * 200) == "x" * 157 + "..."
    assert septets(fitted("[" * 200)) <= SEPTETS


def test_severities_have_an_order():
    assert acked(alert(severity=Severity.INFO)).ack is not None
