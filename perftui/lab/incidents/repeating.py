"""An incident that does something again and again until it is stopped."""

from __future__ import annotations

import abc
import asyncio
from typing import ClassVar

from perftui.lab.incidents.kinds import Incident
from perftui.lab.processes import LabError


class Repeating(Incident):
    """`once` at the start, which may fail, then every `every` seconds; a failed round waits for the next."""

    every: ClassVar[float]
    _task: asyncio.Task[None] | None = None

    @abc.abstractmethod
    async def once(self) -> None:
        """Do it.

        Raises:
            LabError: it could not be done this time.
        """

    async def start(self) -> None:
        """The first time now, the others in the background."""
        await self.once()
        self._task = asyncio.create_task(self._again())

    async def _again(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            try:
                await self.once()
            except LabError:
                continue  # its server is away, perhaps by another incident

    async def stop(self) -> None:
        """No more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
