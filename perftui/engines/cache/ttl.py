"""How long entries of a namespace live that are given no TTL: set for all its nodes, and taken back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import BackendError, Cancelled, PlanRejected
from perftui.model.finding import Offer
from perftui.model.namespacepolicy import MOST, read_ttl
from perftui.model.tiers import DefaultTtl
from perftui.model.tierview import TierFacts
from perftui.model.warmports import TtlKeeper

LOOK: Final = 0.5  # seconds between two looks at the nodes' records
PATIENCE: Final = 10.0  # seconds in which every node has looked and published, several times
LONGER: Final = 2.0  # times the TTL in force that is proposed where entries end too early
NOT_REACHED: Final = (
    "not reached: entries stored already, calls that give a `ttl` or `options` of their own,",
    "`l1_ttl` and `l2_ttl` of the nodes' options, and processes that publish nothing",
)


class SetTtl:
    """Set it (`ttl` such as `5m`) or let each node do as its options say (`default`), and see it obeyed."""

    id: ClassVar[str] = "cache.set-ttl"
    title: str = "Set the TTL of a namespace"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: TtlKeeper, source: str, *, namespace: str, ttl: str) -> None:
        self._power = power
        self._namespace = namespace
        self._typed = ttl
        self._ttl: float | None = None
        self._before: float | None = None
        self._nodes: Mapping[str, DefaultTtl] | None = None
        self.target = f"{source} {inert(namespace, 80)}"
        self.params = {"namespace": namespace, "ttl": ttl}

    async def plan(self) -> Plan:
        """Nodes by the TTL they would change from; PlanRejected where none would, or it is no TTL."""
        try:
            self._ttl = read_ttl(self._typed)
        except ValueError as error:
            raise PlanRejected(inert(str(error), 200)) from error
        nodes, mute, more = await self._told()
        self._before = await self._power.namespace_ttl(self._namespace)
        if not nodes and (mute or self._ttl is not None or self._before is None):
            why = "its nodes are of a version that obeys none" if mute else "no node publishes it"
            raise PlanRejected(f"{self.target}: {why}")
        if self._ttl == self._before and all(map(self._obeys, nodes.values())):
            raise PlanRejected(f"{self.target}: {self._goal} is in force already")
        self._nodes = nodes
        warnings = []
        if mute:
            warnings.append(f"{mute} nodes say no TTL: their version obeys none")
        if more:
            warnings.append("there are more nodes than are read")
        if any(told.now < self._wanted(told) for told in nodes.values()):
            warnings.append("where it is longer, what changes unseen by the cache is served for longer")
        return Plan(
            summary=f"{self.target}: {self._goal}",
            affects=(*self._lines(nodes), *NOT_REACHED),
            count=len(nodes),
            reversible=True,
            undo_note=f"back to {_policy(self._before)}",
            warnings=tuple(warnings),
        )

    async def run(self, report: Report) -> Receipt:
        """Set it, and wait until each node that still publishes says that it obeys; 10 s at most."""
        if self._nodes is None:
            raise PlanRejected("nothing was planned yet")
        late = tuple(self._nodes)
        await self._power.set_namespace_ttl(self._namespace, self._ttl)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while late:
                        await asyncio.sleep(LOOK)
                        late = await self._late(late)
                        report(Progress(len(self._nodes) - len(late), len(self._nodes), "nodes"))
        except asyncio.CancelledError:
            receipt = self._receipt(late)
            raise Cancelled(receipt.summary, receipt) from None
        return self._receipt(late)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Set what was set before, or nothing, unless somebody else set another since."""
        old = receipt.undo or {}
        namespace, ttl, before = str(old["namespace"]), old["ttl"], old["before"]
        now = await self._power.namespace_ttl(namespace)
        if now != ttl:
            raise PlanRejected(f"{_policy(now)} is in force by now: somebody changed it since")
        await self._power.set_namespace_ttl(namespace, before)
        return Receipt(f"{inert(namespace, 80)}: back to {_policy(before)}", done=1)

    @property
    def _goal(self) -> str:
        return f"{_policy(self._ttl)} for entries given none"

    def _wanted(self, told: DefaultTtl) -> float:
        """What would be in force at a node."""
        return told.own if self._ttl is None or told.own <= 0 else self._ttl

    def _obeys(self, told: DefaultTtl) -> bool:
        return told.now == self._wanted(told)

    def _lines(self, nodes: Mapping[str, DefaultTtl]) -> Iterator[str]:
        for told, count in sorted(Counter(nodes.values()).items(), key=lambda one: -one[1]):
            many = "1 node" if count == 1 else f"{fmt.count(count)} nodes"
            kept = "" if told.own > 0 else ": its options let nothing be stored"
            own = "" if told.own == told.now else f", {fmt.life(told.own)} by its options"
            yield f"{many}: {fmt.life(told.now)} → {fmt.life(self._wanted(told))}{own}{kept}"

    async def _late(self, late: tuple[str, ...]) -> tuple[str, ...]:
        """Those that publish and do not obey yet; a server that is away for a moment tells nothing."""
        with suppress(BackendError):
            nodes = (await self._told())[0]
            return tuple(name for name in late if name in nodes and not self._obeys(nodes[name]))
        return late

    async def _told(self) -> tuple[Mapping[str, DefaultTtl], int, bool]:
        """The nodes of the namespace that say a TTL, how many say none, and whether there are more."""
        look = await self._power.nodes()
        mine = [one.stats for one in look.records if one.stats.namespace == self._namespace]
        told = {stats.node: stats.ttl for stats in mine if stats.ttl is not None}
        return told, len(mine) - len(told), look.more

    def _receipt(self, late: tuple[str, ...]) -> Receipt:
        assert self._nodes is not None
        done, of = len(self._nodes) - len(late), len(self._nodes)
        text = f"{self.target}: {self._goal}, obeyed at {done} of {of} nodes"
        if late:
            text += f"; not yet at {inert(', '.join(name[:8] for name in late[:3]), 40)}"
        undo = {"namespace": self._namespace, "ttl": self._ttl, "before": self._before}
        return Receipt(text, done=done, untouched=len(late), undo=undo)


def _policy(ttl: float | None) -> str:
    return "the nodes' own TTL" if ttl is None else f"a TTL of {fmt.life(ttl)}"


def longer(source: str, facts: TierFacts | None, prefix: bytes) -> Offer | None:
    """Twice the TTL of the namespace that a prefix is of; None where that is not known, or has no end."""
    nodes = facts.nodes if facts is not None else ()
    name = prefix.removesuffix(b":").decode("utf-8", "backslashreplace")
    ttls = [node.ttl.now for node in nodes if node.namespace == name and node.ttl is not None]
    ttl = LONGER * max(ttls, default=0.0)
    if not 0 < ttl <= MOST:
        return None
    params = (("namespace", name), ("ttl", f"{ttl:g}s"))
    return Offer("cache.set-ttl", source, f"Set the TTL of {inert(name, 40)} to {fmt.life(ttl)}", params)
