"""One load a key: who waits for it, how long, and what becomes of its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from perftui.instrument.cache.causes import cause
from perftui.instrument.cache.context import MISS, LoadContext, LoadFailed, LoadTimeout, takes_context
from perftui.instrument.cache.core import Core
from perftui.instrument.cache.early import Rests, early
from perftui.instrument.cache.echoes import Mark
from perftui.instrument.cache.entry import LARGEST, Entry
from perftui.instrument.cache.inflight import Flight
from perftui.instrument.cache.l2 import Kept
from perftui.instrument.cache.ports import LoadLease
from perftui.instrument.cache.state import DIRTY
from perftui.instrument.cache.waits import first, left, outcome, waited
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions

Loader = Callable[..., Awaitable[Any]]
TURN = 60.0  # seconds a waiting process looks for another's value before it loads itself, whatever is said


class Flights:
    """The loads of one namespace."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.running: dict[str, Flight] = {}
        self.alone: list[tuple[str, Flight]] = []  # beside another of the key: too slow, or overtaken
        self.rests = Rests(core.now)
        self.watched: Callable[[str], AbstractContextManager[Any]] = nullcontext
        self.pending: Callable[[str], Any] = lambda _key: MISS  # what write-behind has not written yet

    # waiting

    async def get(
        self, key: str, loader: Loader, options: EntryOptions, tags: Iterable[str], default: Any = MISS
    ) -> Any:
        """The value: another's load if one runs, else one of our own."""
        flight = self.running.get(key)
        if flight is not None and self._passed(key, flight):
            self._beside(key, flight)
            flight = None
        joined = flight is not None
        if flight is None:
            flight = self.start(key, loader, options, tags)
        else:
            self._core.counters.count("coalesced")
        flight.waiters += 1
        try:
            return await self._wait(key, flight, loader, options, tags, default, joined=joined)
        except asyncio.CancelledError:
            if flight.waiters == 1 and not flight.eager and not options.background:
                self.cancel(key, flight)
            raise
        finally:
            flight.waiters -= 1

    def _passed(self, key: str, flight: Flight) -> bool:
        """Whether the key or one of its tags was changed since: what comes is for who waited before.

        Two loads of a key run at most: one that is changed again and again is waited for as it is.
        """
        changed = flight.mark is not None and flight.mark.passed
        return changed and all(name != key for name, _ in self.alone)

    def _beside(self, key: str, flight: Flight) -> None:
        """It runs beside another load of its key."""
        self.alone.append((key, flight))
        if flight.task is not None:
            flight.task.add_done_callback(lambda _: self.alone.remove((key, flight)))

    def start(
        self,
        key: str,
        loader: Loader,
        options: EntryOptions,
        tags: Iterable[str],
        *,
        eager: bool = False,
        seen: Entry | None = None,
    ) -> Flight:
        """Begin a load; nobody has to wait for it."""
        memory = self._core.memory
        flight = Flight(eager=eager)
        flight.seen, flight.since = seen, self._core.mark(key)
        flight.stale = self._core.usable_stale(memory.look(key) if memory is not None else seen)
        self.running[key], flight.began = flight, self._core.now()
        flight.task = self._core.spawn(self._fly(key, flight, loader, options, tuple(tags)))
        flight.task.add_done_callback(lambda _: self._over(key, flight))
        return flight

    def give_up(self, key: str, flight: Flight) -> None:
        """End a load, unless a caller waits for it by now."""
        if not flight.waiters:
            self.cancel(key, flight)

    def _over(self, key: str, flight: Flight) -> None:
        self._core.unmark(key, flight.since)
        if self.running.get(key) is flight:
            del self.running[key]
        if not flight.future.done():
            flight.future.set_exception(LoadTimeout(f"the load of {key!r} was given up"))

    def cancel(self, key: str, flight: Flight) -> None:
        """End a load; who waits gets LoadTimeout."""
        if self.running.get(key) is flight:
            del self.running[key]
        if flight.task is not None:
            flight.task.cancel()

    async def _wait(
        self,
        key: str,
        flight: Flight,
        loader: Loader,
        options: EntryOptions,
        tags: Iterable[str],
        default: Any,
        *,
        joined: bool,
    ) -> Any:
        soft = options.soft_timeout if options.fail_safe else None
        hard = options.hard_timeout
        lock = options.lock_timeout if joined else None
        began = asyncio.get_running_loop().time()
        if soft is not None:
            if flight.stale is None and not flight.looked.is_set():
                await first(flight.future, flight.looked, hard)
            if flight.stale is not None and await waited(flight.future, left(soft, began)):
                return self._instead(key, flight, options, "soft")
        if lock is not None and (hard is None or lock < hard):
            if not await waited(flight.future, left(lock, began)):
                return outcome(flight.future, options, default)
            if flight.stale is not None and options.fail_safe:
                return self._instead(key, flight, options, "lock")
            within = None if hard is None else left(hard, began)
            return await self._alone(key, loader, options, tags, default, within)
        if await waited(flight.future, None if hard is None else left(hard, began)):
            if flight.stale is not None and options.fail_safe:
                return self._instead(key, flight, options, "hard")
            self._late(key, flight, options)
            if default is not MISS and options.fail_safe:
                return default
            raise LoadTimeout(f"{key!r} was not there within {hard:g} s")
        return outcome(flight.future, options, default)

    def _instead(self, key: str, flight: Flight, options: EntryOptions, why: str) -> Any:
        """The stale value, for a load that goes on, or is ended here."""
        self._late(key, flight, options)
        return self._served(key, flight, options, why, loading=options.background or flight.eager)

    def _served(self, key: str, flight: Flight, options: EntryOptions, why: str, *, loading: bool) -> Any:
        """The stale value, which counts as fresh for a while."""
        stale, core = flight.stale, self._core
        assert stale is not None
        core.counters.count("stale")
        core.counters.count(f"stale.{why}")
        core.counters.event("stale", key)
        if not flight.future.done():
            core.put_back(key, stale, options, flight.since, loading=loading)
        return stale.value

    def _late(self, key: str, flight: Flight, options: EntryOptions) -> None:
        if flight.future.done():
            return
        self._core.counters.count("load.timeout")
        self._core.counters.event("timeout", key)
        if not options.background and not flight.eager:
            self.cancel(key, flight)

    async def _alone(
        self,
        key: str,
        loader: Loader,
        options: EntryOptions,
        tags: Iterable[str],
        default: Any,
        within: float | None,
    ) -> Any:
        """A load beside the one that is too slow; its result is stored as any other."""
        own = Flight(eager=False)
        own.began = self._core.now()
        own.task = self._core.spawn(self._load(key, own, loader, options, tuple(tags)))
        own.task.add_done_callback(lambda _: self._over(key, own))
        self._beside(key, own)
        try:
            if not await waited(own.future, within):
                return outcome(own.future, options, default)
        except asyncio.CancelledError:
            if not options.background:
                own.task.cancel()
            raise
        self._late(key, own, options)
        if default is not MISS and options.fail_safe:
            return default
        raise LoadTimeout(f"{key!r} was not there within {options.hard_timeout:g} s")

    # loading

    async def _fly(
        self, key: str, flight: Flight, loader: Loader, options: EntryOptions, tags: tuple[str, ...]
    ) -> None:
        core = self._core
        had = core.memory.look(key) if core.memory is not None else flight.seen
        if await self._from_l2(key, flight, options, had):
            seen = flight.seen
            due = seen is not None and not flight.eager and early(seen, core.now(), options)
            if due and key not in self.rests:
                core.counters.count("early")
                self.start(key, loader, options, tags, eager=True, seen=seen)
            return
        flight.looked.set()
        if not flight.eager:
            core.counters.count("miss")
            core.counters.count(flight.why)
            core.counters.event("miss", key)
        waiting = self.pending(key)
        if waiting is not MISS:
            flight.future.set_result(waiting)
            return
        lease: LoadLease | None = None
        if options.shared_flight and core.lock is not None:
            lease, over = await self._turn(key, flight, options, had)
            if over:
                return
        try:
            await self._load(key, flight, loader, options, tags, lease)
        finally:
            if lease is not None:
                await lease.release()

    async def _from_l2(self, key: str, flight: Flight, options: EntryOptions, had: Entry | None) -> bool:
        """Whether L2 had a fresh value; a stale one is noted, as is that there is none."""
        core = self._core
        mark = flight.mark = core.mark(key)
        try:
            kept, found = await core.read_l2(key, options, flight.stale)
        except BackendError as error:
            flight.looked.set()
            flight.future.set_exception(error)
            return True
        finally:
            core.unmark(key, mark)
            flight.mark = None
        gone = kept is Kept.REMOVED or (kept is Kept.ABSENT and had is not None and had.epoch == DIRTY)
        if gone:
            flight.stale = None
            if core.memory is not None:
                core.memory.drop(key)
        if found is None:
            flight.why = cause(core, kept, had, None)
            return False
        found.epoch = core.covered
        if await core.settled(found, options.l2_hard) and not (
            flight.eager and had is not None and found.stamp <= had.stamp
        ):
            core.counters.count("early.l2" if flight.eager else "hit.l2")
            if not flight.eager:
                core.counters.event("hit", key)
            if not mark.void:
                core.fill(key, found, options)
            flight.looked.set()
            flight.seen = found if core.memory is None else None
            flight.future.set_result(found.value)
            return True
        usable = core.usable_stale(found)
        if usable is not None and (flight.stale is None or usable.stamp >= flight.stale.stamp):
            flight.stale = usable
        flight.why = cause(core, kept, had, found)
        return False

    async def _turn(
        self, key: str, flight: Flight, options: EntryOptions, had: Entry | None
    ) -> tuple[LoadLease | None, bool]:
        """The lease to load; True where another's value, or a stale one, has come. L2 away: we load."""
        core = self._core
        assert core.lock is not None
        limit, first = core.now() + (TURN if options.lock_timeout is None else options.lock_timeout), True
        while True:
            try:
                lease = await core.lock.acquire(key, options.lease, within=options.l2_hard)
            except BackendError:
                core.counters.count("lease.failed")
                return None, False
            if lease is not None:
                # Whoever had the lease before may have stored the value after we looked.
                if not await self._from_l2(key, flight, options, had):
                    return lease, False
                await lease.release()
                return None, True
            if flight.eager and not flight.waiters:
                if self.running.get(key) is flight:
                    del self.running[key]  # whoever comes now waits for a load of their own
                flight.future.set_result(flight.stale.value if flight.stale else None)
                return None, True
            if first:
                core.counters.count("coalesced.nodes")
            first = False
            if core.now() >= limit:
                stale = flight.stale is not None and options.fail_safe and options.lock_timeout is not None
                if stale:
                    flight.future.set_result(self._served(key, flight, options, "lock", loading=True))
                return None, stale
            await core.lock.released(key, max(0.001, limit - core.now()))
            if await self._from_l2(key, flight, options, had):
                return None, True

    async def _load(
        self,
        key: str,
        flight: Flight,
        loader: Loader,
        options: EntryOptions,
        tags: tuple[str, ...],
        lease: LoadLease | None = None,
    ) -> None:
        core, stale = self._core, flight.stale
        context = LoadContext(
            key,
            options,
            tags,
            MISS if stale is None else stale.value,
            "" if stale is None else stale.etag,
            0.0 if stale is None else stale.last_modified,
        )
        mark = flight.mark = core.mark(key)
        if lease is not None:  # who asks after a change need not wait for this load
            mark.told = lambda: core.spawn(lease.release())
        try:
            stamp = core.stamps.next()
            tokens = mark.tags = await core.tags.tokens(tags, within=options.l2_hard)
            began = core.now()
            core.counters.count("load")
            try:
                with self.watched(key):
                    value = await (loader(context) if takes_context(loader) else loader())
                    if context.failed:
                        raise LoadFailed(f"{key!r}: {context.failed}")  # noqa: TRY301 - one way out for both
            except Exception as error:  # noqa: BLE001 - whatever a loader raises is its caller's
                self._failed(key, flight, context.options, error)
                return
            core.counters.count("load.ok")
            self.rests.end(key)
            core.counters.event("load", key)
            if context.tags != tags:
                tokens = await core.tags.tokens(context.tags, before=tokens, within=options.l2_hard)
                mark.void = mark.void or not mark.ended.isdisjoint(set(context.tags).difference(tags))
            made = core.entry(value, context.options, tokens, stamp, context.ttl, 0.0)
            took = core.now() - began
            core.latencies.observe("load", took)
            made.loaded(took, context.etag, context.last_modified)
            made.size = min(max(0, int(context.size or 0)), LARGEST)
            await self._store(key, flight, made, context, mark, lease)
        finally:
            core.unmark(key, mark)

    async def _store(
        self,
        key: str,
        flight: Flight,
        made: Entry,
        context: LoadContext,
        mark: Mark,
        lease: LoadLease | None,
    ) -> None:
        """Keep what was loaded, unless something happened to the key since, and give it to those who wait."""
        core, options = self._core, context.options
        lost = lease is not None and not lease.held
        dead = options.ttl is not None and options.ttl <= 0
        try:
            if not (mark.void or lost or dead):
                await core.save(key, made, options, fill=mark)
            elif not dead:
                core.counters.count("load.void")
        except (BackendError, TypeError, ValueError) as error:
            if not flight.future.done():
                flight.future.set_exception(error)
            return
        if not flight.future.done():
            flight.future.set_result(made.value)

    def _failed(self, key: str, flight: Flight, options: EntryOptions, error: Exception) -> None:
        core = self._core
        core.counters.count("load.failed")
        core.counters.event("load_failed", key)
        if flight.future.done():
            return
        unseen = flight.eager and not flight.waiters  # the entry stays as it was
        if flight.eager:
            self.rests.begin(key, options.throttle)
        if unseen or not options.fail_safe or flight.stale is None:
            flight.future.set_exception(error)
            return
        flight.future.set_result(self._served(key, flight, options, "failed", loading=False))
