"""Setting a number of instances: compare-and-set on the workload's revision, undone to the former number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.autoscaling import Scale
from perftui.model.errors import PartlyDone, PlanRejected
from perftui.model.ports import Scalable

POLL = 0.2
PATIENCE = 25.0  # seconds for the pool to reach the wanted number


class ScaleTo:
    """Want `n` instances of `ref`, then follow until that many are ready and surplus ones are gone."""

    id: ClassVar[str] = "scaling.set"
    title: ClassVar[str] = "Scale to N"
    risk: ClassVar[Risk] = Risk.CHANGES
    deadline: ClassVar[float] = 30.0

    def __init__(self, power: Scalable, source: str, *, n: int, ref: str = "pool") -> None:
        self._power = power
        self._ref = ref
        self._n = n
        self._planned: Scale | None = None
        self.target = source

    async def plan(self) -> Plan:
        """From what to what, and what happens to requests in flight; PlanRejected out of bounds."""
        now = self._planned = await self._power.scale(self._ref)
        if not now.minimum <= self._n <= now.maximum:
            raise PlanRejected(
                f"{self.target}: {self._n} is outside its bounds {now.minimum} to {now.maximum}"
            )
        step = self._n - now.desired
        affects = [f"wanted {now.desired} → {self._n} (running {now.running}, ready {now.ready})"]
        if step < 0:
            affects.append(f"{-step} drained: no new requests, those in flight finish first")
        elif step > 0:
            affects.append(f"{step} started; they take traffic once ready")
        else:
            affects.append("no change: that many are wanted already")
        return Plan(
            f"Scale {self.target} from {now.desired} to {self._n}",
            tuple(affects),
            count=abs(step),
            reversible=True,
            undo_note=f"back to {now.desired}",
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Set the number at the planned revision and wait for it."""
        before = self._planned or await self._power.scale(self._ref)
        await self._power.set_replicas(self._ref, self._n, revision=before.revision)
        after = await self._settle(self._n, report)
        return Receipt(
            f"{self.target}: {before.desired} → {self._n} wanted, {after.ready} ready",
            done=abs(self._n - before.desired),
            facts={"before": before.desired, "after": self._n, "revision": after.revision},
            undo={"n": before.desired, "revision": after.revision},
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """Back to the former number, unless somebody else changed it meanwhile (PlanRejected)."""
        now = await self._power.scale(self._ref)
        if receipt.undo is None or now.revision != receipt.undo["revision"]:
            raise PlanRejected(f"{self.target} was changed since (now {now.desired}): not undone")
        former = int(receipt.undo["n"])
        await self._power.set_replicas(self._ref, former, revision=now.revision)
        after = await self._settle(former, lambda _progress: None)
        return Receipt(f"{self.target}: back to {former} wanted, {after.ready} ready", done=1)

    async def _settle(self, n: int, report: Callable[[Progress], None]) -> Scale:
        now: Scale = await self._power.scale(self._ref)
        try:
            async with asyncio.timeout(PATIENCE):
                while not now.ready == now.running == n:
                    report(Progress(now.ready, n, f"{now.running} running, {now.ready} ready"))
                    await asyncio.sleep(POLL)
                    now = await self._power.scale(self._ref)
        except TimeoutError as error:
            text = f"{self.target}: {n} wanted, but {now.running} running and {now.ready} ready"
            raise PartlyDone(text, Receipt(text, done=now.ready, undo=None)) from error
        report(Progress(n, n, f"{now.ready} ready"))
        return now
