"""An L1 that a console lends to a cache which has none, or takes from one that has."""

from __future__ import annotations

from collections.abc import Callable

from perftui.instrument.cache.core import Core
from perftui.instrument.cache.memory import Memory
from perftui.model.namespacepolicy import LOCAL_LIFE
from perftui.model.tiers import LocalCopies


class Lending:
    """L1 as the options have it, or as L2 says; `hears` is whether the cache is told of what others change.

    What is lent holds so many entries, each fresh for LOCAL_LIFE at most. Operations that run go on with the
    L1 they began with; whatever comes back begins empty, since it heard nothing meanwhile.
    """

    def __init__(self, core: Core, hears: Callable[[], bool]) -> None:
        self._core = core
        self._own = core.memory
        self._hears = hears

    @property
    def told(self) -> LocalCopies | None:
        """What L1 may hold; None where there is none and none can be lent."""
        if self._own is None and not self._hears():
            return None
        return LocalCopies(_most(self._core.memory), _most(self._own))

    def obey(self, entries: int | None) -> None:
        """Room for so many where there is no L1, 0: no L1 at all, None: as the options have it."""
        memory = self._wanted(entries)
        core = self._core
        if memory is core.memory:
            return
        for one in (core.memory, memory):
            if one is not None:
                one.rest(one is not memory)
        core.memory = memory
        core.most_here = LOCAL_LIFE if memory is not None and memory is not self._own else None
        if memory is not None and core.counters.heard:
            memory.tell_evictions(lambda key: core.counters.event("evict", key))

    def _wanted(self, entries: int | None) -> Memory | None:
        if entries == 0:
            return None
        if entries is None or self._own is not None or not self._hears():
            return self._own
        now = self._core.memory
        return now if now is not None and now.most == entries else Memory(entries)


def _most(memory: Memory | None) -> int:
    return memory.most if memory is not None else 0
