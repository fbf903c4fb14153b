"""What a cache gives: from memory, from L2, or loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from perftui.analysis.s3fifo import USES
from perftui.instrument.cache.ahead import Got, cancelled, loaded, loading, present
from perftui.instrument.cache.causes import cause
from perftui.instrument.cache.context import MISS, LoadContext, LoadFailed, takes_context
from perftui.instrument.cache.core import Core
from perftui.instrument.cache.counters import Plugin
from perftui.instrument.cache.early import early
from perftui.instrument.cache.entry import Entry
from perftui.instrument.cache.l2 import Kept
from perftui.instrument.cache.memory import Memory
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.state import DIRTY
from perftui.instrument.cache.wiring import Wired
from perftui.model.tiers import EntryOptions, Skip

Loader = Callable[..., Awaitable[Any]]


class Reading(Wired):
    """The half of a cache that reads."""

    def _hasten(self) -> None:
        memory = self._core.memory
        if memory is not None and self.enabled and not self._copy and type(self).peek is Reading.peek:
            vars(self)["peek"] = _hitting(self._core, memory, partial(Reading.peek, self))

    def peek(self, key: str, default: Any = MISS) -> Any:
        """L1's fresh value, without waiting: `default` when there is none, or it is not known to be fresh."""
        core = self._core
        memory = core.memory
        if memory is not None and self.enabled:
            find, now = memory.find, core.now  # what a slot holds costs more when it is called as a method
            entry = find(key)
            if entry is None or entry.uses != USES or memory.asked:
                entry = memory.get(key)
            if (
                entry is not None
                and entry.fresh_until > now()
                and (entry.epoch == core.epoch or core.fresh(entry))
            ):
                core.counters.hits += 1
                return self._out(entry.value) if self._copy else entry.value
        core.counters.count("miss.l1")
        return default

    def on_event(self, plugin: Plugin) -> None:
        """Be told of events and their keys (`counters.Plugin` names them); one that raises is heard no more.

        A hit tells from now on; before, and where `peek` was taken from the cache earlier, it pays nothing.
        """
        self.counters.listen(plugin)
        core, event = self._core, self.counters.event
        vars(self)["peek"] = self._peek_and_tell
        core.recovery.told = core.notices.told = lambda key: event("recover", key)
        if core.memory is not None:
            core.memory.tell_evictions(lambda key: event("evict", key))

    def around_loads(self, watched: Callable[[str], AbstractContextManager[Any]] | None) -> None:
        """Have each load run inside what `watched(key)` gives; None: by itself again."""
        self._flights.watched = watched or nullcontext

    def _peek_and_tell(self, key: str, default: Any = MISS) -> Any:
        """`peek` once there are plugins: a hit without any pays nothing for them."""
        value = Reading.peek(self, key)
        if value is MISS:
            return default
        self.counters.event("hit", key)
        return value

    async def get(
        self, key: str, *, default: Any = MISS, allow_stale: bool = False, options: EntryOptions | None = None
    ) -> Any:
        """The fresh value of a key, from L1 or L2; else `default`; with `allow_stale` rather a stale one."""
        value = MISS if options is not None and options.skip & Skip.L1_READ else self.peek(key)
        if value is MISS:
            value = await self._get(key, default, options or self.defaults, allow_stale=allow_stale)
        if self._used is not None:
            self._lend(key, found=value is not default)
        return value

    def _lend(self, key: str, *, found: bool = True) -> None:
        """The page that is being made has this entry's tags, and lives no longer; not at all without L1's."""
        memory = self._core.memory
        entry = memory.look(key) if memory is not None else None
        if self._used is None:
            return
        if entry is None and found:
            self._used(self.name, key, (), 0.0)
        elif entry is not None:
            tags = [name for name, _, _ in entry.tags if name != EVERYTHING]
            self._used(self.name, key, tags, entry.ends - self._core.now(), entry.last_modified)

    async def _get(self, key: str, default: Any, options: EntryOptions, *, allow_stale: bool) -> Any:
        core = self._core
        if not self.enabled:
            return default
        had = core.memory.look(key) if core.memory is not None and not options.skip & Skip.L1_READ else None
        if had is not None and had.epoch != DIRTY and await core.settled(had, options.l2_hard):
            core.counters.count("hit.l1")
            core.counters.event("hit", key)
            return self._out(had.value)
        mark = core.mark(key)
        try:
            kept, found = await core.read_l2(key, options, core.usable_stale(had))
        finally:
            core.unmark(key, mark)
        if found is not None:
            found.epoch = core.covered
            if await core.settled(found, options.l2_hard):
                core.counters.count("hit.l2")
                core.counters.event("hit", key)
                if not mark.void:
                    core.fill(key, found, options)
                return self._out(found.value)
        elif had is not None and (kept is Kept.REMOVED or (kept is Kept.ABSENT and had.epoch == DIRTY)):
            self._forget(key)
            had = None
        core.counters.count("miss")
        core.counters.count(cause(core, kept, had, found))
        core.counters.event("miss", key)
        if allow_stale:
            olds = [old for old in (core.usable_stale(had), core.usable_stale(found)) if old is not None]
            if olds:
                core.counters.count("stale")
                core.counters.event("stale", key)
                return self._out(max(olds, key=lambda old: old.stamp).value)
        return default

    async def get_or_set(
        self,
        key: str,
        loader: Loader | None = None,
        *,
        ttl: float | str | object | None = MISS,
        tags: Iterable[str] = (),
        fail_safe_default: Any = MISS,
        options: EntryOptions | None = None,
    ) -> Any:
        """The value of a key; where it is not fresh the loader fetches it, once for all who ask.

        Without a loader the cache's source is asked. `ttl` None: it never expires; 0: it is not kept.

        Raises:
            LoadTimeout: nothing within the hard timeout, and nothing stale.
            Exception: what the loader raised, when there is nothing to serve instead.
        """
        chosen = options or self.defaults
        if ttl is not MISS:
            chosen = chosen.but(ttl=ttl)
        load = loader if loader is not None else self._from_source(key)
        if not self.enabled:
            return await self._load_only(key, load, chosen)
        core = self._core
        memory = core.memory
        entry = memory.get(key) if memory is not None and not chosen.skip & Skip.L1_READ else None
        if entry is not None and entry.epoch != DIRTY and await self._is_fresh(entry, chosen):
            counters = core.counters
            counters.hits += 1
            if counters.heard:
                counters.event("hit", key)
            if (chosen.eager_at or chosen.early_beta) and early(entry, core.now(), chosen):
                self._refresh_behind(key, load, chosen, tags)
            value = entry.value
        else:
            core.counters.count("miss.l1")
            value = await self._flights.get(key, load, chosen, tags, fail_safe_default)
        if self._used is not None:
            self._lend(key)
        return self._out(value)

    async def _is_fresh(self, entry: Entry, options: EntryOptions) -> bool:
        core = self._core
        if entry.epoch == core.epoch and entry.fresh_until > core.now():
            return True
        return await core.settled(entry, options.l2_hard)

    def _refresh_behind(self, key: str, load: Loader, options: EntryOptions, tags: Iterable[str]) -> None:
        if key not in self._flights.running and key not in self._flights.rests:
            self.counters.count("early")
            self._flights.start(key, load, options, tags, eager=True)

    async def _load_only(self, key: str, load: Loader, options: EntryOptions) -> Any:
        context = LoadContext(key, options, ())
        with self._flights.watched(key):
            value = await (load(context) if takes_context(load) else load())
            if context.failed:
                raise LoadFailed(f"{key!r}: {context.failed}")
        return value

    def _from_source(self, key: str) -> Loader:
        source = self.source
        if source is None:
            raise TypeError(f"{self.name}: get_or_set needs a loader, or the cache a source")

        async def load() -> Any:
            return _of(await _asked(source.load, (key,)), key)

        return load

    async def has(self, key: str) -> bool:
        """Whether there is a fresh value."""
        return await self.get(key) is not MISS

    async def has_many(self, keys: Iterable[str]) -> dict[str, bool]:
        """Whether there is a fresh value of each; L2 is asked for all together, in one packet a server."""
        wanted = tuple(dict.fromkeys(keys))
        found = await asyncio.gather(*(self.has(key) for key in wanted))
        return dict(zip(wanted, found, strict=True))

    async def get_many(self, keys: Sequence[str], *, options: EntryOptions | None = None) -> dict[str, Any]:
        """The fresh values of those that have one."""
        values = await asyncio.gather(*(self.get(key, options=options) for key in dict.fromkeys(keys)))
        return {key: v for key, v in zip(dict.fromkeys(keys), values, strict=True) if v is not MISS}

    async def get_or_set_many(
        self,
        keys: Sequence[str],
        loader: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]] | None = None,
        *,
        ttl: float | str | object | None = MISS,
        tags: Iterable[str] = (),
        options: EntryOptions | None = None,
    ) -> dict[str, Any]:
        """Values of all keys the loader knows; it is called once for those that are missing."""
        load_many = loader or (self.source.load if self.source is not None else None)
        if load_many is None:
            raise TypeError(f"{self.name}: get_or_set_many needs a loader, or the cache a source")
        batch = _Batch(load_many)

        async def one(key: str) -> Any:
            return await self.get_or_set(key, batch.of(key), ttl=ttl, tags=tags, options=options)

        wanted = list(dict.fromkeys(keys))
        found = await asyncio.gather(*(one(key) for key in wanted), return_exceptions=True)
        for value in found:
            if isinstance(value, BaseException) and not isinstance(value, _Unknown):
                raise value
        return {k: v for k, v in zip(wanted, found, strict=True) if not isinstance(v, _Unknown)}

    async def refresh(self, key: str) -> bool:
        """Load a key from the source now, whether it is fresh or not."""
        how = self.defaults.but(skip=Skip.L1_READ | Skip.L2_READ, fail_safe=False)
        await self._flights.get(key, self._from_source(key), how, ())
        return True

    async def fill(self, key: str) -> Got:
        """Bring the fresh value L2 has to L1, where there is one; it counts as no hit, miss or use."""
        return await present(self._core, key, self.defaults)

    async def load_ahead(
        self,
        key: str,
        loader: Loader | None = None,
        *,
        tags: Iterable[str] = (),
        options: EntryOptions | None = None,
        within: float | None = None,
    ) -> Got:
        """Load a key before it is asked for, from the source or `loader`; an error is in the answer.

        What L2 has that is newer than L1's is taken in place of a load. Callers who miss the key meanwhile
        wait for this load; after `within` seconds it is given up, unless some do.
        """
        load = loader if loader is not None else self._from_source(key)
        return await loaded(self._flights, key, load, options or self.defaults, tags, within)

    def loads(self) -> dict[str, float]:
        """The keys that are being loaded right now, and for how many seconds; the oldest first."""
        return loading(self._flights, self._core.now())

    def cancel_load(self, key: str) -> bool:
        """End a load that takes too long; whether there was one.

        Who waits for it gets the stale value where there is one, else `LoadTimeout`.
        """
        return cancelled(self._flights, key)

    def remaining(self, key: str) -> tuple[float, float] | None:
        """Seconds a key of L1 is still fresh, and its whole ttl."""
        entry = self._core.memory.look(key) if self._core.memory is not None else None
        return None if entry is None else (entry.fresh_until - self._core.now(), entry.ttl)


