"""Half-space trees: how empty the neighbourhood of a point is, learned from a stream in bounded memory.

After Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data" (2011): random cuts of the space made
before any data, masses counted in them, the masses of one window judging the next.
"""

from __future__ import annotations

import math
import random
from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

FEATURES = ("value", "change", "against the last hour", "against the season", "for the hour of the week")
TREES, DEPTH = 20, 6
WINDOW = 250  # points whose masses judge the next ones
SPARSE = 12  # a node with fewer is not cut further when judging
RANKS = 1000  # newest ratings kept to say how rare one is
HOUR, WEEK = 3600.0, 604800.0
ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class Rarity:
    """`rank` is the share of earlier ratings that were as odd or odder, 1 while learning.

    `reasons` are the features farthest from their usual, with their distance in sigmas.
    """

    rank: float
    reasons: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class _Usual:
    """Running mean and variance of one feature, to bring it between 0 and 1."""

    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0

    def place(self, value: float) -> float:
        """Sigmas from the usual, then learned."""
        off = value - self.mean
        sigma = math.sqrt(self.variance)
        z = off / sigma if sigma > 1e-12 * (1 + abs(self.mean)) else 0.0
        self.seen += 1
        weight = max(ALPHA, 1 / self.seen)
        near = off if self.seen < WINDOW or abs(z) < 4 else math.copysign(4 * sigma, off)
        self.mean += weight * near
        self.variance = (1 - weight) * (self.variance + weight * near * near)
        return z


@dataclass(slots=True)
class Forest:
    """One series' trees; about 40 kB. `rate` judges a point and learns from it.

    A node's mass is the sum of its leaves', so only leaves are counted, and what a point that ends in a
    leaf is worth is worked out once a window.
    """

    seed: int = 1
    _worth: list[array[float]] = field(default_factory=list)  # by leaf
    _fresh: list[array[int]] = field(default_factory=list)  # by leaf
    _usual: list[_Usual] = field(default_factory=lambda: [_Usual() for _ in FEATURES])
    _last: float = math.nan
    _hours: dict[int, float] = field(default_factory=dict)
    _seen: int = 0
    _ratings: deque[float] = field(default_factory=lambda: deque(maxlen=RANKS))
    _sorted: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = 2**DEPTH
        for _ in range(TREES):
            self._worth.append(array("d", [0.0]) * size)
            self._fresh.append(array("H", [0]) * size)

    def rate(self, at: float, value: float, short: float, season: float) -> Rarity:
        """Judge a value given its distance from the short memory and from the season (both in its unit)."""
        change = value - self._last if self._last == self._last else 0.0
        hour = int(at % WEEK // HOUR)
        usual = self._hours.get(hour, value)
        self._hours[hour] = usual + 0.1 * (value - usual)
        self._last = value
        raw = (value, change, short, season, value - usual)
        zs = [known.place(v) for known, v in zip(self._usual, raw, strict=True)]
        point = [0.5 + 0.125 * max(-4.0, min(4.0, z)) for z in zs]
        rating = self._rating(point)
        self._seen += 1
        if self._seen % WINDOW == 0:
            self._turn()
        if self._seen <= 2 * WINDOW:
            return Rarity(1.0)
        return Rarity(self._rank(rating), _reasons(zs))

    def _rating(self, point: Sequence[float]) -> float:
        """The mass around a point over all trees, small when odd; counted into the fresh masses as well."""
        total, leaves = 0.0, 2**DEPTH
        for (which, where), worth, fresh in zip(_cuts(self.seed), self._worth, self._fresh, strict=True):
            node = 1
            while node < leaves:
                node += node + (point[which[node]] >= where[node])
            fresh[node - leaves] += 1
            total += worth[node - leaves]
        return total

    def _turn(self) -> None:
        """The masses of this window judge the next."""
        self._worth = [_worth(counted) for counted in self._fresh]
        self._fresh = [array("H", [0]) * 2**DEPTH for _ in range(TREES)]

    def _rank(self, rating: float) -> float:
        ratings = self._ratings
        rank = (bisect_left(self._sorted, math.nextafter(rating, math.inf)) + 1) / (len(self._sorted) + 1)
        if len(ratings) == RANKS:
            del self._sorted[bisect_left(self._sorted, ratings[0])]
        ratings.append(rating)
        insort(self._sorted, rating)
        return rank


def _worth(counted: Sequence[int]) -> array[float]:
    """What each leaf says of a point in it: mass and share of the space of the first node that is sparse."""
    leaves = len(counted)
    masses = [0] * leaves + list(counted)
    for node in range(leaves - 1, 0, -1):
        masses[node] = masses[2 * node] + masses[2 * node + 1]
    worth = array("d")
    for leaf in range(leaves, 2 * leaves):
        path = (leaf >> up for up in range(DEPTH, -1, -1))
        node = next(n for n in path if masses[n] <= SPARSE or n == leaf)
        worth.append(masses[node] * 2.0 ** (node.bit_length() - 1))
    return worth


@lru_cache(maxsize=8)
def _cuts(seed: int) -> tuple[tuple[bytes, tuple[float, ...]], ...]:
    """Of each tree the feature and the value that cut each node; the same for all forests of a seed."""
    random_ = random.Random(seed)  # noqa: S311 - cuts must be repeatable, not secret
    found = []
    for _ in range(TREES):
        lows = [random_.random() for _ in FEATURES]
        span = [2 * max(low, 1 - low) for low in lows]
        edges = [(low - s, low + s) for low, s in zip(lows, span, strict=True)]
        which, where = bytearray(2**DEPTH), [0.0] * 2**DEPTH
        _cut(random_, 1, 0, edges, which, where)
        found.append((bytes(which), tuple(where)))
    return tuple(found)


def _cut(
    random_: random.Random,
    node: int,
    depth: int,
    edges: list[tuple[float, float]],
    which: bytearray,
    where: list[float],
) -> None:
    """Halve the space along one feature, then each half along another."""
    if depth == DEPTH:
        return
    feature = random_.randrange(len(edges))
    low, high = edges[feature]
    middle = (low + high) / 2
    which[node], where[node] = feature, middle
    for side, part in enumerate(((low, middle), (middle, high))):
        inner = [*edges[:feature], part, *edges[feature + 1 :]]
        _cut(random_, 2 * node + side, depth + 1, inner, which, where)


def _reasons(zs: Sequence[float]) -> tuple[tuple[str, float], ...]:
    far = sorted(zip(FEATURES, zs, strict=True), key=lambda pair: -abs(pair[1]))
    return tuple((name, z) for name, z in far[:3] if abs(z) >= 2)
