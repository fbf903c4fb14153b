"""A primary of the lab's own servers killed on purpose, and the failover judged against a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.failover import step_text, verdict
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cachecluster import ClusterMember, words
from perftui.model.clusterports import FailoverRehearser
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected
from perftui.model.failoverbudget import BUDGET, budget_for, group_budget_for
from perftui.model.rehearsal import Rehearsal, Step

PATIENCE = 10.0
"""Budgets that are waited for a replica to take over."""

Keep = Callable[[Rehearsal], Awaitable[None]]


class Rehearse:
    """Kills the primary `node` (default: the first), measures the failover, revives what was killed.

    Of a cluster, or of a group with sentinels. `budget` is the outage allowed at a node timeout of half a
    second; `keep` is told the result. Only where the lab's control socket says that it holds this very node.
    """

    id: ClassVar[str] = "cache.rehearse"
    title: str = "Kill a primary of the lab now"
    risk: Risk = Risk.DESTROYS
    deadline: float = 300.0

    def __init__(
        self,
        power: FailoverRehearser,
        source: str,
        *,
        node: str = "",
        budget: float = BUDGET,
        keep: Keep | None = None,
    ) -> None:
        self._power = power
        self._source = source
        self._node = node
        self._base = budget
        self._keep = keep
        self.params = {"node": node, "budget": budget}
        self.target = f"{source} {inert(node, 60) or 'the first primary'}"

    async def plan(self) -> Plan:
        """Whom it hits, and what is expected.

        Raises:
            PlanRejected: the node is not the lab's, or the cluster could not survive its death.
        """
        victim, members, lag = await self._settled()
        timeout, budget = await self._allowed(victim, members)
        heirs = ", ".join(m.address for m in members if m.primary == victim.id)
        part = f"{victim.slot_count:,} slots ({words(victim.slots)})" if victim.slots else self._source
        return Plan(
            summary=f"kill {victim.address} of {self._source} (SIGKILL) and measure who takes over, and when",
            affects=(
                f"{part} cannot be written until then",
                f"{heirs} can take over, {fmt.bytes_(lag)} behind",
                f"budget {fmt.duration(budget)} at a {_silence(members)} of {fmt.duration(timeout)}",
                f"{victim.address} is started again at the end, as a replica",
            ),
            count=1,
            warnings=(
                "what it acknowledged and no replica has is lost",
                "each primary is written 50 times a second meanwhile (perftui:beat:…), to count what fails",
            ),
            challenge=victim.address,
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Do it.

        Raises:
            PartlyDone: nobody took over, or the result could not be kept; the receipt has it.
            Cancelled: it was stopped; the node is up again.
        """
        victim, members, lag = await self._settled()
        timeout, budget = await self._allowed(victim, members)
        seen: list[Step] = []

        def tell(step: Step) -> None:
            seen.append(step)
            report(Progress(len(seen), None, step_text(step)))

        try:
            measured = await self._power.lab.rehearse(victim, members, PATIENCE * budget + 5.0, tell)
        except asyncio.CancelledError:
            if not seen:
                raise
            receipt = Receipt(f"stopped; {victim.address} was killed and started again", done=1)
            raise Cancelled(receipt.summary, receipt) from None
        except BackendError as error:
            if not seen:
                raise
            receipt = Receipt(f"{victim.address} was killed and may not be up again", done=1)
            raise PartlyDone(f"{receipt.summary}: {error}", receipt) from error
        result = Rehearsal(self._source, victim.address, victim.slots, timeout, budget, measured, lag)
        if self._keep is not None:
            await self._keep(result)
        receipt = Receipt(verdict(result), done=1, facts={"rehearsal": result, "score": result.score})
        if not measured.taken_by:
            raise PartlyDone(receipt.summary, receipt)
        return receipt

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: the roles are as a failover leaves them; a switchover changes them back."""
        raise PlanRejected(f"make {self._node or 'it'} the primary again by a switchover ({receipt.summary})")

    async def _allowed(
        self, victim: ClusterMember, members: tuple[ClusterMember, ...]
    ) -> tuple[float, float]:
        """Seconds of silence after which it is suspected, and the outage that is in the budget."""
        timeout: float = await self._power.lab.node_timeout(victim)
        return timeout, (group_budget_for if grouped(members) else budget_for)(timeout, self._base)

    async def _settled(self) -> tuple[ClusterMember, tuple[ClusterMember, ...], int]:
        """The primary, all members, and how far its nearest replica is behind."""
        members: tuple[ClusterMember, ...] = await self._power.members()
        bad = next((m for m in members if m.state != "ok"), None)
        if bad is not None:
            raise PlanRejected(f"{bad.address} is {bad.state}: rehearse with a cluster that is whole")
        victim = await self._victim(members)
        if grouped(members):
            if victim.role != "primary":
                raise PlanRejected(f"{victim.address} is a {victim.role}: name the primary")
        elif victim.role != "primary" or not victim.slots:
            raise PlanRejected(f"{victim.address} holds no slots: name a primary that does")
        elif sum(m.role == "primary" and bool(m.slots) for m in members) < 3:
            raise PlanRejected("with fewer than three primaries no majority elects another one")
        if await self._power.lab.number(victim) is None:
            raise PlanRejected(f"{victim.address} is not the lab's own: it is not killed")
        lags = [await self._power.lag(m) for m in members if m.primary == victim.id]
        known = [lag for lag in lags if lag is not None]
        if not known:
            raise PlanRejected(f"no replica of {victim.address} is linked to it: nobody could take over")
        return victim, members, min(known)

    async def _victim(self, members: tuple[ClusterMember, ...]) -> ClusterMember:
        if self._node:
            named: ClusterMember = await self._power.member(self._node)
            return named
        leads = (m for m in members if m.role == "primary" and (m.slots or grouped(members)))
        holders = sorted(leads, key=lambda m: m.slots)
        if not holders:
            raise PlanRejected(f"no primary of {self._source} holds slots")
        return holders[0]


def grouped(members: tuple[ClusterMember, ...]) -> bool:
    """Whether sentinels watch them: else they are a cluster, whose nodes elect by themselves."""
    return any(member.role == "sentinel" for member in members)


def _silence(members: tuple[ClusterMember, ...]) -> str:
    """What the time is called after which one is suspected."""
    return "down-after" if grouped(members) else "node timeout"
