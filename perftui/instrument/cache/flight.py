"""One load a key: who waits for it, how long, and what becomes of its result."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from perftui.analysis import xfetch
from perftui.instrument.cache.causes import ABSENT, cause
from perftui.instrument.cache.context import MISS, LoadContext, LoadFailed, LoadTimeout, takes_context
from perftui.instrument.cache.core import DIRTY, Core
from perftui.instrument.cache.echoes import Mark
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.l2 import Kept
from perftui.instrument.cache.ports import LoadLease, NoticeKind
from perftui.instrument.cache.waits import first, left, retrieved, waited
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions

Loader = Callable[..., Awaitable[Any]]
TURN = 60.0  # seconds a waiting process looks for another's value before it loads itself, whatever is said


class Flight:
    """A load that runs. Once `looked` is set, `stale` may be served instead; `why` nothing was fresh."""

    __slots__ = ("began", "eager", "future", "looked", "stale", "task", "waiters", "why")

    def __init__(self, *, eager: bool) -> None:
        self.eager = eager
        self.began = 0.0
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.future.add_done_callback(retrieved)
        self.looked = asyncio.Event()
        self.stale: Entry | None = None
        self.task: asyncio.Task[None] | None = None
        self.waiters, self.why = 0, ABSENT


class Flights:
    """The loads of one namespace."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.running: dict[str, Flight] = {}
        self.alone: list[tuple[str, Flight]] = []  # beside one that is too slow for a waiter
        self.watched: Callable[[str], AbstractContextManager[Any]] = nullcontext
        self.pending: Callable[[str], Any] = lambda _key: MISS  # what write-behind has not written yet

    # waiting

    async def get(
        self, key: str, loader: Loader, options: EntryOptions, tags: Iterable[str], default: Any = MISS
    ) -> Any:
        """The value: another's load if one runs, else one of our own."""
        flight = self.running.get(key)
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

    def start(
        self, key: str, loader: Loader, options: EntryOptions, tags: Iterable[str], *, eager: bool = False
    ) -> Flight:
        """Begin a load; nobody has to wait for it."""
        memory = self._core.memory
        flight = Flight(eager=eager)
        flight.stale = self._core.usable_stale(memory.look(key)) if memory is not None else None
        self.running[key], flight.began = flight, self._core.now()
        flight.task = self._core.spawn(self._fly(key, flight, loader, options, tuple(tags)))
        flight.task.add_done_callback(lambda _: self._over(key, flight))
        return flight

    def give_up(self, key: str, flight: Flight) -> None:
        """End a load, unless a caller waits for it by now."""
        if not flight.waiters:
            self.cancel(key, flight)

    def _over(self, key: str, flight: Flight) -> None:
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
                return flight.future.result()
            if flight.stale is not None and options.fail_safe:
                return self._instead(key, flight, options, "lock")
            return await self._alone(key, loader, options, tags, None if hard is None else left(hard, began))
        if await waited(flight.future, None if hard is None else left(hard, began)):
            if flight.stale is not None and options.fail_safe:
                return self._instead(key, flight, options, "hard")
            self._late(key, flight, options)
            if default is not MISS and options.fail_safe:
                return default
            raise LoadTimeout(f"{key!r} was not there within {hard:g} s")
        try:
            return flight.future.result()
        except LoadTimeout:
            raise
        except Exception:
            if default is not MISS and options.fail_safe:
                return default
            raise

    def _instead(self, key: str, flight: Flight, options: EntryOptions, why: str) -> Any:
        """The stale value, which counts as fresh for a while."""
        stale = flight.stale
        assert stale is not None
        self._late(key, flight, options)
        self._core.counters.count("stale")
        self._core.counters.count(f"stale.{why}")
        self._core.counters.event("stale", key)
        if not flight.future.done():
            self._core.put_back(key, stale, options)
        return stale.value

    def _late(self, key: str, flight: Flight, options: EntryOptions) -> None:
        if flight.future.done():
            return
        self._core.counters.count("load.timeout")
        self._core.counters.event("timeout", key)
        if not options.background and not flight.eager:
            self.cancel(key, flight)

    async def _alone(
        self, key: str, loader: Loader, options: EntryOptions, tags: Iterable[str], within: float | None
    ) -> Any:
        """A load beside the one that is too slow; its result is stored as any other."""
        own = Flight(eager=False)
        own.began = self._core.now()
        own.task = self._core.spawn(self._load(key, own, loader, options, tuple(tags)))
        own.task.add_done_callback(lambda _: self._over(key, own))
        self.alone.append((key, own))
        try:
            if await waited(own.future, within):
                raise LoadTimeout(f"{key!r} was not there within {options.hard_timeout:g} s")
            return own.future.result()
        finally:
            self.alone.remove((key, own))
            own.task.cancel()

    # loading

    async def _fly(
        self, key: str, flight: Flight, loader: Loader, options: EntryOptions, tags: tuple[str, ...]
    ) -> None:
        core = self._core
        had = core.memory.look(key) if core.memory is not None else None
        if await self._from_l2(key, flight, options, had):
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
        mark = core.mark(key)
        try:
            kept, found = await core.read_l2(key, options, flight.stale)
        except BackendError as error:
            flight.looked.set()
            flight.future.set_exception(error)
            return True
        finally:
            core.unmark(key, mark)
        gone = kept is Kept.REMOVED or (kept is Kept.ABSENT and had is not None and had.epoch == DIRTY)
        if gone and core.memory is not None:
            core.memory.drop(key)
            flight.stale = None
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
                core.keep(key, found)
            flight.looked.set()
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
        """The lease to load, or another's value: then it is over. L2 away: no lease, and we load."""
        core = self._core
        assert core.lock is not None
        limit = core.now() + (TURN if options.lock_timeout is None else options.lock_timeout)
        first = True
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
            if flight.eager:
                flight.future.set_result(flight.stale.value if flight.stale else None)
                return None, True
            if first:
                core.counters.count("coalesced.nodes")
            first = False
            if core.now() >= limit:
                return None, False
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
        core = self._core
        stale = flight.stale
        context = LoadContext(
            key,
            options,
            tags,
            MISS if stale is None else stale.value,
            "" if stale is None else stale.etag,
            0.0 if stale is None else stale.last_modified,
        )
        mark = core.mark(key)
        try:
            stamp = core.stamps.next()
            tokens = await core.tags.tokens(tags, within=options.l2_hard)
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
            core.counters.event("load", key)
            if context.tags != tags:
                tokens = await core.tags.tokens(context.tags, within=options.l2_hard)
            made = core.entry(value, context.options, tokens, stamp, context.ttl, 0.0)
            made.load_s = core.now() - began
            core.latencies.observe("load", made.load_s)
            made.size = context.size or 0
            made.etag, made.last_modified = context.etag, context.last_modified
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
                if await core.save(key, made, options, fill=mark):
                    await core.tell(NoticeKind.SET, key, made.stamp, options)
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
        if flight.eager or not options.fail_safe or flight.stale is None:
            flight.future.set_exception(error)
            return
        core.counters.count("stale")
        core.counters.count("stale.failed")
        core.counters.event("stale", key)
        core.put_back(key, flight.stale, options)
        flight.future.set_result(flight.stale.value)


def early(entry: Entry, now: float, options: EntryOptions) -> bool:
    """Whether a fresh hit should begin a load: past the eager point, or by XFetch's draw."""
    if entry.fresh_until == math.inf:
        return False
    if options.eager_at is not None and entry.fresh_until - now <= entry.ttl * (1 - options.eager_at):
        return True
    beta = options.early_beta
    if not beta or not entry.load_s:
        return False
    draw = random.random()  # noqa: S311 - a draw, not a secret
    return xfetch.early(entry.fresh_until - now, entry.load_s, beta, draw)
