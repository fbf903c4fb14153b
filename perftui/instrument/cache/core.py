"""The state of one namespace in one process: what is fresh, what was heard, what is kept where."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Iterable
from copy import copy
from typing import Any

from perftui.instrument.cache.counters import Counters, Latencies
from perftui.instrument.cache.echoes import Echo, Echoes, Mark
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.l2 import L2, Kept, lives, waiting
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.ports import Backplane, Clock, LoadLock, Notice, NoticeKind
from perftui.instrument.cache.recovery import Recovery
from perftui.instrument.cache.resp import Full
from perftui.instrument.cache.stamp import Stamps
from perftui.instrument.cache.tags import Tags, Tokens, Verdict
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions, Skip

log = logging.getLogger(__name__)

DIRTY = -1  # the epoch of an entry that somebody else changed: L2 has to say what became of it
RECOVERED_FOR = 86400.0


class Core:
    """Parts and state. It implements `Heard` of invalidation.py: what others do arrives here."""

    def __init__(
        self,
        namespace: str,
        memory: Memory | None,
        clock: Clock,
        stamps: Stamps,
        counters: Counters,
    ) -> None:
        self.namespace = namespace
        self.memory = memory
        self.now = clock.monotonic
        self.stamps = stamps
        self.counters = counters
        self.l2: L2 | None = None
        self.lock: LoadLock | None = None
        self.backplane: Backplane | None = None
        self.tags = Tags(namespace, None, clock, self.tags_changed)
        self.recovery = Recovery(clock)
        self.notices = Recovery(clock)
        self.epoch = 1
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
            entry.fresh_until = self.now()
        else:
            entry.fresh_until = entry.kept_until = float("-inf")
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
            mark.void = True

    # keeping

    def keep(self, key: str, entry: Entry) -> None:
        """Into L1, unless it holds something later."""
        memory = self.memory
        if memory is None:
            return
        had = memory.look(key)
        if had is not None and had.stamp > entry.stamp and had.epoch != DIRTY and had.kept_until > self.now():
            return
        self.tags.slim(entry)
        entry.epoch = self.epoch if self.tags.judge(entry.tags) is Verdict.FRESH else self.covered
        memory.put(key, entry, entry.size)

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

    async def save(self, key: str, made: Entry, options: EntryOptions, *, fill: Mark | None = None) -> bool:
        """Store a new entry in all tiers, L2 first; whether it is what L2 holds. Its lives are drawn here.

        `fill`: it was loaded under this mark, and gives way to anything later. Errors of L2 go to recovery,
        and to the caller where the options say so.
        """
        jitter = random.uniform(0, options.jitter) if options.jitter and options.ttl else 0.0  # noqa: S311
        first, second, kept, kept_there = lives(options, jitter)
        now = self.now()
        made.fresh_until = NEVER if first is None else now + first
        made.kept_until = made.fresh_until + kept
        l1 = self.memory is not None and not options.skip & Skip.L1_WRITE and (first is None or first > 0)
        l2 = self.l2 is not None and not options.skip & Skip.L2_WRITE and (second is None or second > 0)
        taken = True
        if l2 and not options.l2_background:
            taken = await self._save_there(key, made, second, kept_there, options, fill)
        if l1 and taken and not (fill is not None and fill.void):
            self.keep(key, made)
            self.echoes.kept(key)
        if l2 and options.l2_background:
            self.spawn(self._save_there(key, made, second, kept_there, options, fill))
        return taken

    async def _save_there(
        self,
        key: str,
        made: Entry,
        life: float | None,
        kept: float,
        options: EntryOptions,
        fill: Mark | None,
    ) -> bool:
        """Into L2; whether nothing later was there. An error means yes: L1 keeps it, recovery brings it."""
        l2 = self.l2
        if l2 is None:
            return True
        try:
            data = l2.sealed(made, life, kept)
        except (TypeError, ValueError):
            self.counters.count("serialize.failed")
            if options.raise_serialization:
                raise
            return True
        made.size = len(data)
        whole = None if life is None else life + kept
        began = self.now()
        try:
            if fill is None:
                taken = await l2.write(key, data, whole, if_newer=False, within=options.l2_hard)
            else:
                async with self.echoes.writing(key, made.stamp, fill):
                    taken = await l2.write(key, data, whole, if_newer=True, within=options.l2_hard)
        except BackendError as error:
            if not isinstance(error, Full):  # no room: it would be tried for nothing
                self._later_write(key, made, data, NEVER if whole is None else self.now() + whole)
            if options.raise_l2:
                raise
            return True
        self.latencies.observe("l2.set", self.now() - began)
        return taken

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

    def _later_write(self, key: str, made: Entry, data: bytes, until: float) -> None:
        async def again() -> None:
            l2 = self.l2
            if l2 is not None and await self.tags.adopt(made.tags, within=1.0):
                left = None if until == NEVER else max(0.001, until - self.now())
                await l2.write(key, data, left, if_newer=True, within=1.0)

        self.recovery.later("entry", key, made.stamp, again, min(until, self.now() + RECOVERED_FOR))

    def put_back(self, key: str, stale: Entry, options: EntryOptions) -> None:
        """A stale value that had to be served counts as fresh for `throttle`, in both tiers."""
        now = self.now()
        again = copy(stale)
        again.fresh_until = now + options.throttle
        again.kept_until = max(stale.kept_until, again.fresh_until)
        if not options.skip & Skip.L1_WRITE:
            self.keep(key, again)
        l2 = self.l2
        if l2 is not None and not options.skip & Skip.L2_WRITE and l2.breaker.state == "closed":
            self.spawn(self._put_back_there(l2, key, again, options))

    async def _put_back_there(self, l2: L2, key: str, entry: Entry, options: EntryOptions) -> None:
        """What cannot be put back is no loss: L1 has it."""
        kept = min(entry.kept_until - entry.fresh_until, 10 * RECOVERED_FOR)
        try:
            data = l2.sealed(entry, options.throttle, kept)
            async with self.echoes.writing(key, entry.stamp):
                whole = options.throttle + kept
                await l2.write(key, data, whole, if_newer=True, within=options.l2_hard)
        except (BackendError, TypeError, ValueError):
            self.counters.count("putback.failed")

    async def read_l2(self, key: str, options: EntryOptions, had: Entry | None) -> tuple[Kept, Entry | None]:
        """L2's entry, with what L1 has as the reason not to wait long; raises only what the options say."""
        if self.l2 is None or options.skip & Skip.L2_READ:
            return Kept.FAILED, None
        if had is not None and options.skip & Skip.L2_READ_WHEN_STALE:
            return Kept.FAILED, None
        began = self.now()
        found = await self.l2.read(key, waiting(options, fallback=had))
        if found.error is not None and options.raise_l2:
            raise found.error
        if found.error is None:
            self.latencies.observe("l2.get", self.now() - began)
        if found.entry is not None:
            self.stamps.seen(found.entry.stamp)
        return found.kept, found.entry

    # telling others

    async def tell(self, kind: NoticeKind, key: str, stamp: bytes, options: EntryOptions) -> None:
        """A notice to the other nodes, where there is a backplane."""
        backplane = self.backplane
        if backplane is None or not options.notify:
            return
        notice = Notice(self.stamps.node.hex(), self.namespace, kind, key, stamp)
        try:
            await backplane.publish(notice)
        except BackendError:
            self.counters.count("notice.failed")
            self.notices.later(
                kind.value, key, stamp, lambda: backplane.publish(notice), self.now() + RECOVERED_FOR
            )
            if options.raise_backplane:
                raise

    # hearing others

    def tags_changed(self) -> None:
        """What was found current before may no longer be."""
        self.epoch += 1

    def dropped(self, key: str) -> None:
        """Somebody else changed this key."""
        self.counters.count("invalidated")
        ours = self.echoes.mark(key)
        for mark in self._marks.get(key, ()):
            mark.void = mark.void or mark is not ours
        self._woke(key)
        entry = self.memory.look(key) if self.memory is not None else None
        if entry is not None:
            entry.epoch = DIRTY
        self.echoes.told(key)

    def tag_changed(self, tag: str) -> None:
        """Somebody else changed a tag."""
        self.tags.heard(tag)

    def lease_changed(self, key: str) -> None:
        """A lease was renewed or let go."""
        self._woke(key)

    def _woke(self, key: str) -> None:
        woke = getattr(self.lock, "woke", None)
        if woke is not None:
            woke(key)

    def everything_changed(self) -> None:
        """L2 was flushed: nothing of it is left here either."""
        self.counters.count("flushed")
        if self.memory is not None:
            self.memory.clear()
        for marks in self._marks.values():
            for mark in marks:
                mark.void = True
        self.tags.forget()

    def linked(self, *, up: bool) -> None:
        """The link was lost or is back: entries stored before are not fresh until L2 was asked."""
        self.counters.count("link.up" if up else "link.down")
        self.linked_now = up
        self.epoch = self.covered = self.epoch + 1
        for marks in self._marks.values():
            for mark in marks:
                mark.void = True
        if up:
            self.tags.forget()
            if self.l2 is not None:
                self.l2.breaker.reset()
            self.recovery.nudge()
            self.notices.nudge()

    def noticed(self, notice: Notice | None) -> None:
        """A notice of the backplane; None: anything may have changed."""
        if notice is None:
            self.linked(up=True)
        elif notice.kind is NoticeKind.TAG:
            self.tags.heard(notice.key)
        elif notice.kind is NoticeKind.CLEAR:
            self.tags.heard("*")
        else:
            self._noticed_key(notice)

    def _noticed_key(self, notice: Notice) -> None:
        self.stamps.seen(notice.stamp)
        self.void(notice.key)
        self._woke(notice.key)
        entry = self.memory.look(notice.key) if self.memory is not None else None
        if entry is None or entry.stamp >= notice.stamp:
            return
        if notice.kind is NoticeKind.REMOVE and self.memory is not None:
            self.memory.drop(notice.key)
        elif notice.kind is NoticeKind.EXPIRE:
            entry.fresh_until = self.now()
        else:
            entry.epoch = DIRTY

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
