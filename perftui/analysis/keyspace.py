"""Prefix shares of a keyspace from a sample of pages, each with an honest interval.

A page is what one SCAN from a random cursor returns: a cluster of keys. Shares are ratio estimators
over clusters (Cochran, Sampling Techniques, 3rd ed., 6.4): r = Σy/Σx with the variance of
d = y − r·x, so that pages of unequal size and keys of unequal weight widen the interval as they should.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from perftui.model.cache import PrefixShare

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


def ratio(y: Mapping[int, float], x: Sequence[float]) -> tuple[float, float]:
    """Σy/Σx over clusters and the half-width of its 95 % interval; (0, 1) when nothing was seen.

    `y` names only the clusters where it is not 0.
    """
    n, sum_x = len(x), sum(x)
    if sum_x <= 0:
        return 0.0, 1.0
    r = sum(y.values()) / sum_x
    if n < 2:
        return r, 1.0
    elsewhere = sum(v * v for v in x) - sum(x[i] ** 2 for i in y)
    spread = (sum((v - r * x[i]) ** 2 for i, v in y.items()) + r * r * max(0.0, elsewhere)) / (n - 1)
    error = t95(n - 1) * math.sqrt(spread / n) / (sum_x / n)
    return r, min(1.0, error)


def shares(
    pages: Sequence[Page], total: int, *, base: bytes = b"", exact: bool = False, limit: int = 64
) -> tuple[PrefixShare, ...]:
    """Prefixes under `base`, largest in bytes first, the rest beyond `limit` left out.

    `total` is the number of keys in the database; shares are of everything sampled. `exact` says the
    pages hold every key: then the errors are 0.
    """
    x_keys = [float(len(page)) for page in pages]
    x_bytes = [float(sum(weight for _, weight in page)) for page in pages]
    keys: dict[bytes, Counter[int]] = defaultdict(Counter)
    weights: dict[bytes, Counter[int]] = defaultdict(Counter)
    for i, page in enumerate(pages):
        for key, weight in page:
            if key.startswith(base):
                name = prefix(key, base)
                keys[name][i] += 1
                weights[name][i] += weight
    mean = sum(x_bytes) / (sum(x_keys) or 1.0)
    rows = (_share(n, ratio(keys[n], x_keys), ratio(weights[n], x_bytes), total, mean, exact) for n in keys)
    return tuple(sorted(rows, key=lambda row: (-row.byte_share, row.prefix))[:limit])


def _share(
    name: bytes,
    keys: tuple[float, float],
    weight: tuple[float, float],
    total: int,
    mean: float,
    exact: bool,
) -> PrefixShare:
    return PrefixShare(
        prefix=name,
        keys=round(keys[0] * total),
        key_share=keys[0],
        key_error=0.0 if exact else keys[1],
        bytes_=round(weight[0] * total * mean),
        byte_share=weight[0],
        byte_error=0.0 if exact else weight[1],
    )


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


def scanned_share(cursor: int) -> float:
    """Share of the table a SCAN has gone through at `cursor`.

    SCAN counts its cursor up from the high bit of the table's mask, that is in reversed bits, so the
    reversed cursor over 2**64 is the share whatever the table's size; 0 is the end.
    """
    if cursor == 0:
        return 1.0
    return int(f"{cursor & (2**64 - 1):064b}"[::-1], 2) / 2**64
