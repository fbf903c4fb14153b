"""Evictions side by side, so that a recorded trace can be rehearsed against each; keys only, of weight 1."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from perftui.analysis import belady
from perftui.analysis.s3fifo import S3Fifo


class Policy(Protocol):
    """What decides who stays."""

    def access(self, key: Hashable) -> bool:
        """Whether it was there; it is now."""

    def __len__(self) -> int: ...


class Lru:
    """The one not used for longest goes."""

    __slots__ = ("_keys", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = _room(capacity)
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    def access(self, key: Hashable) -> bool:
        """Whether it was there; it is now."""
        keys = self._keys
        if key in keys:
            keys.move_to_end(key)
            return True
        if len(keys) >= self.capacity:
            keys.popitem(last=False)
        keys[key] = None
        return False


class Lfu:
    """The one used least since it came goes, the oldest of equals; in constant time.

    Source: Shah, Mitra, Matani, An O(1) algorithm for implementing the LFU cache eviction scheme, 2010.
    """

    __slots__ = ("_least", "_ranks", "_uses", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = _room(capacity)
        self._uses: dict[Hashable, int] = {}
        self._ranks: dict[int, OrderedDict[Hashable, None]] = {}
        self._least = 1

    def __len__(self) -> int:
        return len(self._uses)

    def access(self, key: Hashable) -> bool:
        """Whether it was there; it is now."""
        uses = self._uses.get(key)
        if uses is None:
            if len(self._uses) >= self.capacity:
                gone, _ = self._ranks[self._least].popitem(last=False)
                del self._uses[gone]
            self._least = 1
            self._rank(key, 1)
            return False
        rank = self._ranks[uses]
        del rank[key]
        if not rank:
            del self._ranks[uses]
            self._least += self._least == uses
        self._rank(key, uses + 1)
        return True

    def _rank(self, key: Hashable, uses: int) -> None:
        self._uses[key] = uses
        self._ranks.setdefault(uses, OrderedDict())[key] = None


class TwoQueue:
    """2Q, full version: a queue of a quarter, the names of what left it, and LRU for what came again.

    Source: Johnson, Shasha, 2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm,
    VLDB 1994.
    """

    __slots__ = ("_a1in", "_a1out", "_am", "_kin", "_kout", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = _room(capacity)
        self._kin, self._kout = max(1, capacity // 4), max(1, capacity // 2)
        self._a1in: OrderedDict[Hashable, None] = OrderedDict()
        self._a1out: OrderedDict[Hashable, None] = OrderedDict()
        self._am: OrderedDict[Hashable, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._a1in) + len(self._am)

    def access(self, key: Hashable) -> bool:
        """Whether it was there; it is now."""
        if key in self._am:
            self._am.move_to_end(key)
            return True
        if key in self._a1in:
            return True
        again = key in self._a1out
        if len(self) >= self.capacity:
            self._reclaim()
        if again:
            self._a1out.pop(key, None)
            self._am[key] = None
        else:
            self._a1in[key] = None
        return False

    def _reclaim(self) -> None:
        if len(self._a1in) > self._kin or not self._am:
            gone, _ = self._a1in.popitem(last=False)
            self._a1out[gone] = None
            if len(self._a1out) > self._kout:
                self._a1out.popitem(last=False)
        else:
            self._am.popitem(last=False)


class Arc:
    """Two LRU lists, seen once and seen again, whose shares follow the names each let go last.

    Source: Megiddo, Modha, ARC: A Self-Tuning, Low Overhead Replacement Cache, FAST 2003, figure 4.
    """

    __slots__ = ("_b1", "_b2", "_p", "_t1", "_t2", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = _room(capacity)
        self._p = 0.0
        self._t1: OrderedDict[Hashable, None] = OrderedDict()
        self._t2: OrderedDict[Hashable, None] = OrderedDict()
        self._b1: OrderedDict[Hashable, None] = OrderedDict()
        self._b2: OrderedDict[Hashable, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._t1) + len(self._t2)

    def access(self, key: Hashable) -> bool:
        """Whether it was there; it is now."""
        if key in self._t1:
            del self._t1[key]
            self._t2[key] = None
            return True
        if key in self._t2:
            self._t2.move_to_end(key)
            return True
        if key in self._b1:
            self._p = min(float(self.capacity), self._p + max(1.0, len(self._b2) / len(self._b1)))
            self._again(key, self._b1)
        elif key in self._b2:
            self._p = max(0.0, self._p - max(1.0, len(self._b1) / len(self._b2)))
            self._again(key, self._b2)
        else:
            self._first(key)
        return False

    def _again(self, key: Hashable, ghost: OrderedDict[Hashable, None]) -> None:
        self._replace(in_b2=ghost is self._b2)
        del ghost[key]
        self._t2[key] = None

    def _first(self, key: Hashable) -> None:
        c, once = self.capacity, len(self._t1) + len(self._b1)
        if once == c:
            if len(self._t1) < c:
                self._b1.popitem(last=False)
                self._replace(in_b2=False)
            else:
                self._t1.popitem(last=False)
        elif (all_ := once + len(self._t2) + len(self._b2)) >= c:
            if all_ == 2 * c:
                self._b2.popitem(last=False)
            self._replace(in_b2=False)
        self._t1[key] = None

    def _replace(self, *, in_b2: bool) -> None:
        if len(self) < self.capacity:
            return
        first = len(self._t1)
        if first and (first > self._p or (in_b2 and first == self._p) or not self._t2):
            gone, _ = self._t1.popitem(last=False)
            self._b1[gone] = None
        else:
            gone, _ = self._t2.popitem(last=False)
            self._b2[gone] = None


def _room(capacity: int) -> int:
    if capacity < 1:
        raise ValueError("a cache holds at least one key")
    return capacity


OPTIMUM: Final = "optimum"
POLICIES: Final[Mapping[str, Callable[[int], Policy]]] = {
    "s3fifo": S3Fifo,
    "lru": Lru,
    "lfu": Lfu,
    "2q": TwoQueue,
    "arc": Arc,
}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What one policy would have hit with room for `entries`; ratios 0-1, `byte_ratio` weighs by size."""

    policy: str
    entries: int
    hit_ratio: float
    byte_ratio: float


def rehearse(keys: Sequence[Hashable], sizes: Sequence[int], entries: Iterable[int]) -> tuple[Rehearsed, ...]:
    """Each policy and the optimum at each number of entries, over the same accesses; nothing for no access.

    `sizes` are the bytes of each access, as many as keys.
    """
    rows: list[Rehearsed] = []
    if not keys:
        return ()
    total = sum(sizes)
    after = belady.next_uses(keys)
    for room in entries:
        for name, make in POLICIES.items():
            access = make(room).access
            rows.append(_row(name, room, [access(key) for key in keys], sizes, total))
        rows.append(_row(OPTIMUM, room, belady.hits(keys, room, after), sizes, total))
    return tuple(rows)


def _row(name: str, room: int, hit: Sequence[bool], sizes: Sequence[int], total: int) -> Rehearsed:
    served = sum(size for size, was in zip(sizes, hit, strict=True) if was)
    return Rehearsed(name, room, sum(hit) / len(hit), served / total if total else 0.0)
