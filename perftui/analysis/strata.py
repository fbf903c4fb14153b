"""Prefix shares of a keyspace that stands on several servers, each sampled by itself, with one interval.

A server is a stratum and a page, the keys met from one random place, a cluster in it. A prefix's share is the
combined ratio estimator over strata (Cochran, Sampling Techniques, 3rd ed., 6.11 and 11.8): R = ΣN·ȳ / ΣN·x̄
per key, with the variance of e = y − R·x − D·n in each, where D is what the stratum's own mean of y − R·x is
per key. Of one stratum that is the ratio estimator Σy/Σx with the variance of y − R·x.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from perftui.analysis.keyspace import Page, prefix, t95
from perftui.model.cache import PrefixShare


@dataclass(frozen=True, slots=True)
class Stratum:
    """Pages drawn from a server with `total` keys.

    `exact`: they hold every key. `even`: the places were drawn in proportion to the keys around them, so
    that a page counts by its mean and not by how many keys it has (Hansen and Hurwitz, 1943).
    """

    total: int
    pages: Sequence[Page]
    exact: bool = False
    even: bool = False


Found = defaultdict[bytes, list[defaultdict[int, float]]]
"""What a prefix has of each stratum's pages, where that is not 0."""


class _Column:
    """What a stratum's pages have of one measure: x (all of it) and n (keys), with their sums of squares."""

    def __init__(self, stratum: Stratum, x: list[float], n: list[float]) -> None:
        self.weight, self.exact = float(stratum.total), stratum.exact
        self.x, self.n, self.pages = x, n, sum(1 for keys in n if keys)
        self.sum_n, self.sum_x = sum(n), sum(x)
        self.xx = sum(v * v for v in x)
        self.xn = sum(v * k for v, k in zip(x, n, strict=True))
        self.nn = sum(k * k for k in n)

    @property
    def told(self) -> bool:
        """Whether there is enough of it for an interval."""
        return self.exact or not self.weight or self.pages > 1

    def total(self, sum_: float) -> float:
        """What a sum over the pages stands for at the whole server."""
        return self.weight * sum_ / self.sum_n if self.sum_n else 0.0

    def error(self, y: Mapping[int, float], ratio: float) -> float:
        """Half-width of the 95 % interval of this stratum's part of ΣN·(y − R·x), of two pages at least."""
        if self.exact or not self.weight:
            return 0.0
        own = (sum(y.values()) - ratio * self.sum_x) / self.sum_n
        squares = ratio * ratio * self.xx + 2 * ratio * own * self.xn + own * own * self.nn
        squares += sum(v * (v - 2 * (ratio * self.x[i] + own * self.n[i])) for i, v in y.items())
        spread = max(0.0, squares) / (self.pages - 1)
        return self.weight * t95(self.pages - 1) * math.sqrt(spread * self.pages) / self.sum_n


def shares(strata: Sequence[Stratum], *, base: bytes = b"", limit: int = 64) -> tuple[PrefixShare, ...]:
    """Prefixes under `base`, largest in bytes first, the rest beyond `limit` left out.

    Shares are of all keys and bytes of all strata. What was not looked at widens the intervals.
    """
    keys: Found = defaultdict(lambda: [defaultdict(float) for _ in strata])
    weights: Found = defaultdict(lambda: [defaultdict(float) for _ in strata])
    columns = []
    for number, stratum in enumerate(strata):
        scales = [1 / len(page) if stratum.even and page else 1.0 for page in stratum.pages]
        n = [len(page) * scale for page, scale in zip(stratum.pages, scales, strict=True)]
        x = [sum(w for _, w in page) * scale for page, scale in zip(stratum.pages, scales, strict=True)]
        columns.append((_Column(stratum, n, n), _Column(stratum, x, n)))
        for i, (page, scale) in enumerate(zip(stratum.pages, scales, strict=True)):
            for key, weight in page:
                if key.startswith(base):
                    name = prefix(key, base)
                    keys[name][number][i] += scale
                    weights[name][number][i] += weight * scale
    by_keys, by_bytes = zip(*columns, strict=True) if columns else ((), ())
    rows = (_share(name, _total(by_keys, keys[name]), _total(by_bytes, weights[name])) for name in keys)
    return tuple(sorted(rows, key=lambda row: (-row.byte_share, row.prefix))[:limit])


Estimate = tuple[float, float, float]
"""A total, its share of all, and the half-width of that share's 95 % interval."""


def _total(columns: Iterable[_Column], found: Sequence[Mapping[int, float]]) -> Estimate:
    pairs = list(zip(columns, found, strict=True))
    every = sum(column.weight for column, _ in pairs)
    whole = sum(column.total(column.sum_x) for column, _ in pairs)
    if whole <= 0:
        return 0.0, 0.0, 1.0
    total = sum(column.total(sum(y.values())) for column, y in pairs)
    ratio = total / whole
    errors = (c.error(y, ratio) / whole if c.told else c.weight / every for c, y in pairs)
    return total, ratio, min(1.0, math.hypot(*errors))


def _share(name: bytes, keys: Estimate, weight: Estimate) -> PrefixShare:
    return PrefixShare(name, round(keys[0]), keys[1], keys[2], round(weight[0]), weight[1], weight[2])
