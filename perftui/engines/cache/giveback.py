"""Memory that values left free and a server's allocator keeps, given back to the system."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.serverports import MemoryKeeper

LEAST: Final = 16 << 20
"""Bytes freed below which there is nothing to gain: jemalloc needs some for itself."""

SETTLES: Final = 0.3
"""Seconds after which the server tells its memory as it then is."""


class GiveBack:
    """MEMORY PURGE. There is no undo: the server takes memory again as it needs it."""

    id: ClassVar[str] = "cache.give-back"
    title: str = "Give freed memory back"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: MemoryKeeper, source: str, *, node: str = "") -> None:
        self._power = power
        self._node = node
        self._source = self.target = f"{source} {inert(node, 60)}".rstrip()
        self.params = {"node": node} if node else {}
        self._before = 0

    async def plan(self) -> Plan:
        """How much it could give back; PlanRejected where it cannot, or there is little."""
        now = await self._power.memory_kept(self._node)
        if not now.allocator.startswith("jemalloc"):
            name = inert(now.allocator, 32)
            raise PlanRejected(f"{self._source} uses {name}, which gives nothing back when it is asked")
        if now.freed < LEAST:
            raise PlanRejected(f"{self._source} keeps {fmt.bytes_(now.freed)} freed: there is little to give")
        self._before = now.resident
        between = f"{fmt.bytes_(now.fragments)} between values stay: only moving these frees them"
        stays = (between,) if now.fragments >= LEAST else ()
        return Plan(
            summary=f"{self._source} gives up to {fmt.bytes_(now.freed)} back to the system",
            affects=(
                f"{fmt.bytes_(now.resident)} resident now",
                *stays,
            ),
            warnings=("the server does nothing else meanwhile: some 0.1 s for each GB",),
        )

    async def run(self, report: Report) -> Receipt:
        """Do it, and say what is resident then."""
        await self._power.give_back(self._node)
        await asyncio.sleep(SETTLES)
        now = await self._power.memory_kept(self._node)
        return Receipt(
            f"{self._source}: {fmt.bytes_(self._before)} → {fmt.bytes_(now.resident)} resident",
            done=1,
            facts={"before": self._before, "after": now.resident},
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: the server takes memory again as it needs it."""
        raise PlanRejected(f"memory that was given back is taken again as it is needed ({receipt.summary})")
