"""Reads of a command stream judged without their replies: what is known, what is asked, what stays unsure."""

from __future__ import annotations

import math
import random

import pytest

from perftui.analysis.keyspace import proportion_error, wilson
from perftui.analysis.prefixhits import Did, Judged, Step, host, together
from perftui.model.prefixhits import PrefixHits

A, B, C = b"10.0.0.1:1000", b"10.0.0.1:2000", b"10.0.0.2:3000"
Told = tuple[int, int, int]


def stream(text: str, key: bytes = b"page:1") -> list[Step]:
    """`A r` reads, `p` puts, `f` fills, `+` adds, `-` takes away, `~` changes; a second apart."""
    clients = {"A": A, "B": B, "C": C}
    dids = {
        "r": Did.READ, "p": Did.PUT, "f": Did.FILL, "+": Did.ADD, "-": Did.TOOK, "~": Did.CHANGED,
    }  # fmt: skip
    return [
        Step(key, dids[did], float(at), clients[who])
        for at, (who, did) in enumerate(zip(text[::2], text[1::2], strict=True))
    ]


def told(steps: list[Step], there: bool | None = None) -> Told:
    """Hits, misses and unsure reads of one prefix."""
    judged = Judged(steps)
    (row,) = judged.by_prefix(
        {key: there for key in judged.asked if there is not None} if there is not None else {}
    )
    assert row.hits + row.misses + row.unsure == row.reads
    return row.hits, row.misses, row.unsure


@pytest.mark.parametrize(
    ("text", "there", "expected"),
    [
        ("ArBrCr", True, (3, 0, 0)),  # nothing changed it: as it stands now
        ("ArBrCr", False, (0, 3, 0)),
        ("ArBrCr", None, (0, 0, 3)),  # not asked
        ("ApArBr", None, (2, 0, 0)),  # put there
        ("A-ArBr", None, (0, 2, 0)),  # taken away
        ("A+Ar", None, (1, 0, 0)),
        ("A~Ar", True, (1, 0, 0)),  # changed: asked again
        ("ArA~Ar", True, (1, 0, 1)),
        ("ArA+Ar", True, (1, 0, 1)),
        ("ArA-Ar", True, (0, 1, 1)),
        ("ArApArBr", False, (2, 1, 0)),  # looked, then loaded: a miss, and there from then on
        ("ArArApAr", False, (1, 2, 0)),  # looked again under a lease
        ("ArBpAr", False, (1, 1, 0)),  # another connection of the same host
        ("ArCpAr", False, (1, 0, 1)),  # who puts has not looked: written from elsewhere
        ("CrArApAr", False, (1, 2, 0)),  # as long before as the load took
        ("CrCrCrCrArAp", False, (0, 2, 3)),  # further back it may have been there
        ("ArCrCrApCr", False, (1, 3, 0)),  # a herd that waits for the load
        ("ArCrApCpAr", False, (1, 2, 0)),  # a second load of the same herd replaces nothing that was found
        ("ArAfAr", False, (1, 1, 0)),
    ],
)
def test_what_a_stream_tells_of_reads(text: str, there: bool | None, expected: Told) -> None:
    assert told(stream(text), there) == expected


def test_a_prefix_that_is_written_through_leaves_reads_before_a_write_unsure() -> None:
    session = stream("ArApArApAr", b"session:1")
    assert told(session) == (2, 0, 1)  # the first may have been a hit as the second was
    other = stream("ArApAr", b"session:2")
    assert told(session + other) == (3, 0, 2)
    fill = stream("ArAfAr", b"session:3")
    assert told(session + fill) == (3, 1, 1)  # NX puts only what is not there
    rows = Judged(session + stream("ArApAr", b"page:1")).by_prefix({})
    assert {row.prefix: row.misses for row in rows} == {b"session:": 0, b"page:": 1}


def test_what_was_put_is_there_until_its_life_ends() -> None:
    put = Step(b"a:1", Did.PUT, 0.0, A, 0.25)
    reads = [Step(b"a:1", Did.READ, at, C) for at in (0.1, 0.2, 0.3)]
    assert told([put, *reads]) == (2, 1, 0)
    edge = Step(b"a:1", Did.READ, 0.251, C)
    assert told([put, edge]) == (0, 0, 1)  # clocks are not so exact
    kept = Step(b"a:1", Did.FILL, 0.05, C, 5.0)  # there already: its life stays
    assert told([put, kept, *reads]) == (2, 1, 0)
    again = Step(b"a:1", Did.PUT, 0.05, C)
    assert told([put, again, *reads]) == (3, 0, 0)


