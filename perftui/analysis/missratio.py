"""What a cache of another size would miss, from one key in a hundred: cheap enough for every access.

Source: Waldspurger et al., Efficient MRC Construction with SHARDS, FAST 2015: keys are sampled by their
hash, distances between uses of one key are counted in distinct sampled keys and scaled up; accesses that the
sample is short of count as hits of the smallest size (SHARDS-adj). Fixed rate, or a fixed number of keys.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import accumulate
from typing import Final

from perftui.analysis.keyspace import t95
from perftui.model.misscurve import Point

_SPAN: Final = 1 << 24
MASK: Final = _SPAN - 1
_Sums = tuple[list[float], list[float]]
_GROUPS: Final = 16
_FINE: Final = 64  # steps an octave of distances
_FIRST: Final = 1024  # places of the tree before it grows
_FEW: Final = 4096  # keys that are kept in a list


class Distances:
    """How many distinct keys were used since a key's last use: places in a Fenwick tree, packed when full.

    Source: Olken, Efficient Methods for Calculating the Success Function of Fixed Space Replacement
    Policies, 1981.
    """

    __slots__ = ("_last", "_now", "_size", "_tree")

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._size = _FIRST
        self._tree = [0] * (_FIRST + 1)
        self._now = 0

    def __len__(self) -> int:
        return len(self._last)

    def __contains__(self, key: int) -> bool:
        return key in self._last

    def use(self, key: int) -> int | None:
        """Distinct keys used since the last use of this one; None at its first."""
        if self._now == self._size:
            self._pack()
        was = self._last.pop(key, None)
        since = None
        if was is not None:
            since = len(self._last) + 1 - self._upto(was)
            self._add(was, -1)
        self._now += 1
        self._last[key] = self._now
        self._add(self._now, 1)
        return since

    def forget(self, key: int) -> None:
        """As if it had never been."""
        self._add(self._last.pop(key), -1)

    def _add(self, at: int, by: int) -> None:
        tree, size = self._tree, self._size
        while at <= size:
            tree[at] += by
            at += at & -at

    def _upto(self, at: int) -> int:
        tree, count = self._tree, 0
        while at:
            count += tree[at]
            at &= at - 1
        return count

    def _pack(self) -> None:
        """Places without gaps, in the order of use, which is that of the dictionary."""
        live = len(self._last)
        self._size = max(_FIRST, 2 * live)
        self._last = {key: place for place, key in enumerate(self._last, 1)}
        self._now = live
        self._tree = tree = [0] * (self._size + 1)
        for at in range(1, self._size + 1):
            tree[at] += at <= live
            if (up := at + (at & -at)) <= self._size:
                tree[up] += tree[at]


class FewDistances:
    """The same for few keys: their last uses in order, in one list, which for so few beats the tree."""

    __slots__ = ("_last", "_now", "_order")

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._order: list[int] = []
        self._now = 0

    def __len__(self) -> int:
        return len(self._last)

    def __contains__(self, key: int) -> bool:
        return key in self._last

    def use(self, key: int) -> int | None:
        """Distinct keys used since the last use of this one; None at its first."""
        order = self._order
        since = None
        was = self._last.get(key)
        if was is not None:
            at = bisect_left(order, was)
            del order[at]
            since = len(order) - at
        self._now += 1
        self._last[key] = self._now
        order.append(self._now)
        return since

    def forget(self, key: int) -> None:
        """As if it had never been."""
        del self._order[bisect_left(self._order, self._last.pop(key))]


class MissRatio:
    """A miss ratio curve of LRU that grows with every access.

    `rate` is the share of keys looked at; with `most` it falls as soon as more keys than that would be. Keys
    are given as hashes whose low 40 bits are uniform: `hash(text)` is one, a number that counts is not.
    """

    __slots__ = ("_below", "_distances", "_heap", "_histograms", "_most", "_weight", "seen")

    def __init__(self, rate: float = 0.01, most: int | None = None) -> None:
        if not 1 / _SPAN <= rate <= 1 or (most is not None and most < 1):
            raise ValueError("rate is a share above 0, and at least one key is looked at")
        self._below = round(rate * _SPAN)
        self._weight = _SPAN / self._below
        self._most = most
        few = most is not None and most <= _FEW
        self._distances: Distances | FewDistances = FewDistances() if few else Distances()
        self._heap: list[tuple[int, int]] = []
        self._histograms: list[dict[int, float]] = [{} for _ in range(_GROUPS)]
        self.seen = 0.0

    @property
    def rate(self) -> float:
        """The share of keys looked at now."""
        return self._below / _SPAN

    @property
    def below(self) -> int:
        """A key is looked at when its low 24 bits (`MASK`) are below this."""
        return self._below

    @property
    def sampled(self) -> int:
        """Keys looked at now."""
        return len(self._distances)

    def add(self, key: int) -> None:
        """Count one access."""
        self.seen += 1
        if key & MASK < self._below:
            self._sample(key)

    def extend(self, keys: Iterable[int]) -> None:
        """Count many accesses, in order."""
        count, below, sample, mask = 0, self._below, self._sample, MASK
        for key in keys:
            count += 1
            if key & mask < below:
                sample(key)
                below = self._below
        self.seen += count

    def skip(self, accesses: float) -> None:
        """Count accesses of keys that are not looked at, where whoever asks has left those out."""
        self.seen += accesses

    def narrow(self, below: int) -> None:
        """Look at keys below this alone from now on; what was counted stays. It takes a `most`."""
        while self._heap and -self._heap[0][0] >= below:
            key = heappop(self._heap)[1]
            if key in self._distances:
                self._distances.forget(key)
        self._below = max(1, min(self._below, below))
        self._weight = _SPAN / self._below

    def leave_out(self, keys: Iterable[int]) -> None:
        """Forget keys that nobody adds any more; their accesses, skipped, are hits of every size."""
        for key in keys:
            if key in self._distances:
                self._distances.forget(key)

    def fade(self, share: float) -> None:
        """Let what was counted weigh `share` of what it did; where keys were used last stays."""
        self.seen *= share
        self._histograms = [{step: n * share for step, n in h.items()} for h in self._histograms]

    def curve(self, entries: Iterable[int]) -> tuple[Point, ...]:
        """The curve at these sizes; nothing before the first access.

        The interval joins two doubts: which keys were looked at (by what sixteen groups of them differ), and
        how large a cache of these is (of n keys, the root of n more or less). On simulated streams it holds
        the truth in about nine runs of ten.
        """
        if not self.seen:
            return ()
        if not self._distances:
            return tuple(Point(size, 1.0, 1.0) for size in entries)
        sums = [_sums(histogram, self.seen / _GROUPS) for histogram in self._histograms]
        return tuple(self._point(sums, size) for size in entries)

    def at(self, entries: int) -> Point:
        """The miss ratio of one size."""
        return next(iter(self.curve((entries,))), Point(entries, 1.0, 1.0))

    def _point(self, sums: list[_Sums], entries: int) -> Point:
        misses = [_missed(group, entries) for group in sums]
        ratio = sum(misses) / _GROUPS
        spread = sum((miss - ratio) ** 2 for miss in misses) / (_GROUPS - 1)
        root = math.sqrt(entries * self._weight)
        fewer, more = (sum(_missed(g, size) for g in sums) for size in (entries - root, entries + root))
        unsure = math.hypot(math.sqrt(spread / _GROUPS), (fewer - more) / 2 / _GROUPS)
        error = t95(_GROUPS - 1) * unsure * math.sqrt(1.0 - self.rate)
        return Point(entries, min(1.0, max(0.0, ratio)), min(1.0, error))

    def _sample(self, key: int) -> None:
        since = self._distances.use(key)
        step = _step(since * self._weight) if since is not None else -1
        histogram = self._histograms[key >> 24 & _GROUPS - 1]
        histogram[step] = histogram.get(step, 0.0) + self._weight
        if since is None and self._most is not None:
            heappush(self._heap, (-(key & MASK), key))
            if len(self._distances) > self._most:
                self._fall()

    def _fall(self) -> None:
        """Leave out the keys of the highest hash, so that the rate falls to it; what was counted stays."""
        self.narrow(-self._heap[0][0])


def _sums(histogram: dict[int, float], share: float) -> _Sums:
    """Distances that rise, and the miss ratio from each on; below the first, what is short is a hit."""
    steps = sorted(step for step in histogram if step >= 0)
    hits = accumulate((histogram[step] for step in steps), initial=share - sum(histogram.values()))
    return [_upper(step) for step in steps], [1.0 - hit / share for hit in hits]


def _missed(sums: _Sums, entries: float) -> float:
    uppers, ratios = sums
    return ratios[bisect_right(uppers, entries)]


def _step(distance: float) -> int:
    """The step of a distance: exact below twice _FINE, then _FINE an octave."""
    whole = int(distance)
    octave = max(0, whole.bit_length() - _FINE.bit_length())
    return (octave << 20) + (whole >> octave)


def _upper(step: int) -> float:
    """The fewest entries at which all of a step are hits."""
    octave = step >> 20
    return float(((step & (1 << 20) - 1) + 1) << octave)
