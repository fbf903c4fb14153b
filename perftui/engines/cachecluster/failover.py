"""A planned switchover: the replica takes over its primary's slots while both live."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cachecluster import ClusterMember
from perftui.model.clusterports import FailoverDriver
from perftui.model.errors import PlanRejected

MOST_BEHIND = 64 << 20
"""Bytes of the stream a replica may be behind: its primary's clients stand still until it has caught up."""

PATIENCE = 10.0


class FailOver:
    """Makes a replica the primary of its primary's slots; the old primary becomes its replica."""

    id: ClassVar[str] = "cache.failover"
    title: str = "Make a replica the primary"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: FailoverDriver, source: str, *, node: str) -> None:
        self._power = power
        self._source = source
        self._node = node
        self.params = {"node": node}
        self.target = f"{source} {inert(node, 60)}"

    async def plan(self) -> Plan:
        """Who takes over what from whom.

        Raises:
            PlanRejected: it is no replica that answers, its primary does not, or it is too far behind.
        """
        replica, primary = await self._pair()
        lag = await self._power.lag(replica)
        if lag is None:
            raise PlanRejected(f"{primary.address} does not count {replica.address} among its replicas now")
        if lag > MOST_BEHIND:
            raise PlanRejected(f"{replica.address} is {fmt.bytes_(lag)} behind: let it catch up first")
        return Plan(
            summary=f"make {replica.address} the primary in place of {primary.address}",
            affects=(
                f"{primary.slot_count:,} slots of {self._source} change hands",
                f"{replica.address} is {fmt.bytes_(lag)} behind and takes that in first",
                f"{primary.address} becomes its replica",
            ),
            count=1,
            reversible=True,
            undo_note=f"undo makes {primary.address} the primary again",
            warnings=("clients of these slots wait for some ten milliseconds, then are sent on (MOVED)",),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Order it, and wait until the replica says that it is the primary."""
        replica, primary = await self._pair()
        took = await self._power.fail_over(replica, PATIENCE)
        text = f"{replica.address} is the primary of {primary.slot_count:,} slots after {fmt.duration(took)}"
        return Receipt(text, done=1, undo={"node": primary.address, "source": self._source})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Make the old primary the primary again."""
        back = FailOver(self._power, self._source, node=str((receipt.undo or {})["node"]))
        await back.plan()
        return await back.run(lambda _progress: None)

    async def _pair(self) -> tuple[ClusterMember, ClusterMember]:
        """The replica and its primary, both up."""
        replica: ClusterMember = await self._power.member(self._node)
        if replica.role != "replica":
            raise PlanRejected(f"{replica.address} is a primary: name the replica that is to take over")
        if replica.state != "ok":
            raise PlanRejected(f"{replica.address} is {replica.state}: {replica.why or 'it does not answer'}")
        primary: ClusterMember = await self._power.member(replica.primary)
        if primary.state != "ok":
            raise PlanRejected(
                f"{primary.address} is {primary.state}: the cluster elects a replica by itself"
            )
        return replica, primary
