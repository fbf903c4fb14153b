"""What a namespace does with its state in one process: stores, tells other nodes, and hears them."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from copy import copy

from perftui.instrument.cache.echoes import Mark
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.envelope import TOMBSTONE_S
from perftui.instrument.cache.l2 import L2, Kept, lives, waiting
from perftui.instrument.cache.ports import Notice, NoticeKind
from perftui.instrument.cache.resp import Full
from perftui.instrument.cache.state import DIRTY, State
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions, Skip

RECOVERED_FOR = 86400.0


class Core(State):
    """Stores, tells, and hears. It implements `Heard` of invalidation.py: what others do arrives here."""

    async def save(self, key: str, made: Entry, options: EntryOptions, *, fill: Mark | None = None) -> bool:
        """Store a new entry in all tiers, L2 first, and tell the other nodes; whether it is what L2 holds.

        Its lives are drawn here. `fill`: it was loaded under this mark, and gives way to anything later.
        Errors of L2 go to recovery, and to the caller where the options say so.
        """
        jitter = random.uniform(0, options.jitter) if options.jitter and options.ttl else 0.0  # noqa: S311
        l2 = self.l2 is not None and not options.skip & Skip.L2_WRITE
        first, second, kept, kept_there = lives(options, jitter, shared=l2)
        l1 = self.memory is not None and not options.skip & Skip.L1_WRITE and (first is None or first > 0)
        l2 = l2 and (second is None or second > 0)
        now = self.now()
        made.fresh_until = NEVER if first is None else now + first
        made.kept_until = made.fresh_until + kept
        made.ends = made.fresh_until if not l2 else NEVER if second is None else now + second
        data = self._sealed(made, second, kept_there, options) if l2 else None
        if not made.size:
            made.size = len(data) if data is not None else self.weighed(made.value)
        whole = None if second is None else second + kept_there
        taken = True
        if l2 and not options.l2_background:
            taken = await self._save_there(key, made, data, whole, options, fill)
        if l1 and taken and not (fill is not None and fill.void):
            self.keep(key, made)
            self.echoes.kept(key)
        if l2 and options.l2_background:
            self.spawn(self._save_behind(key, made, data, whole, options, fill))
        else:
            await self._saved(key, made, options, fill, taken=taken)
        return taken

    def _sealed(self, made: Entry, life: float | None, kept: float, options: EntryOptions) -> bytes | None:
        """Its envelope; None where it cannot be written, and the options want no error of that."""
        assert self.l2 is not None
        try:
            return self.l2.sealed(made, life, kept)
        except (TypeError, ValueError):
            self.counters.count("serialize.failed")
            if options.raise_serialization:
                raise
            return None

    async def _saved(
        self, key: str, made: Entry, options: EntryOptions, fill: Mark | None, *, taken: bool
    ) -> None:
        """Tell of it, once L2 has it."""
        if fill is None:
            self.void(key)
        if taken:
            await self.tell(NoticeKind.SET, key, made.stamp, options)

    async def _save_behind(
        self,
        key: str,
        made: Entry,
        data: bytes | None,
        whole: float | None,
        options: EntryOptions,
        fill: Mark | None,
    ) -> None:
        taken = await self._save_there(key, made, data, whole, options, fill)
        await self._saved(key, made, options, fill, taken=taken)

    async def _save_there(
        self,
        key: str,
        made: Entry,
        data: bytes | None,
        whole: float | None,
        options: EntryOptions,
        fill: Mark | None,
    ) -> bool:
        """Into L2; whether nothing later was there. An error means yes: L1 keeps it, recovery brings it.

        `data` None: it cannot be written. What L2 had before a `set` is old now, and goes.
        """
        l2 = self.l2
        if l2 is None:
            return True
        if data is None:
            error = (
                await self.end_there(NoticeKind.REMOVE, key, made.stamp, options) if fill is None else None
            )
            if error is not None and options.raise_l2:
                raise error
            return True
        began = self.now()
        try:
            if fill is None:
                taken = await l2.write(key, data, whole, if_newer=False, within=options.l2_hard)
            else:
                async with self.echoes.writing(key, made.stamp, fill):
                    taken = await l2.write(key, data, whole, if_newer=True, within=options.l2_hard)
        except BackendError as error:
            if not isinstance(error, Full):  # no room: it would be tried for nothing
                until = NEVER if whole is None else self.now() + whole
                self._later_write(key, made, data, until, options)
            if options.raise_l2:
                raise
            return True
        self.latencies.observe("l2.set", self.now() - began)
        return taken

    def _later_write(self, key: str, made: Entry, data: bytes, until: float, options: EntryOptions) -> None:
        async def again() -> bool:
            l2 = self.l2
            if l2 is None or not await self.tags.adopt(made.tags, within=1.0):
                return False
            left = None if until == NEVER else max(0.001, until - self.now())
            return await l2.write(key, data, left, if_newer=True, within=1.0)

        self.afterwards(
            NoticeKind.SET, key, made.stamp, again, options, min(until, self.now() + RECOVERED_FOR)
        )

    async def end_there(
        self, kind: NoticeKind, key: str, stamp: bytes, options: EntryOptions
    ) -> BackendError | None:
        """Remove or expire what L2 has of a key; why it could not be, in which case it is done later."""
        l2 = self.l2
        if l2 is None:
            return None

        async def end(within: float | None) -> bool:
            now = self.l2
            if now is None:
                return False
            if kind is NoticeKind.REMOVE:
                await now.bury(key, stamp, within)
            else:
                await now.expire(key, stamp, within, life=self._kept_here(key))
            return True

        try:
            await end(options.l2_hard)
        except BackendError as error:
            if not isinstance(error, Full):  # it is gone from a full one
                self.afterwards(kind, key, stamp, lambda: end(1.0), options)
            return error
        return None

    def _kept_here(self, key: str) -> float:
        """How long a tombstone that expires the key is there: until our stale value goes, a day at most."""
        had = self.memory.look(key) if self.memory is not None else None
        left = had.kept_until - self.now() if had is not None else 0.0
        return min(max(left, TOMBSTONE_S), RECOVERED_FOR)

    def afterwards(
        self,
        kind: NoticeKind,
        key: str,
        stamp: bytes,
        do: Callable[[], Awaitable[bool]],
        options: EntryOptions,
        until: float | None = None,
    ) -> None:
        """Do in L2 what it did not take, once it does; tell the other nodes then, where it was done.

        They were told when it happened: what they read from L2 since was older.
        """

        async def again() -> None:
            if await do():
                await self.tell(kind, key, stamp, options.but(raise_backplane=False))

        self.recovery.later(
            _what(kind), key, stamp, again, self.now() + RECOVERED_FOR if until is None else until, kind.value
        )

    def put_back(
        self, key: str, stale: Entry, options: EntryOptions, since: Mark, *, loading: bool = False
    ) -> None:
        """A stale value that had to be served counts as fresh for `throttle`, in both tiers.

        Not one whose key was changed after `since`; and a tag that changes later ends it as any other. Only
        in L1 while a load goes on (`loading`): a write to L2 would tell it that the key was changed.
        """
        if since.void:
            return
        now = self.now()
        again = copy(stale)
        again.fresh_until = again.ends = now + options.throttle
        again.kept_until = max(stale.kept_until, again.fresh_until)
        if since.ended.isdisjoint(name for name, _, _ in stale.tags):
            again.facts = (self.tags.renewed(stale.tags), *stale.facts[1:])
        if not options.skip & Skip.L1_WRITE:
            self.keep(key, again)
        l2 = self.l2 if not loading and not options.skip & Skip.L2_WRITE else None
        if l2 is not None and l2.breaker.state == "closed":
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
            held = self.recovery.held("entry", key) if len(self.recovery) else None
            if held is not None and held.stamp > found.entry.stamp:  # what L2 did not hear of yet
                if held.kind == NoticeKind.REMOVE:
                    return Kept.REMOVED, None
                found.entry.end(self.now())
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

            async def again() -> None:
                if not self.recovery.holds(_what(kind), key):  # else it is told once L2 has it
                    await backplane.publish(notice)

            self.notices.later(kind.value, key, stamp, again, self.now() + RECOVERED_FOR)
            if options.raise_backplane:
                raise

    # hearing others

    def dropped(self, key: str) -> None:
        """Somebody else changed this key."""
        self.counters.count("invalidated")
        ours = self.echoes.mark(key)
        for mark in self._marks.get(key, ()):
            if mark is not ours:
                mark.overtaken()
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
        self.covered = self.epoch + 1
        self.epoch = self.covered + 1  # so that what is read from now on is judged by its tags
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
            entry.end(self.now())
        else:
            entry.epoch = DIRTY


def _what(kind: NoticeKind) -> str:
    """The name under which recovery keeps what a notice of this kind tells of."""
    return "tag" if kind in {NoticeKind.TAG, NoticeKind.CLEAR} else "entry"
