"""Promoting a replica whose primary is gone, and letting a server follow another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.clusterports import RegionPair
from perftui.model.errors import Lost, PartlyDone, PlanRejected, Protocol, Refused, Unsupported
from perftui.model.replicaports import ReplicaPromoter

BOUND = 60.0
"""Seconds since a replica last heard from its primary above which a promotion takes `force`."""

STEP = 0.1


class Promote:
    """Makes a replica a primary of its own: what its old primary had not sent it is lost."""

    id: ClassVar[str] = "cache.promote"
    title: str = "Promote this replica"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(
        self, power: ReplicaPromoter, source: str, *, bound: float = BOUND, force: bool = False
    ) -> None:
        self._power = power
        self._source = source
        self._bound, self._force = bound, force
        self.params: dict[str, float | bool | str] = {"bound": bound, "force": force}
        self.target = source

    async def plan(self) -> Plan:
        """What may be lost.

        Raises:
            PlanRejected: it is a primary, it takes over a copy just now, or it has heard nothing for longer
                than `bound` seconds and `force` is not given.
        """
        now = await self._power.replication()
        if now.role != "replica":
            raise PlanRejected(f"{self._source} is a primary already")
        if now.syncing:
            raise PlanRejected(f"{self._source} is taking over a whole copy: it holds none that could serve")
        gap = now.last_io_s if now.link_up else now.link_down_s
        old = inert(now.primary, 60)
        if gap is not None and gap > self._bound and not self._force:
            raise PlanRejected(
                f"{self._source} has heard nothing from {old} for {fmt.duration(gap)}, more than"
                f" {fmt.duration(self._bound)}: writes since then are lost; force does it all the same"
            )
        heard = "when it last heard from it is not known"
        if gap is not None:
            heard = f"last heard from it {fmt.duration(gap)} ago"
        state = "its primary answers: there are two then" if now.link_up else "its primary is gone"
        return Plan(
            summary=f"promote {self._source}: it follows {old} no longer and may be written",
            affects=(heard, state),
            count=1,
            reversible=True,
            undo_note=f"undo lets it follow {old} again; what was written here meanwhile is lost then",
            warnings=("writes that had not arrived here are lost", "clients must be pointed here"),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Promote, and see that it says so.

        Raises:
            PartlyDone: it leads, but clients cannot see that it was promoted last.
        """
        before = await self._power.replication()
        undo = {"primary": before.primary, "source": self._source}
        try:
            took = await self._power.promote()
        except (Protocol, Refused, Unsupported) as error:
            if (await self._power.replication()).role != "primary":
                raise
            text = f"{self._source} is a primary, but could not count it (run INCR __region there): {error}"
            raise PartlyDone(text, Receipt(text, done=1, undo=undo)) from error
        after = await self._power.replication()
        if after.role != "primary":
            raise Lost(f"{self._source} says it is a {after.role} still")
        text = f"{self._source} is a primary at offset {after.offset:,}, after {fmt.duration(took)}"
        return Receipt(text, done=1, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Follow the old primary again."""
        to = str((receipt.undo or {})["primary"])
        return await Follow(self._power, self._source, to=to).run(lambda _progress: None)


class Follow:
    """Lets a server follow another one, `to` as host:port: all it holds is replaced by a copy of that."""

    id: ClassVar[str] = "cache.follow"
    title: str = "Follow another server"
    risk: Risk = Risk.DESTROYS
    deadline: float = 600.0

    def __init__(self, power: ReplicaPromoter, source: str, *, to: str) -> None:
        self._power = power
        self._source = source
        self._to = to
        self.params = {"to": to}
        self.target = f"{source} to {inert(to, 60)}"

    async def plan(self) -> Plan:
        """What goes, what comes.

        Raises:
            PlanRejected: `to` is no host:port, or it follows that one already.
        """
        host, port = place(self._to)
        now = await self._power.replication()
        if now.role == "replica" and now.primary == f"{host}:{port}":
            raise PlanRejected(f"{self._source} follows {inert(self._to, 60)} already")
        replicas = f", its {fmt.many(len(now.replicas), 'replica')} with it" if now.replicas else ""
        return Plan(
            summary=f"let {self._source} follow {inert(self._to, 60)}",
            affects=(
                f"all that {self._source} holds is replaced by a copy of {inert(self._to, 60)}{replicas}",
            ),
            count=1,
            reversible=False,
            warnings=("what was written only here is lost",),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Follow, and wait until the copy is whole and the link stands.

        Raises:
            Lost: the server is no replica any more, of that one.
        """
        host, port = place(self._to)
        await self._power.follow(host, port)
        while True:
            now = await self._power.replication()
            if now.role != "replica" or now.primary != f"{host}:{port}":
                raise Lost(
                    f"{self._source} does not follow {inert(self._to, 60)}: somebody else changed that"
                )
            if now.link_up and not now.syncing:
                return Receipt(
                    f"{self._source} follows {inert(self._to, 60)} at offset {now.offset:,}", done=1
                )
            report(Progress(0, None, "taking over the copy" if now.syncing else "reaching it"))
            await asyncio.sleep(STEP)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: what the server held is gone."""
        raise PlanRejected(f"that is not undone: what it held is gone ({receipt.summary})")


class TakeOver(Promote):
    """Makes the region `node` of a pair its primary."""

    id: ClassVar[str] = "cache.takeover"
    title: str = "Promote this region"

    def __init__(
        self, power: RegionPair, source: str, *, node: str, bound: float | None = None, force: bool = False
    ) -> None:
        most = power.bound if bound is None else bound
        super().__init__(power.region(node), f"{source} {inert(node, 60)}", bound=most, force=force)
        self.params |= {"node": node}


class Rejoin(Follow):
    """Lets the region `node` of a pair follow the region `to`."""

    id: ClassVar[str] = "cache.rejoin"
    title: str = "Let a region follow"

    def __init__(self, power: RegionPair, source: str, *, node: str, to: str) -> None:
        power.region(to)
        super().__init__(power.region(node), f"{source} {inert(node, 60)}", to=to)
        self.params |= {"node": node}


def place(text: str) -> tuple[str, int]:
    """host:port.

    Raises:
        PlanRejected: it is none.
    """
    host, _, port = text.rpartition(":")
    if (
        not host
        or not port.isdecimal()
        or not 0 < int(port) < 65_536
        or not host.isprintable()
        or " " in host
    ):
        raise PlanRejected(f"name a server as host:port, not {inert(text, 60)!r}")
    return host.strip("[]"), int(port)
