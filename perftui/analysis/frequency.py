"""How often keys are asked for, in bounded room: an estimate of any, and the names of the most frequent.

Both forget: `age` takes the same share off every count, so that what was popular once does not stay so.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable
from dataclasses import dataclass
from heapq import heapify, heapreplace

_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)
_MASK = (1 << 64) - 1


class CountMin:
    """Counts that are never too low, and too high by `error` of all at most, in all but a `doubt` of cases.

    Conservative update: only the lowest counters of a key grow. Keys are told by `hash`, so estimates of text
    hold within one process.

    Source: Cormode, Muthukrishnan, J. Algorithms 2005; Estan, Varghese, SIGCOMM 2002 (conservative update).
    """

    __slots__ = ("_bits", "_rows", "_shift", "total")

    def __init__(self, error: float = 0.001, doubt: float = 0.01) -> None:
        if not (1e-6 <= error < 1 and 0 < doubt < 1):
            raise ValueError("error is a share from 1e-6, doubt one above 0")
        self._bits = max(4, math.ceil(math.log2(math.e / error)))
        depth = min(len(_ODD), max(1, math.ceil(math.log(1 / doubt))))
        self._shift = 64 - self._bits
        self._rows = [array("d", bytes(8 << self._bits)) for _ in range(depth)]
        self.total = 0.0

    def add(self, key: Hashable, count: float = 1.0) -> float:
        """Count it; the estimate after that."""
        places = self._places(key)
        now = min(row[at] for row, at in zip(self._rows, places, strict=True)) + count
        for row, at in zip(self._rows, places, strict=True):
            row[at] = max(row[at], now)
        self.total += count
        return now

    def count(self, key: Hashable) -> float:
        """How often it was counted, or somewhat more."""
        return min(row[at] for row, at in zip(self._rows, self._places(key), strict=True))

    def age(self, keep: float = 0.5) -> None:
        """Multiply every count by `keep` (0-1)."""
        self._rows = [array("d", [value * keep for value in row]) for row in self._rows]
        self.total *= keep

    def _places(self, key: Hashable) -> list[int]:
        mixed = hash(key) & _MASK
        mixed ^= mixed >> 32
        shift = self._shift
        return [(mixed * odd & _MASK) >> shift for odd in _ODD[: len(self._rows)]]


@dataclass(frozen=True, slots=True)
class Frequent:
    """A key, and that it was counted `count - error` to `count` times."""

    key: Hashable
    count: float
    error: float


class SpaceSaving:
    """The most frequent of a stream with `room` counters: none above 1/room of all is missed.

    Source: Metwally, Agrawal, El Abbadi, Efficient Computation of Frequent and Top-k Elements, ICDT 2005.
    """

    __slots__ = ("_counts", "_heap", "_room", "_turn", "total")

    def __init__(self, room: int = 1000) -> None:
        if room < 1:
            raise ValueError("at least one counter")
        self._room = room
        self._counts: dict[Hashable, tuple[float, float]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []  # what a count was at least, when last looked at
        self._turn = 0
        self.total = 0.0

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, key: Hashable, count: float = 1.0) -> None:
        """Count it, in place of the least frequent when it is new and there is no room."""
        self.total += count
        counts = self._counts
        known = counts.get(key)
        if known is not None:
            counts[key] = (known[0] + count, known[1])
            return
        self._turn += 1
        if len(counts) < self._room:
            counts[key] = (count, 0.0)
            self._heap.append((count, self._turn, key))
            if len(counts) == self._room:
                heapify(self._heap)
            return
        least = self._least()
        del counts[self._heap[0][2]]
        counts[key] = (least + count, least)
        heapreplace(self._heap, (least + count, self._turn, key))

    def top(self, n: int) -> tuple[Frequent, ...]:
        """The `n` most frequent, first of all the surest of equals."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1][0], item[1][1]))
        return tuple(Frequent(key, count, error) for key, (count, error) in ranked[:n])

    def age(self, keep: float = 0.5) -> None:
        """Multiply every count by `keep` (0-1); those below a hundredth are forgotten."""
        self.total *= keep
        kept = {k: (count * keep, error * keep) for k, (count, error) in self._counts.items()}
        self._counts = {k: pair for k, pair in kept.items() if pair[0] >= 0.01}
        self._heap = [(pair[0], turn, k) for turn, (k, pair) in enumerate(self._counts.items())]
        self._turn = len(self._heap)
        heapify(self._heap)

    def _least(self) -> float:
        """The lowest count; its key is then at the head of the heap."""
        while True:
            was, turn, key = self._heap[0]
            now = self._counts[key][0]
            if now == was:
                return now
            heapreplace(self._heap, (now, turn, key))
