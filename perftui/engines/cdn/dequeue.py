"""Taking purges that were done off the queue of the services that asked for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.purgequeue import PurgeQueue


class Dequeue:
    """Take entries off a purge queue, once every edge has done them."""

    id: ClassVar[str] = "cdn.dequeue"
    title: str = "Take done purges off the queue"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: PurgeQueue, source: str, *, entries: Sequence[tuple[bytes, str]]) -> None:
        self._power = power
        self._entries = tuple(entries)
        self.target = source
        self.params = {"entries": [name for _, name in self._entries]}

    async def plan(self) -> Plan:
        """How many; PlanRejected for none."""
        if not self._entries:
            raise PlanRejected("no queued purge was named")
        return Plan(
            summary=f"take {len(self._entries)} done purges off the queue of {self.target}",
            affects=("services queued them; every edge asked here has done them",),
            count=len(self._entries),
            reversible=False,
            undo_note="what was purged needs no second purge",
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Take them off."""
        gone = await self._power.unqueue(self._entries)
        return Receipt(f"{gone} purges off the queue of {self.target}", done=gone)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Never called: the plan says it is not reversible."""
        raise PlanRejected("what was purged needs no second purge")
