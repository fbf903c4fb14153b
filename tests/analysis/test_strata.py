"""Prefix shares of one server and of several: exact counts, and intervals that cover what they promise."""

from __future__ import annotations

import random

import pytest

from perftui.analysis.strata import Stratum, shares

Keys = list[tuple[bytes, int]]


def test_exact_counts() -> None:
    pages = [[(b"a:1", 10), (b"b:1", 30)], [(b"a:2", 10)]]
    by = {s.prefix: s for s in shares([Stratum(3, pages, exact=True)])}
    assert (by[b"a:"].keys, by[b"a:"].bytes_, by[b"a:"].key_error) == (2, 20, 0.0)
    assert by[b"b:"].byte_share == pytest.approx(0.6)


def test_nothing_sampled() -> None:
    assert shares([]) == ()
    assert shares([Stratum(0, [])]) == ()
    assert shares([Stratum(10, [[], []])]) == ()


def test_drill_down_keeps_shares_of_the_whole() -> None:
    pages = [[(b"a:x:1", 1), (b"a:y:1", 1), (b"b:1", 2)]]
    by = {s.prefix: s.byte_share for s in shares([Stratum(3, pages, exact=True)], base=b"a:")}
    assert by == {b"a:x:": 0.25, b"a:y:": 0.25}


def test_interval_covers_in_19_of_20_runs() -> None:
    """Heavy-tailed weights, clusters of uneven size: the byte share of a prefix, 400 samples of 64 pages."""
    draw = random.Random(7)
    table = []
    for i in range(40_000):
        name = b"a:" if draw.random() < 0.3 else b"b:"
        table.append((name + str(i).encode(), int(50 + draw.lognormvariate(4, 1))))
    draw.shuffle(table)
    buckets, i = [], 0
    while i < len(table):
        size = draw.randint(2, 14)
        buckets.append(table[i : i + size])
        i += size
    truth = sum(w for k, w in table if k[:1] == b"a") / sum(w for _, w in table)
    runs = 400
    covered = 0
    for _ in range(runs):
        found = {s.prefix: s for s in shares([Stratum(len(table), draw.choices(buckets, k=64))])}[b"a:"]
        covered += abs(found.byte_share - truth) <= found.byte_error
    assert covered / runs >= 0.93


def test_more_pages_narrow_the_interval() -> None:
    draw = random.Random(1)
    pages = [
        [(b"ab"[i : i + 1] + b":", 1) for i in (draw.randint(0, 1) for _ in range(10))] for _ in range(400)
    ]
    few = shares([Stratum(1, pages[:25])])[0].key_error
    many = shares([Stratum(1, pages)])[0].key_error
    assert many < few / 2


def keys(draw: random.Random, count: int, part: float) -> Keys:
    """`part` of them under `a:`, which are heavier than the rest."""
    found = []
    for i in range(count):
        mine = draw.random() < part
        found.append(
            ((b"a:" if mine else b"b:") + b"%d" % i, int(50 + draw.lognormvariate(5 if mine else 4, 1)))
        )
    return found


def pages(table: Keys, draw: random.Random) -> list[Keys]:
    found, i = [], 0
    while i < len(table):
        size = draw.randint(2, 14)
        found.append(table[i : i + size])
        i += size
    return found


def truth(tables: list[Keys]) -> tuple[float, float]:
    every = [pair for table in tables for pair in table]
    mine = [pair for pair in every if pair[0].startswith(b"a:")]
    return len(mine) / len(every), sum(w for _, w in mine) / sum(w for _, w in every)


def test_servers_of_unlike_size_and_mix_are_weighed_by_their_keys() -> None:
    draw = random.Random(11)
    tables = [keys(draw, 20_000, 0.1), keys(draw, 4_000, 0.9), keys(draw, 10_000, 0.4)]
    cut = [pages(table, draw) for table in tables]
    of_keys, of_bytes = truth(tables)
    runs, key_hits, byte_hits = 400, 0, 0
    for _ in range(runs):
        drawn = [Stratum(len(t), draw.choices(c, k=24)) for t, c in zip(tables, cut, strict=True)]
        found = {s.prefix: s for s in shares(drawn)}[b"a:"]
        key_hits += abs(found.key_share - of_keys) <= found.key_error
        byte_hits += abs(found.byte_share - of_bytes) <= found.byte_error
        assert found.keys == round(found.key_share * 34_000)
    assert key_hits / runs >= 0.93
    assert byte_hits / runs >= 0.93


def test_slots_of_unlike_size_are_told_evenly() -> None:
    """A slot that one hash tag filled: drawn as often as its keys ask for, its pages count by their mean."""
    draw = random.Random(3)
    slots = [keys(draw, draw.randint(1, 12), 0.2) for _ in range(900)] + [keys(draw, 4_000, 0.95)]
    of_keys, of_bytes = truth(slots)
    total = sum(map(len, slots))
    runs, key_hits, byte_hits = 300, 0, 0
    for _ in range(runs):
        picked = draw.choices(slots, weights=map(len, slots), k=64)
        drawn = [draw.sample(slot, min(len(slot), draw.randint(1, 10))) for slot in picked]
        found = {s.prefix: s for s in shares([Stratum(total, drawn, even=True)])}[b"a:"]
        key_hits += abs(found.key_share - of_keys) <= found.key_error
        byte_hits += abs(found.byte_share - of_bytes) <= found.byte_error
    assert key_hits / runs >= 0.93
    assert byte_hits / runs >= 0.92  # of skewed weights a little less


def test_a_server_that_was_counted_adds_no_error_and_one_not_seen_all_it_has() -> None:
    counted = Stratum(100, [[(b"a:%d" % n, 10) for n in range(100)]], exact=True)
    (alone,) = shares([counted])
    assert (alone.key_error, alone.byte_error, alone.bytes_) == (0.0, 0.0, 1000)
    (beside,) = shares([counted, Stratum(25, [])])
    assert beside.key_error == pytest.approx(0.2)
    (empty,) = shares([counted, Stratum(0, [])])
    assert empty.key_error == 0.0
