"""Predictive warming that turned itself off: the finding, and trusting it again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.errors import Cancelled, PlanRejected
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.ports import NodeReader
from perftui.model.predicted import ASK, Predicted, PredictedGroup, precision
from perftui.model.tierview import TierNode
from perftui.model.warmask import ASK_LIFE

LOOK: Final = 1.0  # seconds between two looks at the nodes' records
NAMED: Final = 3  # groups and nodes that are told one by one


def turned_off(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """A finding a namespace that has predictions off at any node; a replica has copies of the records."""
    if node.role == "replica":
        return
    by_name: dict[str, list[TierNode]] = {}
    for one in facts.tiers.nodes if facts.tiers is not None else ():
        if one.predicted is not None and any(group.off for group in one.predicted.groups):
            by_name.setdefault(one.namespace, []).append(one)
    for namespace, nodes in by_name.items():
        yield Finding(
            "cache.predictions-off",
            Severity.INFO,
            node.source,
            f"Predictive warming of {inert(namespace, 60)} turned itself off",
            tuple(_evidence(nodes)),
            effort=Effort.KEY,
            offer=Offer(
                "cache.predict-again",
                node.source,
                f"Trust the predictions of {inert(namespace, 60)} again",
                (("namespace", namespace),),
            ),
            labels=(("namespace", inert(namespace, 60)),),
        )


def _evidence(nodes: list[TierNode]) -> Iterator[str]:
    every = [(one, group) for one in nodes if one.predicted is not None for group in one.predicted.groups]
    off = [(one, group) for one, group in every if group.off is not None]
    for one, group in off[:NAMED]:
        yield f"{_of(group)} at {inert(one.node[:8])}"
    if len(off) > NAMED:
        yield f"off as well: {fmt.many(len(off) - NAMED, 'group')} more"
    tried = sum(group.day for _, group in off)
    if tried:
        would = fmt.ratio(sum(group.day_used for _, group in off) / tried)
        yield f"{would} of {fmt.count(tried)} that it would have loaded since, in a day, would have been used"
    good = precision(group for _, group in every)
    if good is not None:
        yield f"the other groups go on: {fmt.ratio(good)} of their loads are used"


def _of(group: PredictedGroup) -> str:
    off = group.off
    assert off is not None
    name = inert(group.name, 40) or "keys without a group"
    return f"{name}: {off.used} of {off.of} keys loaded ahead were used in the day before"


class PredictAgain:
    """Ask every node whose predictions are off to make them again; a day later it judges them anew."""

    id: ClassVar[str] = "cache.predict-again"
    title: str = "Trust predictions again"
    risk: Risk = Risk.CHANGES
    deadline: float = ASK_LIFE

    def __init__(self, power: NodeReader, source: str, *, namespace: str) -> None:
        self._power = power
        self._namespace = namespace
        self._before: Mapping[str, Predicted] = {}
        self.target = f"{source} {inert(namespace, 80)}"
        self.params = {"namespace": namespace}

    async def plan(self) -> Plan:
        """Which groups would load again; PlanRejected where none is off."""
        self._before = await self._off()
        lines = [
            f"{inert(node[:8])}: {_of(group)}"
            for node, told in self._before.items()
            for group in told.groups
            if group.off is not None
        ]
        if not lines:
            raise PlanRejected(f"no predictions are off: {self.target}")
        return Plan(summary=f"let predictions load again: {self.target}", affects=tuple(lines))

    async def run(self, report: Report) -> Receipt:
        """Ask, and wait until each node that still publishes says that they are on."""
        if not self._before:
            raise PlanRejected("nothing was planned yet")
        total, left = len(self._before), self._before
        try:
            await self._power.ask_warm(self._namespace, ASK)
            while left:
                await asyncio.sleep(LOOK)
                now = await self._off()
                left = {node: told for node, told in now.items() if node in self._before}
                report(Progress(total - len(left), total, "nodes"))
        except asyncio.CancelledError:
            receipt = self._receipt(total - len(left), tuple(left))
            raise Cancelled(receipt.summary, receipt) from None
        return self._receipt(total, ())

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: what does not pay turns itself off."""
        raise PlanRejected(f"predictions that do not pay turn themselves off again ({receipt.summary})")

    def _receipt(self, done: int, left: tuple[str, ...]) -> Receipt:
        text = f"{self.target}: predictions are on again at {done} of {fmt.many(len(self._before), 'node')}"
        return Receipt(text, done=done, failed=tuple(inert(node, 40) for node in left))

    async def _off(self) -> Mapping[str, Predicted]:
        look = await self._power.nodes()
        found = {}
        for record in look.records:
            told = record.stats.predicted
            off = told is not None and any(group.off is not None for group in told.groups)
            if told is not None and off and record.stats.namespace == self._namespace:
                found[record.stats.node] = told
        return found
