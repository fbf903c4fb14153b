"""Trouble that comes from outside: visitors."""

from __future__ import annotations

from typing import Any, ClassVar

from perftui.lab.incidents.kinds import Incident
from perftui.lab.loadpart import LoadPart
from perftui.lab.shoppart import ShopPart


class Visitors(Incident):
    """Visitors change their habits for as long as it lasts."""

    trouble: ClassVar[dict[str, Any]]
    normal: ClassVar[dict[str, Any]]

    async def start(self) -> None:
        """Tell the load generator."""
        await self.lab.part(LoadPart).order(**self.trouble)

    async def stop(self) -> None:
        """Habits as before."""
        load = self.lab.part(LoadPart)
        if load.running:
            await load.order(**self.normal)


class HotKey(Visitors):
    """One product goes viral, and a refactoring lost the copies in memory."""

    name = "hot-key"
    what = "85 % of requests ask for one product, of which workers keep no copy: its key is asked most"
    look = "cache.keys"
    trouble: ClassVar[dict[str, Any]] = {"hot": 0.85}
    normal: ClassVar[dict[str, Any]] = {"hot": 0.0}

    async def start(self) -> None:
        """The copies go first."""
        await self.lab.part(ShopPart).fault(self.name, {})
        await super().start()

    async def stop(self) -> None:
        """Both as before."""
        await super().stop()
        shop = self.lab.part(ShopPart)
        if shop.running:
            await shop.fault(self.name, None)


class TrafficSpike(Visitors):
    """A newsletter went out."""

    name = "traffic-spike"
    what = "five times as many requests"
    look = "overview.summary"
    trouble: ClassVar[dict[str, Any]] = {"factor": 5.0}
    normal: ClassVar[dict[str, Any]] = {"factor": 1.0}
