"""Orders to the nodes of a namespace: end a load that hangs, try again what the database refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import ClassVar, Final, NamedTuple

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.obeyed import UNTOLD
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected
from perftui.model.nodeorders import Order, OrderGiver, What, new_order
from perftui.model.nodework import LONG, WRITE, Obeyed, letters, mark_of, oldest
from perftui.model.tiers import TierStats

LOOK: Final = 0.5  # seconds between two looks at the nodes' records
PATIENCE: Final = 12.0  # seconds in which every node has looked, and the record of a dead one has ended
NAMED: Final = 8  # nodes told of in a plan
NOT_REACHED: Final = "not reached: processes that publish nothing (`publish=False`)"

Said = Mapping[str, Obeyed]
"""What nodes said of an order, by node."""


class _Asked(NamedTuple):
    """The nodes of a namespace that obey orders, and what else is to be known of the others."""

    nodes: Mapping[str, TierStats]
    warnings: tuple[str, ...]


class _Nodes:
    """The nodes of a namespace, given an order and listened to."""

    def __init__(self, power: OrderGiver, source: str, namespace: str) -> None:
        self._power = power
        self._namespace = namespace
        self.target = f"{source} {inert(namespace, 80)}"

    async def asked(self) -> _Asked:
        """Those that publish now; PlanRejected where none of them obeys orders."""
        look = await self._power.nodes()
        mine = [one.stats for one in look.records if one.stats.namespace == self._namespace]
        able = {stats.node: stats for stats in mine if stats.work is not None}
        if not able:
            why = "its nodes are of a version that obeys no order" if mine else UNTOLD
            raise PlanRejected(f"{self.target}: {why}")
        warnings = []
        if len(able) < len(mine):
            warnings.append(f"{len(mine) - len(able)} nodes tell of no work: their version obeys no order")
        if look.more:
            warnings.append("there are more nodes than are read")
        return _Asked(able, tuple(warnings))

    async def obey(
        self, order: Order, names: tuple[str, ...], report: Report, outcome: Callable[[Said], str]
    ) -> Receipt:
        """Order it, and wait for these, 12 s at most; PartlyDone where one did not obey, or could not."""
        said: dict[str, Obeyed] = {}
        late = names
        await self._power.order_nodes(self._namespace, order)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while late:
                        await asyncio.sleep(LOOK)
                        late = await self._late(order, late, said)
                        report(Progress(len(names) - len(late), len(names), "nodes"))
        except asyncio.CancelledError:
            receipt = self._receipt(said, late, outcome)
            raise Cancelled(receipt.summary, receipt) from None
        receipt = self._receipt(said, late, outcome)
        if receipt.failed or late:
            raise PartlyDone(receipt.summary, receipt)
        return receipt

    async def _late(self, order: Order, late: tuple[str, ...], said: dict[str, Obeyed]) -> tuple[str, ...]:
        """Those that publish and have not obeyed yet; a server that is away for a moment tells nothing."""
        with suppress(BackendError):
            look = await self._power.nodes()
            mine = {r.stats.node: r.stats.work for r in look.records if r.stats.namespace == self._namespace}
            for name in late:
                work = mine.get(name)
                answer = work.answer(order.id) if work is not None else None
                if answer is not None:
                    said[name] = answer
            return tuple(name for name in late if name in mine and name not in said)
        return late

    def _receipt(self, said: Said, late: tuple[str, ...], outcome: Callable[[Said], str]) -> Receipt:
        text = f"{self.target}: {outcome(said)}"
        if late:
            text += f"; not told yet by {', '.join(map(_short, late[:3]))}"
        return Receipt(
            text,
            done=sum(answer.done for answer in said.values()),
            failed=tuple(f"{_short(node)}: {inert(a.error, 160)}" for node, a in said.items() if a.error),
            untouched=len(late),
            facts={"nodes": {node: answer.done for node, answer in said.items()}},
        )


class CancelLoad:
    """End the load of a key at each node that runs it; `mark` names the key where only its begin is known."""

    id: ClassVar[str] = "cache.cancel-load"
    title: str = "Cancel a load"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: OrderGiver, source: str, *, namespace: str, key: str, mark: str = "") -> None:
        self._nodes = _Nodes(power, source, namespace)
        self._key, self._mark = key, mark
        self._order: Order | None = None
        self._names: tuple[str, ...] = ()
        self._nodes.target += f" {inert(key, 80)}"
        self.target = self._nodes.target
        self.params = {"namespace": namespace, "key": key, "mark": mark}

    async def plan(self) -> Plan:
        """Which nodes load it, for how long, and what callers get; PlanRejected where none is known to."""
        asked = await self._nodes.asked()
        told = oldest((node, stats.work) for node, stats in asked.nodes.items())
        exact = self._mark or mark_of(self._key)
        loads = [one for one in told if one[1].mark in {exact, self._key}]
        if not loads and not self._mark:
            loads = [one for one in told if one[1].key == self._key]
        marks = sorted({load.mark for _, load in loads})
        warnings = asked.warnings
        if len(marks) > 1:
            raise PlanRejected(f"{self.target}: several keys begin so; name one of {', '.join(marks)}")
        if not loads:
            if not any(map(_hides_some, asked.nodes.values())):
                raise PlanRejected(f"{self.target}: no node loads it for longer than {LONG:g} s")
            warnings = (*warnings, "no node tells of it: they tell of their five oldest loads, and run more")
        self._order = new_order(What.CANCEL, marks[0] if marks else exact)
        self._names = tuple(asked.nodes)
        return Plan(
            summary=f"{self.target}: end its load, at {_many(len(asked.nodes), 'node')}",
            affects=(
                *(f"{_short(node)}: for {fmt.duration(load.age_s)}" for node, load in loads[:NAMED]),
                *((f"and {len(loads) - NAMED} more nodes",) if len(loads) > NAMED else ()),
                "who waits gets the stale value if there is one, else LoadTimeout",
                "nothing is stored; the next call that misses the key loads it again",
                NOT_REACHED,
            ),
            count=len(loads) or None,
            warnings=warnings,
        )

    async def run(self, report: Report) -> Receipt:
        """Order it, and wait until every node says what came of it."""
        if self._order is None:
            raise PlanRejected("nothing was planned yet")
        return await self._nodes.obey(self._order, self._names, report, self._outcome)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: a load that was ended does not go on."""
        raise PlanRejected(f"a load is not begun again from here: the next miss does ({receipt.summary})")

    def _outcome(self, said: Said) -> str:
        ended = sum(1 for answer in said.values() if answer.done)
        if not ended and len(said) == len(self._names):
            return "no node was loading it any more"
        return f"cancelled at {ended} of {_many(len(self._names), 'node')}"


