"""Folding of names, intervals of what samples say, and how far a SCAN has come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perftui.analysis.keyspace import (
    mean_error,
    prefix,
    proportion_error,
    scanned_share,
    slotted_share,
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


@given(st.integers(min_value=1, max_value=20), st.data())
def test_scanned_share_counts_up(bits: int, data: st.DataObject) -> None:
    """The server's own step: the reversed cursor counts up whatever the size of the table."""
    step = data.draw(st.integers(min_value=1, max_value=2**bits - 1))
    cursor = int(f"{step:0{bits}b}"[::-1], 2)
    assert scanned_share(cursor) == pytest.approx(step / 2**bits)


def test_end_of_scan_is_everything() -> None:
    assert scanned_share(0) == 1.0


def test_a_cursor_over_slots_counts_up() -> None:
    held = [(100, 199), (300, 399)]
    assert slotted_share(0, held) == 1.0
    assert slotted_share(100, held) == 0.0
    half = int("1".ljust(50, "0")[::-1], 2)  # the middle of a slot's table
    assert slotted_share(half << 14 | 150, held) == pytest.approx((50 + 0.5) / 200)
    assert slotted_share(300, held) == pytest.approx(0.5)
    assert slotted_share(399, held) < slotted_share(0, held)
    assert slotted_share(7, []) == 1.0


def test_errors_of_means_and_proportions() -> None:
    assert mean_error([]) == (0.0, 0.0)
    assert mean_error([5.0, 5.0]) == (5.0, 0.0)
    assert proportion_error(0, 0) == 1.0
    assert 0 < proportion_error(0, 5000) < 0.001
    assert proportion_error(2500, 5000) == pytest.approx(0.0139, abs=1e-3)
    assert t95(30) > t95(31) > 1.96
