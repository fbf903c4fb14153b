"""S3-FIFO, the eviction that the cache's memory uses, as a set of keys: for laws, rehearsals and comparison.

Source: Yang et al., FIFO Queues are All You Need for Cache Eviction, SOSP 2023, algorithm 1, the plain rules:
a small queue of a tenth, a main one, two bits of use, and the names of what the small queue let go. One use
is enough to leave the small queue for the main one, where the paper asks for two: as foyer has it by default
(https://docs.rs/foyer-memory, S3FifoConfig), and better in docs/measurements-cache.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

SMALL_SHARE: Final = 0.1
USES: Final = 3  # what two bits hold
PROMOTED: Final = 1  # uses after which the small queue hands a key to the main one


class S3Fifo:
    """`capacity` keys at most, each of weight 1.

    Raises:
        ValueError: no room for one.
    """

    __slots__ = ("_ghost", "_ghosts", "_main", "_small", "_tenth", "_turn", "capacity")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError("a cache holds at least one key")
        self.capacity = capacity
        self._tenth = max(1, int(capacity * SMALL_SHARE))
        self._ghosts = max(1, capacity - self._tenth)
        self._small: OrderedDict[Hashable, int] = OrderedDict()
        self._main: OrderedDict[Hashable, int] = OrderedDict()
        self._ghost: dict[Hashable, int] = {}  # name -> the turn at which it was let go
        self._turn = 0

    def __len__(self) -> int:
        return len(self._small) + len(self._main)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._small or key in self._main

    def access(self, key: Hashable) -> bool:
        """Whether it was there; it is now."""
        for queue in (self._main, self._small):
            uses = queue.get(key)
            if uses is not None:
                if uses < USES:
                    queue[key] = uses + 1
                return True
        while len(self) >= self.capacity:
            self._evict()
        if self._ghost.pop(key, -self._ghosts) > self._turn - self._ghosts:
            self._main[key] = 0
        else:
            self._small[key] = 0
        return False

    def drop(self, key: Hashable) -> bool:
        """Take it out, for another reason than room; whether it was there."""
        for queue in (self._main, self._small):
            if key in queue:
                del queue[key]
                return True
        return False

    def _evict(self) -> None:
        if len(self._small) >= self._tenth or not self._main:
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        while self._small:
            key, uses = self._small.popitem(last=False)
            if uses < PROMOTED:
                self._remember(key)
                return
            self._main[key] = 0

    def _evict_main(self) -> None:
        while True:
            key, uses = self._main.popitem(last=False)
            if uses == 0:
                return
            self._main[key] = uses - 1

    def _remember(self, key: Hashable) -> None:
        self._turn += 1
        self._ghost[key] = self._turn
        if len(self._ghost) > 2 * self._ghosts:
            oldest = self._turn - self._ghosts
            self._ghost = {name: turn for name, turn in self._ghost.items() if turn > oldest}
