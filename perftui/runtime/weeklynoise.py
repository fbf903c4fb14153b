"""Once a week whoever evaluates the rules says on the timeline how noisy they were."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

from perftui.draw.noise import brief
from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.selfwatch import SOURCE
from perftui.runtime.alerting import Alerting
from perftui.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK = 600.0  # seconds between two looks whether a week is over
DAY, WEEK = 86400.0, 7 * 86400.0
MONDAY = 4 * DAY  # the first one after the epoch, which was a Thursday
LAST = "alerts.noise"


class WeeklyNoise:
    """One line a week, whatever restarts and whoever evaluates: the store remembers the last."""

    def __init__(self, alerting: Alerting, clock: Clock, note: Callable[[Event], None]) -> None:
        self._alerting = alerting
        self._store = alerting.store
        self._clock = clock
        self._note = note

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.info("%s", error)
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Tell the last whole week (Monday to Sunday, UTC), if nobody has."""
        ruler, now = self._alerting.ruler, self._clock.wall()
        week = (now - MONDAY) // WEEK * WEEK + MONDAY
        if ruler is None or not ruler.holder or await self._told() >= week:
            return
        report = await self._alerting.desk.noise(week - WEEK, week)
        await self._store.keep_last(LAST, json.dumps({"week": week}))
        if report.fired or report.pages:
            title, *lines = brief(report)
            self._note(Event(now, "note", SOURCE, title, "; ".join(lines), SOURCE))

    async def _told(self) -> float:
        last = await self._store.last_of(LAST)
        try:
            return float(json.loads(last)["week"]) if last else 0.0
        except (ValueError, KeyError, TypeError):
            return 0.0
