"""What a namespace has in one process, and what of it may be served; what it does with it is in core."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable
from copy import copy
from functools import partial
from typing import Any

from perftui.instrument.cache.counters import Counters, Latencies
from perftui.instrument.cache.echoes import Echo, Echoes, Mark
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.l2 import L2
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.ports import Backplane, Clock, LoadLock
from perftui.instrument.cache.recovery import Recovery
from perftui.instrument.cache.stamp import Stamps
from perftui.instrument.cache.tags import Tags, Tokens, Verdict
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions, Skip

log = logging.getLogger(__name__)

DIRTY = -1  # the epoch of an entry that somebody else changed: L2 has to say what became of it


class State:
    """Parts and state: what is fresh, what is being fetched, what is kept, what runs behind."""

    def __init__(
        self,
        namespace: str,
        memory: Memory | None,
        clock: Clock,
        stamps: Stamps,
        counters: Counters,
        weigh: Callable[[Any], int] = sys.getsizeof,
    ) -> None:
        self.namespace = namespace
        self.memory = memory
        self.now = clock.monotonic
        self.stamps = stamps
        self.counters = counters
        self.weigh = weigh
        self.l2: L2 | None = None
        self.lock: LoadLock | None = None
        self.backplane: Backplane | None = None
        self.tags = Tags(namespace, None, clock, self.tags_changed)
        self.recovery = Recovery(clock)
        self.tags.owed = partial(self.recovery.holds, "tag")
        self.notices = Recovery(clock)
        self.epoch = 1
        self.most_here: float | None = None  # seconds that any entry is fresh in L1, where it was lent
        self.covered = 0  # entries of an earlier epoch are not fresh until L2 was asked
        self.linked_now = True
        self.latencies = Latencies()
        self.echoes = Echoes(self._recheck)
        self._marks: dict[str, list[Mark]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # judging

    def fresh(self, entry: Entry) -> bool | None:
        """Whether L1's entry may be served; None while a tag's token has to be fetched first."""
        if entry.fresh_until <= self.now():
            return False
        if entry.epoch == self.epoch:
            return True
        if entry.epoch < self.covered:
            return False
        verdict = self.tags.judge(entry.tags)
        if verdict is Verdict.UNKNOWN:
            return None
        if verdict is Verdict.FRESH:
            entry.epoch = self.epoch
            return True
        if verdict is Verdict.STALE:
            entry.end(self.now())
        else:
            entry.end(float("-inf"))
            entry.kept_until = float("-inf")
        return False

    async def settled(self, entry: Entry, within: float | None) -> bool:
        """The same, fetching the tokens that are not known; L2 silent: not fresh."""
        answer = self.fresh(entry)
        if answer is None:
            try:
                await self.tags.fetch([name for name, _, _ in entry.tags], within=within)
            except BackendError:
                return False
            answer = self.fresh(entry)
        return bool(answer)

    def usable_stale(self, entry: Entry | None) -> Entry | None:
        """An entry that fail-safe may serve: kept, and of no removed tag."""
        if entry is None or entry.kept_until <= self.now():
            return None
        return None if self.tags.judge(entry.tags) is Verdict.GONE else entry

    # fetching

    def mark(self, key: str) -> Mark:
        """Begin to fetch a key; `unmark` when it is over."""
        mark = Mark()
        self._marks.setdefault(key, []).append(mark)
        return mark

    def unmark(self, key: str, mark: Mark) -> None:
        """Fetched, or given up."""
        marks = self._marks.get(key, [])
        if mark in marks:
            marks.remove(mark)
        if not marks:
            self._marks.pop(key, None)

    def void(self, key: str) -> None:
        """What is being fetched of this key is older than what just happened to it."""
        for mark in self._marks.get(key, ()):
            mark.overtaken()

    # keeping

    def keep(self, key: str, entry: Entry) -> None:
        """Into L1, unless it holds something later."""
        memory = self.memory
        if memory is None:
            return
        had = memory.look(key)
        if had is not None and had.stamp > entry.stamp and had.epoch != DIRTY and had.kept_until > self.now():
            return
        if self.most_here is not None:
            entry = copy(entry)  # the value itself lives on elsewhere
            self._shorten(entry, self.now() + self.most_here)
        self.tags.slim(entry)
        entry.epoch = self.epoch if self.tags.judge(entry.tags) is Verdict.FRESH else self.covered
        memory.put(key, entry, entry.size)

    def fill(self, key: str, found: Entry, options: EntryOptions) -> None:
        """What L2 has into L1, for no longer than L1's own ttl, unless the options leave L1 out."""
        if options.skip & Skip.L1_WRITE:
            return
        if options.l1_ttl is not None:
            self._shorten(found, self.now() + options.l1_ttl)
        self.keep(key, found)

    @staticmethod
    def _shorten(entry: Entry, until: float) -> None:
        """Fresh here until then at most; a stale value is kept as long as it was to be."""
        if entry.fresh_until > until:
            if entry.kept_until == entry.fresh_until:
                entry.kept_until = until
            entry.fresh_until = until

    def weighed(self, value: Any) -> int:
        """The bytes of a value that no tier has written, where L1 is bounded by bytes; else 0."""
        if self.memory is None or self.memory.most_bytes is None:
            return 0
        try:
            return self.weigh(value)
        except (TypeError, ValueError):
            return sys.getsizeof(value)

    def entry(
        self, value: Any, options: EntryOptions, tags: Tokens, stamp: bytes, life: float | None, kept: float
    ) -> Entry:
        """An entry of L1 that is fresh for `life` seconds from now."""
        now = self.now()
        until = NEVER if life is None else now + life
        return Entry(
            value,
            until,
            until + kept,
            stamp=stamp,
            tags=tags,
            ttl=NEVER if options.ttl is None else options.ttl,
        )

    def _recheck(self, key: str, echo: Echo) -> None:
        """We were told of a key that we wrote ourselves: L2's stamp says whether it was only of that."""
        entry = self.memory.look(key) if self.memory is not None else None
        if entry is not None and entry.stamp == echo.stamp:
            entry.epoch = DIRTY
            self.spawn(self._verify(key, entry, echo, echo.told))

    async def _verify(self, key: str, entry: Entry, echo: Echo, told: int) -> None:
        """What L1 has is fresh after all if L2 has this very write, and nothing more was told meanwhile."""
        l2 = self.l2
        try:
            there = await l2.stamp(key) if l2 is not None else b""
        except BackendError:
            return
        if there == entry.stamp and echo.told == told and entry.epoch == DIRTY:
            entry.epoch = self.covered  # its tags are looked at when it is asked for

    # changing

    def tags_changed(self, names: Collection[str]) -> None:
        """What was found current before may no longer be, nor what is being loaded with these tags."""
        self.epoch += 1
        if names:
            for marks in self._marks.values():
                for mark in marks:
                    mark.tags_ended(names)

    # working behind

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Work nobody waits for; its error is logged and counted."""
        task = asyncio.create_task(work, name=f"cache {self.namespace}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.counters.count("background.failed")
            log.warning("cache %s: background work failed: %r", self.namespace, task.exception())

    async def end(self, within: float) -> None:
        """Let what runs come to its end, then cancel it."""
        tasks: Iterable[asyncio.Task[Any]] = tuple(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
        await self.recovery.close()
        await self.notices.close()
