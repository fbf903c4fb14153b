"""Names of keys folded into prefixes, intervals of what samples say, and how far a SCAN has come."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

Page = Sequence[tuple[bytes, int]]
"""Keys of one cluster with their weight in bytes."""

OTHER = b"*"
_SEPARATOR = re.compile(rb"[:/|]")
_IDENTIFIER = re.compile(
    rb"\{?(?:\d+|[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE
)
_PREFIX_LIMIT = 128

# Two-sided 95 % quantiles of Student's t for 1…30 degrees of freedom.
_T95 = (
    12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13,
    2.12, 2.11, 2.10, 2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04,
)  # fmt: skip


def t95(degrees: int) -> float:
    """Student's t for a two-sided 95 % interval; 1.96 + 2.4/ν beyond 30 degrees (error < 0.002)."""
    if degrees < 1:
        return math.inf
    return _T95[degrees - 1] if degrees <= len(_T95) else 1.96 + 2.4 / degrees


def prefix(key: bytes, base: bytes = b"") -> bytes:
    """The part of `key` up to the first separator (`:` `/` `|`) after `base`, identifiers folded into `*`.

    A key without a separator after `base` belongs to `base*` itself.
    """
    start = len(base)
    found = _SEPARATOR.search(key, start, start + _PREFIX_LIMIT)
    if found is None:
        return base + OTHER
    if _IDENTIFIER.fullmatch(key, start, found.start()):
        return base + OTHER + found.group()
    return key[: found.end()]


def mean_error(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % interval; (0, 0) of nothing, infinite of one value."""
    known = list(values)
    if not known:
        return 0.0, 0.0
    mean = sum(known) / len(known)
    if len(known) < 2:
        return mean, math.inf
    spread = sum((v - mean) ** 2 for v in known) / (len(known) - 1)
    return mean, t95(len(known) - 1) * math.sqrt(spread / len(known))


def proportion_error(count: int, n: int) -> float:
    """Half-width of the 95 % Wilson score interval of `count` in `n` (Wilson, JASA 1927)."""
    if n <= 0:
        return 1.0
    p, z = count / n, 1.96
    return z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))


def wilson(count: float, n: float) -> tuple[float, float]:
    """Ends of that interval; its middle is nearer to a half than `count` / `n`."""
    if n <= 0:
        return 0.0, 1.0
    z = 1.96
    middle = (count + z * z / 2) / (n + z * z)
    half = z * math.sqrt(count * (n - count) / n + z * z / 4) / (n + z * z)
    return max(0.0, middle - half), min(1.0, middle + half)


def scanned_share(cursor: int) -> float:
    """Share of the table a SCAN has gone through at `cursor`.

    SCAN counts its cursor up from the high bit of the table's mask, that is in reversed bits, so the
    reversed cursor over 2**64 is the share whatever the table's size; 0 is the end.
    """
    return 1.0 if cursor == 0 else _gone(cursor, 64)


SLOT_BITS = 14


def slotted_share(cursor: int, slots: Sequence[tuple[int, int]]) -> float:
    """The same of a cluster's node with a table for each of its `slots` (Valkey 8, Redis 7.4).

    Its cursor has the slot in the low 14 bits and the place in that slot's table above them; slots are
    taken to hold alike. Source: kvstoreScan in valkey/src/kvstore.c.
    """
    held = sum(last - first + 1 for first, last in slots)
    if cursor == 0 or not held:
        return 1.0
    here = cursor & ((1 << SLOT_BITS) - 1)
    before = sum(max(0, min(last + 1, here) - first) for first, last in slots)
    return min(1.0, (before + _gone(cursor >> SLOT_BITS, 64 - SLOT_BITS)) / held)


def _gone(cursor: int, bits: int) -> float:
    return int(f"{cursor & (2**bits - 1):0{bits}b}"[::-1], 2) / 2.0**bits
