"""Reads the alerts and silences that the user's Alertmanagers hold, while somebody looks at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from perftui.model.elsewhere import Held, HeldReader
from perftui.model.errors import ConfigError
from perftui.runtime.clock import Clock
from perftui.runtime.courier import Courier

EVERY: Final = 15.0  # seconds between two looks
UNSEEN: Final = 2.0  # seconds between two questions whether anybody looks
DEADLINE: Final = 12.0  # seconds of one: two requests


class Elsewhere:
    """The newest answers; one that fails keeps nothing of before: it would be taken for now."""

    def __init__(
        self, couriers: Mapping[str, Courier], clock: Clock, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        self._couriers = couriers
        self._clock = clock
        self._wanted = wanted
        self.held: tuple[Held, ...] = ()

    async def run(self) -> None:
        """Look while somebody does, until cancelled."""
        while True:
            if self._wanted():
                await self.look()
            await asyncio.sleep(EVERY if self._wanted() else UNSEEN)

    async def look(self) -> tuple[Held, ...]:
        """One look at all of them."""
        found = await asyncio.gather(*(self._read(name, one) for name, one in self._couriers.items()))
        self.held = tuple(one for one in found if one is not None)
        return self.held

    async def _read(self, name: str, courier: Courier) -> Held | None:
        now = self._clock.wall()
        try:
            async with asyncio.timeout(DEADLINE):
                sender = await courier.sender()
                return await sender.held(now) if isinstance(sender, HeldReader) else None
        except ConfigError:  # its secret is not there: the courier says so
            return None
        except TimeoutError:
            return Held(name, now, said=f"no answer in {DEADLINE:g} s")
