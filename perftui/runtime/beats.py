"""Tells a dead man's switch that rules are evaluated and people would be told, for as long as that is so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from perftui.model.errors import ConfigError, StoreError
from perftui.model.finding import Severity
from perftui.model.notify import DeliveryState, Notification, Outcome, Post, Sender, Way, What
from perftui.runtime.clock import Clock
from perftui.runtime.loading import bring
from perftui.runtime.outbox import Outbox

log = logging.getLogger(__name__)

AGAIN = 5.0  # seconds until the next look while nothing is to be said, or nobody took it


class Beat:
    """One switch. It beats while `alive` says so; its state stands with the channels'."""

    def __init__(
        self,
        name: str,
        env: str,
        way: Way,
        post: Post,
        outbox: Outbox,
        clock: Clock,
        alive: Callable[[], bool],
    ) -> None:
        self.name = name
        self._env = env
        self._way = way
        self._post = post
        self._outbox = outbox
        self._clock = clock
        self._alive = alive

    async def run(self) -> None:
        """Beat until cancelled."""
        sender: Sender | None = None
        while True:
            went = False
            if self._alive():
                try:
                    sender = sender or await self._made()
                    went = await self._once(sender)
                except (ConfigError, StoreError) as error:
                    log.warning("%s: %s", self.name, error)
            await asyncio.sleep(sender.pace if sender is not None and went else AGAIN)

    async def _made(self) -> Sender:
        kind = await bring(self._way.place)
        made: Sender = kind(self.name, self._way.options(), self._post)
        return made

    async def _once(self, sender: Sender) -> bool:
        now = self._clock.wall()
        what = Notification(
            "beat", self.name, What.TEST, "watchdog", "watchdog", now, self._env, Severity.INFO, "watchdog"
        )
        try:
            async with asyncio.timeout(10):
                outcome = await sender.deliver(what, "")
        except TimeoutError:
            outcome = Outcome(False, "no answer in 10 s", again=True)
        state = DeliveryState.SENT if outcome.sent else DeliveryState.QUEUED
        await self._outbox.mark(what, state, outcome, self._clock.wall())
        return outcome.sent
