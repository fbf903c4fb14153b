"""Having a node of a cache do one run of a warm job, and waiting until it has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import ClassVar, Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import BackendError, Cancelled, PartlyDone, PlanRejected
from perftui.model.warmask import NAME
from perftui.model.warmports import WarmQueue
from perftui.model.warmqueue import RUN, Order, Told, What

LOOK: Final = 1.0  # seconds between two looks at what its node says
PATIENCE: Final = 60.0  # seconds without a word after which nobody is believed to do it


class WarmRun:
    """Order a run; a node takes it, says how far it is, and another goes on where that one dies."""

    id: ClassVar[str] = "cache.warm-run"
    title: str = "Order a warm run"
    risk: Risk = Risk.CHANGES
    deadline: float = 3600.0

    def __init__(
        self,
        power: WarmQueue,
        source: str,
        *,
        namespace: str,
        name: str,
        run: str,
        what: str = "set",
        rate: float = 50.0,
        top: int = 0,
        keys: Sequence[str] = (),
        job: str = "",
    ) -> None:
        if not RUN.fullmatch(run) or not NAME.fullmatch(name) or what not in {one.value for one in What}:
            raise PlanRejected("a run has an id, a warm set, and says which keys: set, keys or top")
        self._power = power
        self._where = namespace, name
        self._order = Order(run, What(what), rate, top, job)
        self._keys = tuple(keys)
        self.target = f"{source} {inert(namespace, 80)} {inert(name, 40)}"
        self.params = {"namespace": namespace, "name": name, "what": what, "rate": rate, "run": run}

    async def tell(self, told: Told) -> None:
        """Who waits for the run puts here what is to hear of it."""

    async def plan(self) -> Plan:
        """What a node would do; PlanRejected where it names keys and has none."""
        what = self._order.what
        if what is What.KEYS and not self._keys:
            raise PlanRejected("the run names keys, and there are none")
        keys = {
            What.SET: f"the keys of its set {self._where[1]}",
            What.KEYS: f"{fmt.many(len(self._keys), 'key')}: {inert(', '.join(self._keys[:5]), 120)}",
            What.TOP: f"the {fmt.many(self._order.top, 'key')} that the node is asked for most",
        }[what]
        rate = f"{self._order.rate:g} {fmt.plural(self._order.rate, 'load')}"
        return Plan(
            summary=f"warm {self.target} at {rate} a second",
            affects=(keys, "one node loads what L2 does not have fresh; what is warm expires by itself"),
            count=len(self._keys) or None,
        )

    async def run(self, report: Report) -> Receipt:
        """Order it and wait; PartlyDone: keys failed, or its nodes fell silent; Cancelled takes it back."""
        told = Told("")
        try:
            async for told in self._told():
                report(Progress(told.settled, told.total, "keys warm"))
                await self.tell(told)
        except asyncio.CancelledError:
            with suppress(BackendError):
                await self._power.withdraw_warm(*self._where, self._order.run)
            receipt = self._receipt(told, "taken back: ")
            raise Cancelled(receipt.summary, receipt) from None
        receipt = self._receipt(told, "")
        if told.over and not receipt.failed:
            return receipt
        if told.over:
            raise PartlyDone(receipt.summary, receipt)
        await self._power.withdraw_warm(*self._where, self._order.run)
        silent = "its node says nothing any more" if told.node else "no node took it within a minute"
        raise PartlyDone(f"{self.target}: {silent}", self._receipt(told, f"{silent}: "))

    async def undo(self, receipt: Receipt) -> Receipt:
        """Not offered: what is warm expires by itself."""
        raise PlanRejected(f"warming is not undone: purge instead ({receipt.summary})")

    async def _told(self) -> AsyncIterator[Told]:
        """What its node says, until it is over or nothing new was heard for PATIENCE.

        A server that is away is waited for as long; an order that a failover lost is given again.
        """
        heard, last = time.monotonic(), Told("")
        while time.monotonic() - heard < PATIENCE:
            try:
                told, waits = await self._power.warm_told(*self._where, self._order.run)
                if told is None and not waits:
                    await self._power.order_warm(*self._where, self._order, self._keys)
            except BackendError:
                if not last.node:
                    raise
                told = None
            if told is not None and told != last:
                heard, last = time.monotonic(), told
                yield told
            if last.over:
                return
            await asyncio.sleep(LOOK)

    def _receipt(self, told: Told, lead: str) -> Receipt:
        error = f" ({inert(told.error, 120)})" if told.error else ""
        lost = (f"{fmt.count(told.failed)} failed{error}",) if told.failed or told.error else ()
        done = f"{fmt.many(told.loaded, 'key')} loaded, {fmt.count(told.fresh)} fresh already"
        facts = {"loaded": told.loaded, "fresh": told.fresh, "failed": told.failed, "node": told.node}
        text = f"{lead}{self.target}: {', '.join((done, *lost))}"
        return Receipt(text, done=told.loaded, failed=lost, facts=facts)
