"""A switchover in a group that sentinels watch: they choose who takes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cachecluster import ClusterMember
from perftui.model.clusterports import GroupFailover
from perftui.model.errors import PartlyDone, PlanRejected

PATIENCE = 20.0
TURNS = 8
"""Switches an undo may take: with more replicas than one the sentinels may choose another one each time."""


class SwitchOver:
    """Has a replica promoted in place of the primary `node`."""

    id: ClassVar[str] = "cache.sentinel-failover"
    title: str = "Have a replica promoted"
    risk: Risk = Risk.CHANGES
    deadline: float = PATIENCE * (TURNS + 1)

    def __init__(self, power: GroupFailover, source: str, *, node: str) -> None:
        self._power = power
        self._source = source
        self._node = node
        self.params = {"node": node}
        self.target = f"{source} {inert(node, 60)}"

    async def plan(self) -> Plan:
        """Who may take over.

        Raises:
            PlanRejected: it is no primary that answers, or no replica of it could take over.
        """
        primary = await self._primary()
        candidates = await self._power.candidates(primary)
        if not candidates:
            raise PlanRejected(f"no replica of {primary.address} is up and in step with it")
        return Plan(
            summary=f"have a replica of {primary.address} promoted in its place",
            affects=(
                f"one of {', '.join(r.address for r in candidates)}: the sentinels choose",
                f"{primary.address} becomes a replica",
            ),
            count=1,
            reversible=True,
            undo_note=f"undo asks again until {primary.address} is the primary, {TURNS} times at most",
            warnings=("before Valkey 9.0 the primary's last writes may be lost: it is not told to wait",),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Ask for it, and wait until all sentinels name the new primary."""
        primary = await self._primary()
        new, took = await self._power.switch(primary, PATIENCE)
        text = f"{inert(new, 60)} is the primary after {fmt.duration(took)}"
        return Receipt(text, done=1, undo={"node": primary.address, "now": new, "source": self._source})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Ask again until the old primary is the primary.

        Raises:
            PartlyDone: another one is after all turns.
        """
        kept = receipt.undo or {}
        old, now = str(kept["node"]), str(kept["now"])
        for _ in range(TURNS):
            now, _took = await self._power.switch(await self._power.member(now), PATIENCE)
            if now == old:
                return Receipt(f"{inert(old, 60)} is the primary again", done=1)
        text = f"the sentinels chose {inert(now, 60)} after {TURNS} turns"
        raise PartlyDone(text, Receipt(text, undo={"node": old, "now": now, "source": self._source}))

    async def _primary(self) -> ClusterMember:
        primary: ClusterMember = await self._power.member(self._node)
        if primary.role != "primary":
            raise PlanRejected(f"{primary.address} is a {primary.role}: name the primary")
        if primary.state != "ok":
            raise PlanRejected(f"{primary.address} is {primary.state}: the sentinels act by themselves")
        return primary
