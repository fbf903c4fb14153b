"""Having the nodes of a cache warm a set of their keys, and waiting until they have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected
from perftui.model.ports import NodeReader
from perftui.model.warmask import NAME, WarmSet, warm_sets

LOOK: Final = 1.0  # seconds between two looks at the nodes' records
Sets = Mapping[str, WarmSet]


class WarmKeys:
    """Ask every node that has the set; one of them loads what is not fresh, the others take it from L2."""

    id: ClassVar[str] = "cache.warm"
    title: str = "Warm a set of keys"
    risk: Risk = Risk.CHANGES
    deadline: float = 1800.0

    def __init__(self, power: NodeReader, source: str, *, namespace: str, name: str = "start") -> None:
        self._power = power
        self._namespace = namespace
        self._name = name
        self._before: Sets = {}
        self.target = f"{source} {inert(namespace, 80)} {inert(name, 40)}"
        self.params = {"namespace": namespace, "name": name}

    async def plan(self) -> Plan:
        """Which nodes would; PlanRejected where none has such a set."""
        self._before = await self._sets() if NAME.fullmatch(self._name) else {}
        if not self._before:
            raise PlanRejected(f"no node publishes such a warm set: {self.target}")
        keys = max(one.total for one in self._before.values())
        return Plan(
            summary=f"warm {self.target}",
            affects=(
                f"nodes: {len(self._before)}; keys: {fmt.count(keys)}, less those that are fresh in L2",
                *(_line(one) for one in self._before.values()),
            ),
            count=keys,
        )

    async def run(self, report: Report) -> Receipt:
        """Ask, and wait until each node that still publishes has done it."""
        if not self._before:
            raise PlanRejected("nothing was planned yet")
        now = self._before
        try:
            await self._power.ask_warm(self._namespace, self._name)
            while True:
                await asyncio.sleep(LOOK)
                now = await self._sets()
                waiting = [self._waits(one, now.get(node)) for node, one in self._before.items()]
                total = sum(one.total for one in now.values())
                report(Progress(total - sum(one.left for one in now.values()), total, "keys warm"))
                if not any(waiting):
                    break
        except asyncio.CancelledError:
            receipt = self._receipt(now, "no longer waited for, the nodes go on: ")
            raise Cancelled(receipt.summary, receipt) from None
        receipt = self._receipt(now, "")
        if receipt.failed or not now:
            raise PartlyDone(receipt.summary if now else f"{self.target}: its nodes are gone", receipt)
        return receipt

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: what is warm expires by itself."""
        raise PlanRejected(f"warming is not undone: purge instead ({receipt.summary})")

    @staticmethod
    def _waits(before: WarmSet, now: WarmSet | None) -> bool:
        """Whether a node has not done it; one that was warming begins again after that."""
        return now is not None and now.runs < before.runs + 1 + (before.left > 0)

    def _receipt(self, now: Sets, lead: str) -> Receipt:
        loaded, failed = (self._gained(now, what) for what in ("loaded", "failed"))
        text = f"{lead}{self.target}: {fmt.many(loaded, 'key')} loaded at {fmt.many(len(now), 'node')}"
        lost = (f"{fmt.count(failed)} failed",) if failed else ()
        facts = {"loaded": loaded, "failed": failed, "nodes": len(now)}
        return Receipt(", ".join((text, *lost)), done=loaded, failed=lost, facts=facts)

    def _gained(self, now: Sets, what: str) -> int:
        return sum(
            max(0, getattr(one, what) - getattr(self._before[node], what))
            for node, one in now.items()
            if node in self._before
        )

    async def _sets(self) -> Sets:
        look = await self._power.nodes()
        return {
            one.node: one
            for one in warm_sets(look.records)
            if (one.namespace, one.name) == (self._namespace, self._name)
        }


def _line(one: WarmSet) -> str:
    return f"{inert(one.node, 40)}: {fmt.many(one.total, 'key')}, {fmt.count(one.left)} of them waiting now"