class _Batch:
    """Loads, in one call, all keys that ask within one turn of the loop."""

    def __init__(self, load: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]) -> None:
        self._load = load
        self._keys: list[str] = []
        self._answer: asyncio.Task[Mapping[str, Any]] | None = None

    def of(self, key: str) -> Loader:
        """The loader of one key."""

        async def load() -> Any:
            self._keys.append(key)
            if self._answer is None:
                self._answer = asyncio.ensure_future(self._once())
            return _of(await asyncio.shield(self._answer), key)

        return load

    async def _once(self) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        keys, self._keys, self._answer = self._keys, [], None
        return await _asked(self._load, keys)


class _Unknown(KeyError):
    """What was asked answered without this key: any other KeyError is the loader's own."""


async def _asked(
    load: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]], keys: Sequence[str]
) -> Mapping[str, Any]:
    """What it answers; a key that it missed in another cache is an error of its own."""
    try:
        return await load(keys)
    except _Unknown as error:
        raise KeyError(*error.args) from error


def _of(found: Mapping[str, Any], key: str) -> Any:
    if key not in found:
        raise _Unknown(key)
    return found[key]


def _hitting(core: Core, memory: Memory, slow: Callable[..., Any]) -> Callable[..., Any]:
    """`peek` where L1 is the cache's own: a closure, for every attribute looked up costs a hit; else `slow`.

    An L1 that a console takes away rests, which `asked` tells.
    """
    held, now, counters = memory.held, core.now, core.counters

    def peek(key: str, default: Any = MISS) -> Any:
        try:
            entry = held[key]
        except KeyError:
            return slow(key, default)
        if (
            entry.uses == USES
            and entry.epoch == core.epoch
            and entry.fresh_until > now()
            and not memory.asked
        ):
            counters.hits += 1
            return entry.value
        return slow(key, default)

    return peek
