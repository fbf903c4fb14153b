"""What is told to a cache: values, removals, and writes that go to the database too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from perftui.instrument.cache.arriving import arrive
from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.core import RECOVERED_FOR
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.ports import Notice, NoticeKind, Write
from perftui.instrument.cache.wiring import Wired
from perftui.model.errors import BackendError
from perftui.model.tiers import EntryOptions, Skip

T = TypeVar("T")


class Writing(Wired):
    """The half of a cache that writes."""

    async def set(
        self,
        key: str,
        value: Any,
        *,
        ttl: float | str | object | None = MISS,
        tags: Iterable[str] = (),
        options: EntryOptions | None = None,
    ) -> None:
        """Store a value; `ttl` 0 or less stores nothing."""
        chosen = options or self.defaults
        if ttl is not MISS:
            chosen = chosen.but(ttl=ttl)
        if not self.enabled or (chosen.ttl is not None and chosen.ttl <= 0):
            return
        core = self._core
        core.void(key)
        stamp = core.stamps.next()
        tokens = await core.tags.tokens(tags, within=chosen.l2_hard)
        made = core.entry(value, chosen, tokens, stamp, chosen.ttl, 0.0)
        core.counters.count("set")
        await self._across(core.save(key, made, chosen), NoticeKind.SET, (key,), stamp, chosen)
        core.counters.event("set", key)

    async def set_many(self, values: Mapping[str, Any], **how: Any) -> None:
        """Store all."""
        await asyncio.gather(*(self.set(key, value, **how) for key, value in values.items()))

    async def remove(self, key: str, *, options: EntryOptions | None = None) -> None:
        """Let a key be gone everywhere, also for fail-safe."""
        await self._end(key, options or self.defaults, NoticeKind.REMOVE)

    async def remove_many(self, keys: Iterable[str], *, options: EntryOptions | None = None) -> None:
        """Let all be gone."""
        await asyncio.gather(*(self.remove(key, options=options) for key in keys))

    async def expire(self, key: str, *, options: EntryOptions | None = None) -> None:
        """Let a key be stale from now on: loaded at the next call, served if that fails."""
        await self._end(key, options or self.defaults, NoticeKind.EXPIRE)

    async def expire_many(self, keys: Iterable[str], *, options: EntryOptions | None = None) -> None:
        """Let all be stale."""
        await asyncio.gather(*(self.expire(key, options=options) for key in keys))

    async def pull(self, key: str, *, default: Any = MISS, options: EntryOptions | None = None) -> Any:
        """Read and remove: of all who pull a key at once, one gets its value.

        While L2 does not answer nobody gets it, so that nobody gets it twice: `default`, or with `raise_l2`
        its error.
        """
        chosen, core = options or self.defaults, self._core
        if not self.enabled:
            return default
        core.void(key)
        stamp = core.stamps.next()
        found, l2 = self._forget(key), core.l2
        if l2 is not None and not chosen.skip & Skip.L2_WRITE:
            pulled = l2.pull(key, stamp, chosen.l2_hard)
            try:
                answer = await self._across(pulled, NoticeKind.REMOVE, (key,), stamp, chosen)
            except BackendError:
                if chosen.raise_l2:
                    raise
                return default
            found = answer.entry
            if found is not None:
                found.epoch = core.covered
        core.void(key)
        self._removed(key)
        await core.tell(NoticeKind.REMOVE, key, stamp, chosen)
        await self._purge(keys=(key,))
        there = found is not None and await core.settled(found, chosen.l2_hard)
        return self._out(found.value) if found is not None and there else default

    async def pull_many(self, keys: Iterable[str], *, options: EntryOptions | None = None) -> dict[str, Any]:
        """Read and remove; the values of those that had one."""
        wanted = tuple(dict.fromkeys(keys))
        values = await asyncio.gather(*(self.pull(key, options=options) for key in wanted))
        return {key: value for key, value in zip(wanted, values, strict=True) if value is not MISS}

    def _removed(self, key: str) -> None:
        self._core.counters.count(NoticeKind.REMOVE.value)
        self._core.counters.event("remove", key)

    async def _end(self, key: str, options: EntryOptions, kind: NoticeKind) -> None:
        if not self.enabled:
            return
        core, l2 = self._core, self._core.l2
        core.void(key)
        stamp = core.stamps.next()
        if kind is NoticeKind.REMOVE:
            self._forget(key)
            self._removed(key)
        else:
            had = core.memory.look(key) if core.memory is not None else None
            if had is not None:
                had.end(core.now())
            core.counters.count(kind.value)
        failed: BackendError | None = None
        if l2 is not None and not options.skip & Skip.L2_WRITE:
            work = core.end_there(kind, key, stamp, options)
            failed = await self._across(work, kind, (key,), stamp, options)
        core.void(key)
        await core.tell(kind, key, stamp, options)
        await self._purge(keys=(key,))
        if failed is not None and options.raise_l2:
            raise failed

    async def remove_by_tag(
        self, *tags: str, mode: str = "expire", options: EntryOptions | None = None
    ) -> None:
        """Make every entry with one of these tags stale ("expire") or gone ("remove"), in O(1)."""
        if not self.enabled or not tags:
            return
        if mode not in {"expire", "remove"}:
            raise ValueError(f'mode is "expire" or "remove", not {mode!r}')
        chosen, core, remove = options or self.defaults, self._core, mode == "remove"
        stamp = core.stamps.next()
        core.counters.count("tag")
        failed: BackendError | None = None
        try:
            bumped = core.tags.bump(tags, remove=remove, within=chosen.l2_hard)
            await self._across(bumped, NoticeKind.TAG, tags, stamp, chosen, gone=remove)
        except BackendError as error:
            failed = error
            for tag in tags:
                core.afterwards(_kind(tag), tag, stamp, self._bumped(tag, remove=remove), chosen)
        for tag in tags:
            await core.tell(_kind(tag), tag, stamp, chosen)
        await self._purge(tags=tags)
        if failed is not None and chosen.raise_l2:
            raise failed

    def _bumped(self, tag: str, *, remove: bool) -> Callable[[], Awaitable[bool]]:
        async def bump() -> bool:
            await self._core.tags.bump((tag,), remove=remove, within=1.0)
            return True

        return bump

    async def clear(self, *, keep_stale: bool = False, options: EntryOptions | None = None) -> None:
        """Let every entry of this namespace be gone, or stale with `keep_stale`."""
        if not keep_stale and self._core.memory is not None:
            self._core.memory.clear()
        await self.remove_by_tag(EVERYTHING, mode="expire" if keep_stale else "remove", options=options)

    async def write(
        self, key: str, value: Any, *, how: str = "through", tags: Iterable[str] = (), **more: Any
    ) -> None:
        """Write to the database and the cache; None removes.

        "through": the database first; if it fails nothing is cached and its error is raised; if the cache
        fails afterwards the call succeeds, whatever its options raise, and recovery brings it. "around": the
        database, and the key is removed from the cache. "behind": the cache's `writes` acknowledges it, the
        database follows. All of them keep the order of a key's writes.
        """
        if how not in {"through", "around", "behind"}:
            raise ValueError(f'how is "through", "around" or "behind", not {how!r}')
        chosen = more.pop("options", None) or self.defaults
        options = chosen.but(raise_l2=False, raise_backplane=False, raise_serialization=False)
        if how == "behind":
            await self._write_behind(key, value)
        else:
            await self._write_now(key, value)
            self._core.void(key)
        if how == "around" or value is None:
            await self.remove(key, options=options)
        else:
            await self.set(key, value, tags=tags, options=options, **more)

    async def _write_now(self, key: str, value: Any) -> None:
        """To the database, after what waits of the key."""
        if self.writes is not None:
            await self.writes.through(key, value)
        elif self.writer is not None:
            await self.writer.write((Write(key, value, int.from_bytes(self._core.stamps.next()[:8])),))
        else:
            raise TypeError(f"{self.name}: write needs a writer")

    async def _write_behind(self, key: str, value: Any) -> None:
        if self.writes is None:
            raise TypeError(f"{self.name}: writing behind needs writes=WriteBehind(...)")
        if value is None:
            await self.writes.remove(key)
        else:
            await self.writes.put(key, value)

    async def arrived(self, notice: Notice, *, gone: bool, now: float, data: bytes | None = None) -> bool:
        """Do here what was done in another region; it is not told there. `arriving` says what the words mean.

        Raises:
            BackendError: L2 did not take it.
        """
        taken = await arrive(self._core, notice, gone=gone, data=data, now=now)
        if notice.kind in {NoticeKind.TAG, NoticeKind.CLEAR}:
            await self._purge(tags=(notice.key,))
        elif notice.kind is not NoticeKind.SET:
            await self._purge(keys=(notice.key,))
        return taken

    def later(self, what: str, key: str, stamp: bytes, do: Callable[[], Awaitable[None]]) -> None:
        """Do it once L2 answers, a day long; one thing for each `what` and key, the latest."""
        self._core.notices.later(what, key, stamp, do, self._core.now() + RECOVERED_FOR)

    async def _across(
        self,
        work: Awaitable[T],
        kind: NoticeKind,
        keys: Sequence[str],
        stamp: bytes,
        options: EntryOptions,
        *,
        gone: bool = False,
    ) -> T:
        """Do it here, and in the same turn of the loop tell the other regions: one packet has both."""
        relaying, l2 = self.relaying, self._core.l2
        if relaying is None or not options.notify:
            return await work
        within = options.l2_hard if l2 is not None and l2.breaker.state == "closed" else 0.0
        told = relaying.tell(kind, keys, stamp, gone=gone, within=within)
        if options.l2_background:
            self._core.spawn(told)
            return await work
        done, _ = await asyncio.gather(work, told)
        return done

    async def _purge(self, *, keys: Sequence[str] = (), tags: Sequence[str] = ()) -> None:
        """What the edge holds goes too; an edge that does not take it is told later."""
        edge, core = self.edge, self._core
        if edge is None:
            return
        whole = EVERYTHING in tags
        how = {"everything": True} if whole else {"keys": keys, "tags": tags}
        try:
            await edge.purge(**how)
        except BackendError:
            core.counters.count("edge.failed")
            name = "\0".join((*keys, *tags))
            core.notices.later(
                "edge", name, core.stamps.next(), _again(edge.purge, **how), core.now() + 86400
            )


def _kind(tag: str) -> NoticeKind:
    return NoticeKind.CLEAR if tag == EVERYTHING else NoticeKind.TAG


def _again(work: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Callable[[], Awaitable[None]]:
    """The same once more."""

    async def again() -> None:
        await work(*args, **named)

    return again
