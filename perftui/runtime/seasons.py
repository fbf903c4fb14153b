"""Has the seasons of series learned anew by the day: who began without a past has one by then."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from perftui.analysis.anomaly import LONG
from perftui.model.errors import StoreError
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History

log = logging.getLogger(__name__)

PAST = 14 * 86400.0  # seconds of history a season is learned from
RECENT = 6 * 3600.0  # seconds of history a detector is warmed with
AGAIN, LATER = 86400.0, 6 * 3600.0  # seconds until it is learned anew, and where no season is known yet
LOOK = 30.0  # seconds between two series: each costs a thread half a second
DEADLINE = 10.0


class Seasons:
    """`engine` knows the series it judges, and takes what was learned."""

    def __init__(self, engine: Any, history: History, clock: Clock, look: float = LOOK) -> None:
        self._engine = engine
        self._history = history
        self._clock = clock
        self._look = look
        self._due: dict[SeriesKey, float] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(self._look)

    async def tick(self) -> None:
        """The series that has waited longest, if one is due."""
        now = self._clock.wall()
        for key in self._engine.judged:
            self._due.setdefault(key, self._next(key, now))
        key = min(self._due, key=lambda one: self._due[one], default=None)
        if key is None or self._due[key] > now:
            return
        try:
            await self._learn(key, now)
        except (StoreError, TimeoutError, ValueError) as error:
            log.info("%s: its season is not learned: %s", key, error)
            self._due[key] = now + LATER
        else:
            self._due[key] = self._next(key, now)

    def _next(self, key: SeriesKey, now: float) -> float:
        return now + (AGAIN if self._engine.season(key) is not None else LATER)

    async def _learn(self, key: SeriesKey, now: float) -> None:
        recent = max(RECENT, min(LONG * self._engine.watch.every, AGAIN))
        async with asyncio.timeout(DEADLINE):
            weeks = await self._history.rollup(key, now - PAST, now, 60.0)
            last = await self._history.rollup(key, now - recent, now, 10.0)
        courses = ((weeks.at, weeks.mean), (last.at, last.mean))
        state = await asyncio.to_thread(self._engine.relearned, key, *courses)
        if state is not None:
            self._engine.adopt(key, state)
