"""Loading the keys that are asked for most before they expire, as far as their source has room for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from perftui.instrument.cache.ahead import Had
from perftui.instrument.cache.allowance import Allowance
from perftui.instrument.cache.context import LoadContext
from perftui.instrument.cache.entry import NEVER, Entry
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.hot import Asked, Hot
from perftui.instrument.cache.names import EVERYTHING
from perftui.instrument.cache.ports import Figures
from perftui.instrument.cache.sourcehealth import Judged, SourceHealth
from perftui.instrument.cache.state import DIRTY
from perftui.model.tiers import EntryOptions

TICK: Final = 0.25  # seconds between two looks at the hot keys
RANK_EVERY: Final = 5.0
USES: Final = 1.0  # times a value must be asked for in its life to be worth a load
REST, STRANGER = 30.0, 600.0  # seconds a key is left alone that failed, and one the source does not know


class Refreshing:
    """Refreshes the keys `hot` names, from now on, until the cache closes.

    Args:
        cache: has a source, or `loader` is given.
        hot: counts what is asked for.
        loader: for all keys; it is given `ctx`, with `ctx.key`. None: the cache's source.
        budget: loads a second.
        ahead: share of a ttl before its end, in the second half of which each value draws when it is loaded,
            so that those stored together are not loaded together.
        at_once: loads that run at a time.
        p95, errors: no load begins while the p95 of the source's calls passes so many seconds, or the ratio
            of those that fail so much (sourcehealth); it goes on by itself, with one load a second at first.
        within: seconds one load may take.

    Never the loader of a `get_or_set`: that may hold the connection, the deadline or the user of the request
    it was made for. So a key must be one that the source knows; one that it does not is left alone for ten
    minutes. The new value keeps the old one's tags and ttl, and is kept for fail-safe if that was. Over all
    nodes one load is made: L2's newer value is taken in its place. A key that would not be asked for once in
    its life is let go.

    Raises:
        ValueError: there is nothing to load with, or a figure is out of range.
    """

    def __init__(
        self,
        cache: Cache,
        hot: Hot,
        *,
        loader: Callable[[LoadContext], Awaitable[Any]] | None = None,
        budget: float = 20.0,
        ahead: float = 0.2,
        at_once: int = 8,
        p95: float = 1.0,
        errors: float = 0.1,
        within: float = 30.0,
    ) -> None:
        source, memory = cache.source, cache.memory
        if memory is None or (loader is None and source is None):
            raise ValueError(f"{cache.name}: refreshing needs an L1, and a loader or the cache's source")
        if budget <= 0 or not 0 < ahead < 1 or at_once < 1:
            raise ValueError("a budget is above 0 loads a second, ahead a share between 0 and 1")
        self._cache, self._memory, self._hot = cache, memory, hot
        self._loader = loader
        self._ahead, self._at_once, self._within = ahead, at_once, within
        self._clock = cache.clock.monotonic
        self._health = SourceHealth(self._clock, p95=p95, errors=errors)
        if source is not None:
            cache.source = Judged(source, self._health)
        self._ranked: list[Asked] = []
        self._ranked_at = float("-inf")
        self._allowance = Allowance(self._clock, self._health, budget, TICK)
        self._resting: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._waiting = 0
        self._counts = {"loaded": 0, "filled": 0, "failed": 0}
        self._task = asyncio.create_task(self._run(), name=f"cache refresh {cache.name}")
        cache.beside(self)

    @property
    def paused(self) -> bool:
        """Whether the source is slow or failing."""
        return self._allowance.ill

    async def close(self) -> None:
        """Refresh no more; twice is harmless."""
        tasks = [self._task, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if isinstance(self._cache.source, Judged):
            self._cache.source = self._cache.source.source

    def figures(self) -> Figures:
        """`refresh.loaded filled failed`; `waiting`: keys whose time came and for which there was no room."""
        counts = {f"refresh.{what}": n for what, n in self._counts.items()}
        return Figures(
            counts, {"refresh.waiting": float(self._waiting), "refresh.paused": float(self.paused)}
        )

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.look()

    def look(self) -> None:
        """Begin the loads whose time has come, the most frequent keys first."""
        now = self._clock()
        if now - self._ranked_at >= RANK_EVERY:
            self._ranked, self._ranked_at = self._hot.top(), now
            self._resting = {key: until for key, until in self._resting.items() if until > now}
        due = [asked.key for asked in self._ranked if self._due(asked, now)]
        room = min(self._allowance.room(), self._at_once - len(self._running))
        for key in due[: max(0, room)]:
            entry = self._memory.look(key)
            if entry is not None:
                self._allowance.take()
                task = asyncio.create_task(self._refresh(key, entry), name="cache refresh")
                self._running[key] = task
                task.add_done_callback(partial(self._over, key))
        self._waiting = max(0, len(due) - max(0, room))

    def _over(self, key: str, _: asyncio.Task[None]) -> None:
        self._running.pop(key)

    def _due(self, asked: Asked, now: float) -> bool:
        entry = self._memory.look(asked.key)
        if entry is None or entry.epoch == DIRTY or entry.ttl == NEVER:
            return False
        left = entry.ends - now
        draw = (hash((asked.key, entry.stamp)) & 0xFFFF) / 0xFFFF
        return (
            0 < left <= entry.ttl * self._ahead * (0.5 + 0.5 * draw)
            and asked.per_s * entry.ttl >= USES
            and asked.key not in self._running
            and self._resting.get(asked.key, 0.0) <= now
        )

    async def _refresh(self, key: str, entry: Entry) -> None:
        tags = [name for name, _, _ in entry.tags if name != EVERYTHING]
        loader = self._judged if self._loader is not None else None
        got = await self._cache.load_ahead(
            key, loader, tags=tags, options=self._as_before(entry), within=self._within
        )
        if got.had is Had.FAILED:
            self._counts["failed"] += 1
            stranger = isinstance(got.error, KeyError)
            self._resting[key] = self._clock() + (STRANGER if stranger else REST)
        else:
            self._counts["loaded" if got.had is Had.LOADED else "filled"] += 1

    async def _judged(self, context: LoadContext) -> Any:
        assert self._loader is not None
        with self._health.call():
            return await self._loader(context)

    def _as_before(self, entry: Entry) -> EntryOptions:
        """Options under which the new value lives as the old one did."""
        return self._cache.defaults.but(
            ttl=self._cache.policy.lasting(entry.ttl),
            fail_safe=entry.kept_until > entry.fresh_until,
            shared_flight=self._cache.lock is not None,
        )
