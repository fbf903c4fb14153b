"""A backend whose behaviour a test writes down, for the poller's logic alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey


@dataclass(frozen=True)
class NoOptions:
    pass


class Scripted:
    """Each read runs `behave`; opens, reads and closes are counted, and how many ran at once."""

    kind: ClassVar[str] = "scripted"
    layer: ClassVar[str] = "host"
    Options: ClassVar[type] = NoOptions
    period: ClassVar[float] = 0.02
    idle_period: ClassVar[float] = 30.0
    deadline: ClassVar[float] = 0.1

    def __init__(self, behave: Callable[[], Awaitable[float]] | None = None) -> None:
        self.name = "one"
        self.behave = behave or self.fine
        self.opened = self.reads = self.closed = self.flying = self.most = 0
        self.times: list[float] = []

    async def fine(self) -> float:
        return 1.0

    async def open(self) -> None:
        self.opened += 1

    async def read(self) -> Reading:
        self.reads += 1
        self.times.append(time.monotonic())
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            value = await self.behave()
        finally:
            self.flying -= 1
        key = SeriesKey(self.name, "ops_per_s")
        return Reading(self.name, time.time(), 0.001, (Measure(key, value, "1/s"),), None)

    async def close(self) -> None:
        self.closed += 1


async def silent() -> float:
    await asyncio.Event().wait()
    return 0.0
