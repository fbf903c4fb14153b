"""Something set for all nodes of a namespace, waited for until they say that they obey, and taken back."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import BackendError, Cancelled, PlanRejected
from perftui.model.noderecord import NodesLook
from perftui.model.tiers import TierStats

UNTOLD: Final = "no node publishes it: a cache with `publish=False` cannot be told"
LOOK: Final = 0.5  # seconds between two looks at the nodes' records
PATIENCE: Final = 10.0  # seconds in which every node has looked and published, several times


class Keeper(Protocol):
    """A cache server with nodes."""

    async def nodes(self) -> NodesLook:
        """Those that published lately."""
        ...


class Told(Protocol):
    """What a node says of itself: in force `now`, and by its `own` options."""

    @property
    def now(self) -> Any:
        """In force."""
        ...

    @property
    def own(self) -> Any:
        """By its options."""
        ...


V = TypeVar("V")  # what is set
N = TypeVar("N", bound=Told)  # what nodes say of it


class SetPolicy(ABC, Generic[V, N]):
    """Set it, or (None) let each node do as its options say, and see it obeyed."""

    id: ClassVar[str]
    field: ClassVar[str]
    """Name of the parameter, and of the value in what undoes it."""
    mute: ClassVar[str]
    """Why a node says nothing of it."""
    not_reached: ClassVar[tuple[str, ...]] = ()
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, keeper: Keeper, source: str, namespace: str, typed: str) -> None:
        self._keeper = keeper
        self._namespace = namespace
        self._typed = typed
        self._value: V | None = None
        self._before: V | None = None
        self._nodes: Mapping[str, N] | None = None
        self.target = f"{source} {inert(namespace, 80)}"
        self.params = {"namespace": namespace, self.field: typed}

    @abstractmethod
    def read(self, text: str) -> V | None:
        """What was typed; ValueError says what is wrong with it."""

    @abstractmethod
    async def kept(self, namespace: str) -> V | None:
        """What is set now."""

    @abstractmethod
    async def keep(self, namespace: str, value: V | None) -> None:
        """Set it, or nothing."""

    @abstractmethod
    def told(self, stats: TierStats) -> N | None:
        """What a node says; None where it says nothing."""

    @abstractmethod
    def wanted(self, told: N, value: V | None) -> Any:
        """What would be in force at a node."""

    @abstractmethod
    def words(self, value: V | None) -> str:
        """It as a noun."""

    @abstractmethod
    def line(self, told: N, value: V | None) -> str:
        """What changes at such a node."""

    def goal(self, value: V | None) -> str:
        """What is to be in force."""
        return self.words(value)

    def cautions(self, _nodes: Mapping[str, N], _value: V | None) -> Iterator[str]:
        """Warnings of the plan."""
        yield from ()

    async def plan(self) -> Plan:
        """Nodes by what they would change from; PlanRejected where none would, or it cannot be set."""
        try:
            value = self._value = self.read(self._typed)
        except ValueError as error:
            raise PlanRejected(inert(str(error), 200)) from error
        nodes, mute, more = await self._look()
        self._before = await self.kept(self._namespace)
        if not nodes and (mute or value is not None or self._before is None):
            raise PlanRejected(f"{self.target}: {self.mute if mute else UNTOLD}")
        if value == self._before and all(told.now == self.wanted(told, value) for told in nodes.values()):
            raise PlanRejected(f"{self.target}: {self.goal(value)} is in force already")
        self._nodes = nodes
        warnings = []
        if mute:
            warnings.append(f"{fmt.many(mute, 'node')} would not obey: {self.mute}")
        if more:
            warnings.append("there are more nodes than are read")
        told = sorted(Counter(nodes.values()).items(), key=lambda one: -one[1])
        return Plan(
            summary=f"{self.target}: {self.goal(value)}",
            affects=(
                *(f"{fmt.many(n, 'node')}: {self.line(one, value)}" for one, n in told),
                *self.not_reached,
            ),
            count=len(nodes),
            reversible=True,
            undo_note=f"back to {self.words(self._before)}",
            warnings=(*warnings, *self.cautions(nodes, value)),
        )

    async def run(self, report: Report) -> Receipt:
        """Set it, and wait until each node that still publishes says that it obeys; 10 s at most."""
        if self._nodes is None:
            raise PlanRejected("nothing was planned yet")
        late = tuple(self._nodes)
        await self.keep(self._namespace, self._value)
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
        namespace, value, before = str(old["namespace"]), old[self.field], old["before"]
        now = await self.kept(namespace)
        if now != value:
            raise PlanRejected(f"{self.words(now)} is in force by now: somebody changed it since")
        await self.keep(namespace, before)
        return Receipt(f"{inert(namespace, 80)}: back to {self.words(before)}", done=1)

    async def _late(self, late: tuple[str, ...]) -> tuple[str, ...]:
        """Those that publish and do not obey yet; a server that is away for a moment tells nothing."""
        with suppress(BackendError):
            nodes, value = (await self._look())[0], self._value
            told = {name: nodes[name] for name in late if name in nodes}
            return tuple(name for name, one in told.items() if one.now != self.wanted(one, value))
        return late

    async def _look(self) -> tuple[Mapping[str, N], int, bool]:
        """The nodes of the namespace that say it, how many say nothing, and whether there are more."""
        look = await self._keeper.nodes()
        mine = [one.stats for one in look.records if one.stats.namespace == self._namespace]
        found = {stats.node: told for stats in mine if (told := self.told(stats)) is not None}
        return found, len(mine) - len(found), look.more

    def _receipt(self, late: tuple[str, ...]) -> Receipt:
        assert self._nodes is not None
        done, of = len(self._nodes) - len(late), len(self._nodes)
        text = f"{self.target}: {self.goal(self._value)}, obeyed at {done} of {fmt.many(of, 'node')}"
        if late:
            text += f"; not yet at {inert(', '.join(name[:8] for name in late[:3]), 40)}"
        undo = {"namespace": self._namespace, self.field: self._value, "before": self._before}
        return Receipt(text, done=done, untouched=len(late), undo=undo)
