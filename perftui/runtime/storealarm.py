"""Says once, past the outbox, that the store is gone: nothing that is decided then can be written or sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from perftui.model.errors import ConfigError
from perftui.model.finding import Severity
from perftui.model.notify import Line, Notification, What
from perftui.runtime.clock import Clock
from perftui.runtime.courier import DEADLINE, Courier

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds a store may be away without anybody being told


class StoreAlarm:
    """Kept by a notifier that holds the lease: the others stay silent, so that one tells."""

    def __init__(self, env: str, couriers: Mapping[str, Courier], clock: Clock) -> None:
        self._env = env
        self._couriers = couriers
        self._clock = clock
        self._since: float | None = None  # monotonic
        self._opened = 0.0
        self._told = ""  # the channel that knows

    async def failed(self, problem: str) -> None:
        """The store has failed again."""
        now = self._clock.monotonic()
        self._since = self._since if self._since is not None else now
        if not self._told and now - self._since >= PATIENCE:
            self._opened = self._clock.wall()
            words = "the store cannot be used: alerts are seen on the holder's console, and sent to nobody"
            for name in self._couriers:
                if await self._say(name, What.TRIGGER, words, problem):
                    self._told = name
                    return

    async def fine(self) -> None:
        """The store is there."""
        name, self._told, self._since = self._told, "", None
        if name:
            await self._say(name, What.RESOLVE, "the store is back", "")

    async def _say(self, name: str, what: What, words: str, note: str) -> bool:
        now = self._clock.wall()
        line = Line("store", "store-lost", words, Severity.CRITICAL, "store", since=self._opened)
        courier = self._couriers[name]
        try:
            async with asyncio.timeout(DEADLINE):
                sender = await courier.sender()
                thread, done = f"perftui-store-{self._env}", True
                for to in sender.recipients(()):
                    key = f"store-{what.value}-{self._opened:.0f}{to}"
                    message = Notification(
                        key,
                        name,
                        what,
                        thread,
                        f"{thread}@{self._opened:.0f}",
                        now,
                        self._env,
                        Severity.CRITICAL,
                        words,
                        (line,),
                        1,
                        note=note,
                        to=to,
                        since=self._opened,
                    )
                    done = (await sender.deliver(message, "")).sent and done
                return done
        except (TimeoutError, ConfigError) as error:
            log.warning("%s: %s", name, error)
            return False
