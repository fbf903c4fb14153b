"""Loading keys before the time of day, or the turn, at which they are asked for; each forecast is scored."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final

from perftui.analysis.accessprofile import SLOT
from perftui.instrument.cache.ahead import Got, Had
from perftui.instrument.cache.allowance import Allowance
from perftui.instrument.cache.asks import said
from perftui.instrument.cache.context import LoadContext
from perftui.instrument.cache.entry import NEVER
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.habits import SLICE, Habit, Habits, prefix
from perftui.instrument.cache.ports import Figures
from perftui.instrument.cache.predictscore import Score
from perftui.instrument.cache.sourcehealth import Judged, SourceHealth
from perftui.instrument.cache.state import DIRTY
from perftui.model.predicted import ASK
from perftui.model.tiers import EntryOptions
from perftui.model.warmask import LOOK_EVERY

log = logging.getLogger(__name__)

TICK, SAVE_EVERY = 1.0, 3600.0
HEARD: Final = 4096  # asks of one tick that are learned from: the newest
REST, STRANGER = 30.0, 600.0  # seconds a key is left alone that failed, and one the source does not know


class Predicting:
    """Learns when keys are asked for, and loads them ahead of it, until the cache closes.

    Args:
        cache: has a source, or `loader` is given.
        group: the group of a key; its prefix up to the first colon. Groups are judged each by itself.
        loader: for all keys; it is given `ctx`, with `ctx.key`. None: the cache's source.
        budget: loads a second; one, while nothing is known of the source.
        ahead: seconds before a slot of five minutes from which on its keys are loaded.
        at_once: loads that run at a time.
        most: keys whose habits are followed, 3 KB each at most.
        path: habits and scores are kept there each hour and when the cache closes, and read now.
        zone: whose hours and weekdays count.
        p95, errors: no load begins while the source is slower (seconds), or fails more (ratio): sourcehealth.
        within: seconds one load may take.

    A key is forecast from three periods on: those of the same slot on workdays, weekends or, once three weeks
    are known, that weekday, or its own three intervals. A node learns from what it is asked itself, and over
    all nodes one load is made: L2's newer value is taken in its place. A group of which less than half of a
    day's were used is off, with a finding on the console, until `again` or somebody there says so.

    Raises:
        ValueError: there is nothing to load with, or a figure is out of range.
        OSError: the file cannot be read.
    """

    def __init__(
        self,
        cache: Cache,
        *,
        group: Callable[[str], str] = prefix,
        loader: Callable[[LoadContext], Awaitable[Any]] | None = None,
        budget: float = 5.0,
        ahead: float = 60.0,
        at_once: int = 4,
        most: int = 2000,
        path: Path | None = None,
        zone: tzinfo = UTC,
        p95: float = 1.0,
        errors: float = 0.1,
        within: float = 30.0,
    ) -> None:
        source, memory = cache.source, cache.memory
        if memory is None or (loader is None and source is None):
            raise ValueError(f"{cache.name}: predicting needs an L1, and a loader or the cache's source")
        if budget <= 0 or not 0 < ahead <= SLOT or at_once < 1 or most < 1:
            raise ValueError("a budget is above 0 loads a second, ahead above 0 s and 300 s at most")
        self._cache, self._memory, self._loader = cache, memory, loader
        self._ahead, self._at_once, self._within = ahead, at_once, within
        self._path, self._zone = path, zone
        self._mono, self._now = cache.clock.monotonic, cache.clock.time
        health = SourceHealth(self._mono, p95=p95, errors=errors)
        self._health, self._allowance = health, Allowance(self._mono, health, budget, TICK)
        self._habits = Habits(group, most)
        self._score = Score(self._habits, memory, cache.clock)
        if path is not None and path.exists():
            self._restore(path)
        self._judged = Judged(source, health) if source is not None else None
        if self._judged is not None:
            cache.source = self._judged
        self._heard: deque[str] = deque(maxlen=HEARD)
        self._queue: dict[str, tuple[float, float]] = {}  # when its need begins, and is over
        self._planned: int | None = None
        self._resting: dict[str, float] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._counts = Counter({"loaded": 0, "filled": 0, "failed": 0, "late": 0, "saved": 0, "not_saved": 0})
        self._asks = self._asked()
        self._closed = False
        memory.watch(self._told())
        cache.beside(self)
        work = [self._run()] + ([self._saving()] if path is not None else [])
        self._tasks = [asyncio.create_task(one, name=f"cache predict {cache.name}") for one in work]
        self._tasks.append(asyncio.create_task(self._listen(), name=f"cache predict {cache.name} asked"))

    @property
    def paused(self) -> bool:
        """Whether the source is slow or failing."""
        return self._allowance.ill

    def again(self, group: str | None = None) -> None:
        """Trust a group that is off again, or all; a day later they are judged anew."""
        self._score.again(group)

    async def close(self) -> None:
        """Predict no more, and keep what was learned; twice is harmless."""
        if self._closed:
            return
        self._closed = True
        tasks = [*self._tasks, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if self._judged is not None and self._cache.source is self._judged:
            self._cache.source = self._judged.source
        await self._save()

    def figures(self) -> Figures:
        """`predict.loaded filled failed`, `late`: keys whose time was over before there was room.

        `used` and `wasted` as they were scored; gauges `precision` and `gain`, when they are known.
        """
        local = self._now() + self._shift()
        told = self._score.told(local, failed=self._counts["failed"], paused=self.paused)
        counts = {f"predict.{what}": n for what, n in self._counts.items()}
        for what in ("used", "wasted"):
            counts[f"predict.{what}"] = sum(getattr(group, what) for group in told.groups)
        gauges = {"on": float(told.on), "paused": float(told.paused), "waiting": float(len(self._queue))}
        gauges |= {n: v for n, v in (("precision", told.precision), ("gain", told.gain)) if v is not None}
        return Figures(counts, {f"predict.{n}": v for n, v in gauges.items()}, predicted=told)

    # learning

    def _told(self) -> Callable[[str], None]:
        heard, followed, touched = self._heard.append, self._score.open, self._score.touched

        def told(key: str) -> None:
            heard(key)
            if key in followed:
                touched(key)

        return told

    async def look(self) -> None:
        """Learn from what was asked since the last look, score, plan, and begin what there is room for."""
        await self._learn()
        now, shift = self._now(), self._shift()
        asks, before = self._asked(), self._asks
        self._asks = asks
        self._score.settle(now, now + shift, asks - before)
        await self._plan(now, shift)
        self._begin(now, now + shift)

    async def _learn(self) -> None:
        now, shift = self._now(), self._shift()
        asked = Counter(self._heard.popleft() for _ in range(len(self._heard)))
        for count, (key, times) in enumerate(asked.items(), 1):
            entry = self._memory.look(key)
            self._habits.asked(key, times, now, now + shift, entry)
            if count % SLICE == 0:
                await asyncio.sleep(0)

    def _asked(self) -> int:
        counts = self._cache.counters.counts
        return counts["hit.l1"] + counts["miss.l1"]

    def _shift(self) -> float:
        """Seconds by which the zone is ahead of UTC now."""
        offset = datetime.fromtimestamp(self._now(), self._zone).utcoffset()
        return offset.total_seconds() if offset is not None else 0.0

    # loading

    async def _plan(self, now: float, shift: float) -> None:
        slot = int((now + shift + self._ahead) // SLOT)
        if slot != self._planned:
            self._planned = slot
            start = slot * SLOT - shift
            self._resting = {key: until for key, until in self._resting.items() if until > now}
            for key in await self._habits.expected(slot * SLOT, now + shift):
                self._queue.setdefault(key, (start, start + SLOT))
        for key, at, over in self._habits.due(now):
            self._queue.setdefault(key, (at, over))

    def _begin(self, now: float, local: float) -> None:
        room = min(self._allowance.room(), self._at_once - len(self._running))
        for key, (start, over) in tuple(self._queue.items()):
            habit = self._habits.known.get(key)
            if habit is None or not self._needs(key, start, now):
                del self._queue[key]
            elif over <= now:
                self._counts["late"] += 1
                del self._queue[key]
            elif not self._score.trusts(habit):
                self._score.rehearse(key, habit, now, local)
                del self._queue[key]
            elif room > 0:
                room -= 1
                self._allowance.take()
                del self._queue[key]
                self._score.begin(key, habit, now, local)
                task = asyncio.create_task(self._load(key, habit, start), name="cache predict")
                self._running[key] = task
                task.add_done_callback(partial(self._over, key))

    def _over(self, key: str, _: asyncio.Task[None]) -> None:
        self._running.pop(key)
        self._score.given_up(key)

    def _needs(self, key: str, start: float, now: float) -> bool:
        """Whether it would be missing at `start`, and is not followed already."""
        if key in self._score.open or self._resting.get(key, 0.0) > now or self._score.full:
            return False
        return self._left(key) <= max(0.0, start - now)

    async def _load(self, key: str, habit: Habit, start: float) -> None:
        got = await self._ahead_of(key, habit)
        if got.had is Had.FILLED:
            lock = self._cache.lock
            if lock is not None and self._left(key) <= 0:  # another node loads it just now
                await lock.released(key, self._within)
                await self._cache.fill(key)
            if self._left(key) < min(start - self._now() + SLOT, habit.ttl / 2):
                got = await self._ahead_of(key, habit)  # as L1 has what L2 has, this one loads
        if got.had is Had.FAILED:
            self._counts["failed"] += 1
            self._resting[key] = self._now() + (STRANGER if isinstance(got.error, KeyError) else REST)
            return
        loaded = got.had is Had.LOADED
        self._counts["loaded" if loaded else "filled"] += 1
        self._score.loaded(key, loaded=loaded)

    async def _ahead_of(self, key: str, habit: Habit) -> Got:
        loader = self._judged_loader if self._loader is not None else None
        options = self._as_before(habit)
        return await self._cache.load_ahead(
            key, loader, tags=habit.tags, options=options, within=self._within
        )

    def _left(self, key: str) -> float:
        """Seconds L1's value is fresh from now on, as far as is known."""
        entry = self._memory.look(key)
        return entry.fresh_until - self._mono() if entry is not None and entry.epoch != DIRTY else 0.0

    async def _judged_loader(self, context: LoadContext) -> Any:
        assert self._loader is not None
        with self._health.call():
            return await self._loader(context)

    def _as_before(self, habit: Habit) -> EntryOptions:
        """Options under which the new value lives as those before did."""
        ttl = None if habit.ttl == NEVER else self._cache.policy.lasting(habit.ttl)
        shared = self._cache.lock is not None
        return self._cache.defaults.but(ttl=ttl, fail_safe=habit.safe, shared_flight=shared)

    # beside it

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            await self.look()

    async def _listen(self) -> None:
        """Trust all again when a console asks for it."""
        known = await said(self._cache, ASK)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            asked = await said(self._cache, ASK)
            if asked and asked != known:
                known = asked
                self.again()

    async def _saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            await self._save()

    async def _save(self) -> None:
        if self._path is None:
            return
        try:
            await self._habits.save(self._path, self._score.packed())
            self._counts["saved"] += 1
        except OSError as error:
            self._counts["not_saved"] += 1
            log.warning("what was learned for predictions was not kept: %s", error)

    def _restore(self, path: Path) -> None:
        try:
            self._score.restore(self._habits.restore(path))
        except ValueError as error:
            log.warning("predictions begin anew: %s", error)
