"""Has series learned by the day in another process while they are watched, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from zlib import crc32

from perftui.analysis.occasions import Days
from perftui.model.errors import StoreError
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.learner import Learner, Missing, Unlearned

log = logging.getLogger(__name__)

PAST = 14 * 86400.0  # seconds that are learned from
AGAIN, LATER = 86400.0, 6 * 3600.0  # seconds until it is learned anew, and after there was too little
LOOK = 30.0  # seconds between looks for series that are due
DEADLINE = 10.0


class Teacher:
    """`engine` knows the series it judges and takes what was learned; `days` are those unlike others."""

    def __init__(
        self, engine: Any, history: History, clock: Clock, days: Callable[[], Days], look: float = LOOK
    ) -> None:
        self._engine = engine
        self._history = history
        self._clock = clock
        self._days = days
        self._look = look
        self._due: dict[SeriesKey, float] = {}

    async def run(self) -> None:
        """Until cancelled, or until the library turns out to be missing."""
        while True:
            now = self._clock.wall()
            due = [key for key in self._engine.judged if self._due.get(key, 0.0) <= now]
            try:
                if due:
                    async with Learner() as learner:
                        for key in due:
                            await self._teach(learner, key)
            except Missing as error:
                log.warning("%s", error)
                self._engine.note = str(error)
                return
            await asyncio.sleep(self._look)

    async def _teach(self, learner: Learner, key: SeriesKey) -> None:
        now = self._clock.wall()
        self._due[key] = now + LATER
        try:
            async with asyncio.timeout(DEADLINE):
                rows = await self._history.rollup(key, now - PAST, now, 60.0)
            at, value = await asyncio.to_thread(self._days().plain, rows.at, rows.mean)
            model = await learner.learn(at, value, crc32(str(key).encode()))
        except Missing:
            raise
        except (StoreError, TimeoutError, Unlearned) as error:
            log.info("%s: neighbours are not learned: %s", key, error)
            return
        self._due[key] = now + AGAIN
        self._engine.taught(key, model)