class RetryWrites:
    """Have dead letters of write-behind tried again, and at once the writes that wait for their next try."""

    id: ClassVar[str] = "cache.retry-writes"
    title: str = "Try refused writes again"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: OrderGiver, source: str, *, namespace: str) -> None:
        self._nodes = _Nodes(power, source, namespace)
        self._order: Order | None = None
        self._names: tuple[str, ...] = ()
        self.target = self._nodes.target
        self.params = {"namespace": namespace}

    async def plan(self) -> Plan:
        """How many letters and writes there are at which nodes; PlanRejected where nothing waits."""
        asked = await self._nodes.asked()
        nodes = asked.nodes.values()
        own, shared = ([_gauge(one, name) for one in nodes] for name in ("dead", "dead_shared"))
        dead = letters(own, shared)
        waiting = round(sum(_gauge(one, "waiting") for one in nodes))
        if not dead and not waiting:
            raise PlanRejected(f"{self.target}: no write waits, and there is no dead letter")
        self._order, self._names = new_order(What.RETRY), tuple(asked.nodes)
        over = "a letter goes over what was written of its key since, unless the writer minds sequences"
        return Plan(
            summary=f"{self.target}: try again {_many(dead, 'dead letter')} and {_many(waiting, 'write')}",
            affects=(
                *[line for one in nodes for line in _writes_of(one)][: 2 * NAMED],
                "what failed has five more tries over some 20 s, then it is a dead letter again",
                NOT_REACHED,
            ),
            count=dead + waiting,
            warnings=(*asked.warnings, over) if dead else asked.warnings,
        )

    async def run(self, report: Report) -> Receipt:
        """Order it, and wait until every node says how many it tries."""
        if self._order is None:
            raise PlanRejected("nothing was planned yet")
        return await self._nodes.obey(self._order, self._names, report, self._outcome)

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: what the database took it keeps."""
        raise PlanRejected(f"writes are not taken back ({receipt.summary})")

    def _outcome(self, said: Said) -> str:
        tried = _many(sum(answer.done for answer in said.values()), "write")
        return f"{tried} tried again, obeyed at {len(said)} of {_many(len(self._names), 'node')}"


def _hides_some(stats: TierStats) -> bool:
    return stats.work is not None and stats.work.long > len(stats.work.loads)


def _gauge(stats: TierStats, name: str) -> float:
    return min(max(0.0, stats.gauges.get(f"writes.{name}", 0.0)), 1e12)  # anybody may have written it


def _writes_of(stats: TierStats) -> Iterator[str]:
    """What waits at a node, and why it failed."""
    own, shared, waiting = (round(_gauge(stats, name)) for name in ("dead", "dead_shared", "waiting"))
    age = fmt.duration(_gauge(stats, "oldest_s"))
    parts = [
        *([_many(own, "dead letter")] if own else ()),
        *([f"{_many(shared, 'dead letter')} in the journal of all nodes"] if shared else ()),
        *([f"{_many(waiting, 'write')} waiting, the oldest for {age}"] if waiting else ()),
    ]
    work = stats.work
    if not parts or work is None:
        return
    yield f"{_short(stats.node)}: {', '.join(parts)}"
    keys = [inert(one.key, 40) for one in work.waiting if one.what == WRITE]
    if keys:
        yield f"  {', '.join(keys)}"
    if work.error:
        yield f"  failed last: {inert(work.error, 160)}"


def _many(count: int, what: str) -> str:
    return f"{fmt.count(count)} {what}" + ("" if count == 1 else "s")


def _short(node: str) -> str:
    return inert(node[:8], 8)