def test_a_key_that_is_gone_was_no_miss_where_lives_are_short() -> None:
    reads = [Step(b"a:1", Did.READ, at, A) for at in (0.0, 1.0)]
    for life, expected in ((60.0, (0, 2, 0)), (5.0, (0, 0, 2))):
        put = Step(b"a:2", Did.PUT, 0.5, A, life)
        assert told([reads[0], put, reads[1]], False) == expected
        assert told([reads[0], put, reads[1]], True) == (2, 0, 0)


def test_one_put_of_many_that_replaces_does_not_make_a_prefix_written_through() -> None:
    once = stream("ApArAp", b"page:0")
    many = [step for n in range(1, 40) for step in stream("ArAp", b"page:%d" % n)]
    assert told(once + many) == (1, 39, 0)
    assert told(once + many[:8]) == (1, 0, 4)


def test_only_keys_that_the_stream_does_not_tell_of_are_asked_for() -> None:
    steps = (
        stream("ArBr", b"a:1") + stream("ArApAr", b"a:2") + stream("ApA~Ar", b"a:3") + stream("Ap", b"b:4")
    )
    judged = Judged(steps)
    assert set(judged.asked) == {b"a:1", b"a:3"}
    assert [row.prefix for row in judged.by_prefix({})] == [b"a:"]  # b: was never read


def test_a_prefix_that_all_keys_share_is_told_with_those_below_it() -> None:
    steps = [step for n in range(3) for step in stream("Ar", b"shop:page:%d" % n)]
    steps += [step for n in range(5) for step in stream("Ar", b"shop:user:%d:cart" % n)]
    there = {step.key: step.key.startswith(b"shop:page") for step in steps}
    rows = Judged(steps).by_prefix(there)
    assert [(row.prefix, row.reads, row.hits) for row in rows] == [
        (b"shop:", 8, 3),
        (b"shop:user:", 5, 0),
        (b"shop:page:", 3, 3),
    ]
    alone = Judged(steps[:3]).by_prefix(there)
    assert [row.prefix for row in alone] == [b"shop:page:"]
    both = together([(1.0, rows), (1.0, alone)])
    assert [(row.prefix, row.reads) for row in both] == [
        (b"shop:", 8),
        (b"shop:page:", 6),
        (b"shop:user:", 5),
    ]


def test_the_interval_holds_what_is_unsure_and_the_ratio_is_of_what_was_judged() -> None:
    steps = [step for n in range(40) for step in stream("Ar", b"k:%d" % n)]
    unsure = [step for n in range(40, 50) for step in stream("ArA+", b"k:%d" % n)]
    there = {b"k:%d" % n: n < 36 for n in range(40)}
    (sure,) = Judged(steps).by_prefix(there)
    assert sure.ratio == 0.9
    assert (sure.low, sure.high) == pytest.approx(wilson(36, 40))
    (row,) = Judged(steps + unsure).by_prefix(there)
    assert (row.reads, row.hits, row.misses, row.unsure) == (50, 36, 4, 10)
    assert row.ratio == 0.9
    assert row.low == pytest.approx(wilson(36, 50)[0])
    assert row.high == pytest.approx(wilson(46, 50)[1])
    nothing = Judged(unsure).by_prefix({})[0]
    assert nothing.ratio is None
    assert nothing.low < 0.01
    assert nothing.high > 0.99


def test_the_interval_is_wilsons() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-3)
    low, high = wilson(36, 40)
    assert (high - low) / 2 == pytest.approx(proportion_error(36, 40))
    dice, within = random.Random(1), 0
    for _ in range(1000):
        low, high = wilson(sum(dice.random() < 0.93 for _ in range(200)), 200)
        within += low <= 0.93 <= high
    assert within >= 930


def test_servers_count_by_how_long_they_were_watched() -> None:
    busy = PrefixHits(b"page:", 1000, 1000, 0, 1.0, 0.99, 1.0)
    calm = PrefixHits(b"page:", 1000, 500, 500, 0.5, 0.47, 0.53)
    alone = PrefixHits(b"cart:", 10, 0, 0, None, 0.0, 1.0)
    (row, cart) = together([(10.0, [busy]), (1.0, [calm, alone])])
    assert (row.reads, row.hits, row.misses) == (2000, 1500, 500)
    assert row.ratio == pytest.approx(10500 / 11000)
    assert row.low < row.ratio < row.high
    assert row.high - row.low > 2 * proportion_error(1909, 2000)  # calm's reads weigh little: fewer count
    assert cart.ratio is None
    assert cart.unsure == 10
    same = together([(2.0, [calm]), (2.0, [calm])])[0]
    assert (same.low, same.high) == pytest.approx(wilson(1000, 2000))


def test_hosts() -> None:
    assert host(b"127.0.0.1:5000") == host(b"127.0.0.1:6000") != host(b"127.0.0.2:5000")
    assert host(b"[::1]:5000") == b"[::1]"
    assert host(b"unix") == b"unix"
    assert math.isinf(Step(b"k", Did.PUT, 0.0, A).life)
