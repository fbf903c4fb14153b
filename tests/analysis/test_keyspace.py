"""Prefix shares: folding of names, exact counts, and intervals that cover what they promise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.keyspace import (
    mean_error,
    prefix,
    proportion_error,
    ratio,
    scanned_share,
    shares,
    t95,
)


@pytest.mark.parametrize(
    ("key", "base", "expected"),
    [
        (b"user:1", b"", b"user:"),
        (b"user:1:cart", b"user:", b"user:*:"),
        (b"app/home", b"", b"app/"),
        (b"1234:x", b"", b"*:"),
        (b"9f8b3c1e-aaaa-bbbb-cccc-1234567890ab:x", b"", b"*:"),
        (b"lonely", b"", b"*"),
        (b"user:x", b"user:", b"user:*"),
        (b"", b"", b"*"),
        (b"\x1b[2J:x", b"", b"\x1b[2J:"),
        (b"a" * 500 + b":x", b"", b"*"),
    ],
)
def test_prefix(key: bytes, base: bytes, expected: bytes) -> None:
    assert prefix(key, base) == expected


def test_exact_counts() -> None:
    pages = [[(b"a:1", 10), (b"b:1", 30)], [(b"a:2", 10)]]
    by = {s.prefix: s for s in shares(pages, 3, exact=True)}
    assert (by[b"a:"].keys, by[b"a:"].bytes_, by[b"a:"].key_error) == (2, 20, 0.0)
    assert by[b"b:"].byte_share == pytest.approx(0.6)


def test_nothing_sampled() -> None:
    assert shares([], 0) == ()
    assert shares([[], []], 10) == ()
    assert ratio({}, []) == (0.0, 1.0)


def test_drill_down_keeps_shares_of_the_whole() -> None:
    pages = [[(b"a:x:1", 1), (b"a:y:1", 1), (b"b:1", 2)]]
    by = {s.prefix: s.byte_share for s in shares(pages, 3, base=b"a:", exact=True)}
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
        found = {s.prefix: s for s in shares(draw.choices(buckets, k=64), len(table))}[b"a:"]
        covered += abs(found.byte_share - truth) <= found.byte_error
    assert covered / runs >= 0.93


def test_more_pages_narrow_the_interval() -> None:
    draw = random.Random(1)
    pages = [
        [(b"ab"[i : i + 1] + b":", 1) for i in (draw.randint(0, 1) for _ in range(10))] for _ in range(400)
    ]
    few = shares(pages[:25], 1)[0].key_error
    many = shares(pages, 1)[0].key_error
    assert many < few / 2


@given(st.integers(min_value=1, max_value=20), st.data())
def test_scanned_share_counts_up(bits: int, data: st.DataObject) -> None:
    """The server's own step: the reversed cursor counts up whatever the size of the table."""
    step = data.draw(st.integers(min_value=1, max_value=2**bits - 1))
    cursor = int(f"{step:0{bits}b}"[::-1], 2)
    assert scanned_share(cursor) == pytest.approx(step / 2**bits)


def test_end_of_scan_is_everything() -> None:
    assert scanned_share(0) == 1.0


def test_errors_of_means_and_proportions() -> None:
    assert mean_error([]) == (0.0, 0.0)
    assert mean_error([5.0, 5.0]) == (5.0, 0.0)
    assert proportion_error(0, 0) == 1.0
    assert 0 < proportion_error(0, 5000) < 0.001
    assert proportion_error(2500, 5000) == pytest.approx(0.0139, abs=1e-3)
    assert t95(30) > t95(31) > 1.96
