"""Looks at the command stream of a cache now and then, so that a hot key is found before anybody asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from perftui.model.errors import PerftuiError
from perftui.model.ports import CommandSampler

log = logging.getLogger(__name__)

COMMANDS = 500
SECONDS = 2.0
DEADLINE = 5.0
TICK = 1.0


class StreamWatch:
    """One environment's servers; those whose options ask for it are looked at, the others left alone."""

    def __init__(self, backends: Mapping[str, Any]) -> None:
        self._backends = backends
        self._due: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled; the first look comes when a whole interval has passed."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK)
            for name, backend in tuple(self._backends.items()):
                if isinstance(backend, CommandSampler) and backend.watch_every > 0:
                    due = self._due.setdefault(name, loop.time() + backend.watch_every)
                    if loop.time() >= due:
                        self._due[name] = loop.time() + max(SECONDS, backend.watch_every)
                        await self.look(name, backend)

    async def look(self, name: str, backend: CommandSampler) -> None:
        """One server, now; what was seen comes with its next reading, a failure is its poller's to tell."""
        try:
            async with asyncio.timeout(DEADLINE):
                await backend.sample_commands(COMMANDS, SECONDS)
        except (TimeoutError, PerftuiError) as error:
            log.debug("command stream of %s: %s", name, error)
