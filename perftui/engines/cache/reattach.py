"""A replica whose primary is gone, or that follows a wrong one, attached to the primary that is one now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.regions import STEP, place
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cache import Replication
from perftui.model.errors import BackendError, Cancelled, Lost, PartlyDone, PlanRejected
from perftui.model.reattach import Standing
from perftui.model.replicaports import ReplicaAttacher

Report = Callable[[Progress], None]


class Reattach:
    """Lets the replica `node` (empty: the one server of the backend) follow the primary that is one now.

    That is who sentinels, or the promotions of regions, say; of a single server `to`, as whoever offers this
    knows it from the other servers, else the primary at the end of whom it follows. In a cluster `to` is any
    of its primaries: a replica of one becomes one of that.
    """

    id: ClassVar[str] = "cache.reattach"
    title: str = "Attach the replica again"
    risk: Risk = Risk.CHANGES
    deadline: float = 600.0

    def __init__(self, power: ReplicaAttacher, source: str, *, node: str = "", to: str = "") -> None:
        self._power = power
        self._source = source
        self._node = node
        self._to = to
        self._name = inert(node, 60) or source
        self.params = {"node": node, "to": to}
        self.target = f"{source} {inert(node, 60)}".strip()

    async def plan(self) -> Plan:
        """Whom it follows now and then, and what goes.

        Raises:
            PlanRejected: it is no replica, nobody says who the primary is, that one is a replica itself or
                does not answer, or the replica follows it already.
        """
        now, lead = await self._settled()
        mine, to = now.replication, inert(lead.address, 60)
        old = inert(mine.primary, 60)
        state = "the link is up" if mine.link_up else f"no link for {fmt.duration(mine.link_down_s)}"
        back = self._goes_back(mine)
        return Plan(
            summary=f"let {self._name} follow {to}, the primary that is one now",
            affects=(
                f"it follows {old}: {state}",
                f"{to} holds {lead.keys:,} keys, {len(lead.replication.replicas)} replicas follow it",
            ),
            count=1,
            reversible=back,
            undo_note=f"undo lets it follow {old} again, for a copy of that one's keys" if back else "",
            warnings=(
                f"the {now.keys:,} keys that {self._name} holds are thrown away for a copy of those of {to}",
                "what was written only there is lost",
            ),
        )

    async def run(self, report: Report) -> Receipt:
        """Attach it, and wait until its copy is whole and the link stands.

        Raises:
            PartlyDone, Cancelled: it follows, but the copy is not whole yet, or somebody else changed that.
        """
        now, lead = await self._settled()
        mine, to = now.replication, inert(lead.address, 60)
        undo = {"node": self._node, "to": mine.primary, "source": self._source}
        await self._power.attach(self._node, *place(lead.address))
        begun = Receipt(
            f"{self._name} follows {to}, its copy is not whole yet",
            done=1,
            undo=undo if self._goes_back(mine) else None,
        )
        try:
            offset = await self._whole(lead.address, report)
        except asyncio.CancelledError:
            raise Cancelled(begun.summary, begun) from None
        except BackendError as error:
            raise PartlyDone(f"{begun.summary}: {error}", begun) from error
        return Receipt(f"{self._name} follows {to} at offset {offset:,}", done=1, undo=begun.undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Let it follow whom it followed before.

        Raises:
            PlanRejected: that one is no primary by now.
        """
        kept = receipt.undo or {}
        back = Reattach(self._power, self._source, node=str(kept["node"]), to=str(kept["to"]))
        await back.plan()
        return await back.run(lambda _progress: None)

    def _goes_back(self, mine: Replication) -> bool:
        """Whether an undo makes sense: not to one that is gone, nor where others say who leads."""
        return mine.link_up and (not self._node or not self._power.one_leads)

    async def _settled(self) -> tuple[Standing, Standing]:
        """The replica, and the primary that is one now."""
        known: str = await self._power.leader(self._node)
        now: Standing = await self._power.standing(self._node)
        mine = now.replication
        if mine.role != "replica":
            raise PlanRejected(
                f"{self._name} is a primary: what was written there would be lost (perftui cache follow)"
            )
        if self._node and self._power.one_leads and known and self._to not in {"", known}:
            raise PlanRejected(f"{inert(known, 60)} is the primary now, not {inert(self._to, 60)}")
        to = self._to or known
        if not to:
            raise PlanRejected(
                f"nobody says who the primary is now: {inert(mine.primary, 60)} does not answer;"
                " name it as host:port"
            )
        lead = await self._leading(to)
        if mine.primary == lead.address and mine.link_up:
            raise PlanRejected(f"{self._name} follows {inert(to, 60)} already")
        if mine.primary == lead.address:
            raise PlanRejected(
                f"{self._name} follows {inert(to, 60)} already and does not reach it: see its primaryauth,"
                " the way there, and that one's log"
            )
        return now, lead

    async def _leading(self, to: str) -> Standing:
        """The server at a place, which must be a primary."""
        host, port = place(to)
        try:
            lead: Standing = await self._power.standing(to)
        except BackendError as error:
            raise PlanRejected(f"{inert(to, 60)} cannot be followed: {error}") from error
        if lead.replication.role != "primary":
            whom = inert(lead.replication.primary, 60)
            raise PlanRejected(f"{inert(to, 60)} is itself a replica, of {whom}: it is not followed")
        return Standing(f"{host}:{port}", lead.replication, lead.keys)

    async def _whole(self, to: str, report: Report) -> int:
        """Wait for the copy; the offset it is at then."""
        while True:
            mine: Replication = (await self._power.standing(self._node)).replication
            if mine.role != "replica" or mine.primary != to:
                raise Lost(f"somebody else changed whom {self._name} follows")
            if mine.link_up and not mine.syncing:
                return mine.offset
            report(Progress(0, None, "taking over the copy" if mine.syncing else "reaching it"))
            await asyncio.sleep(STEP)
