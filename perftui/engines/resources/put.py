"""Sending figures to somebody else's store of metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.ports import MetricSink
from perftui.model.sink import Sent

SHOWN = 20


class PutFigures:
    """Send these values once; whoever keeps them may bill each series."""

    id: ClassVar[str] = "metrics.put"
    title: ClassVar[str] = "Send figures"
    risk: ClassVar[Risk] = Risk.CHANGES
    deadline: ClassVar[float] = 60.0

    def __init__(self, power: MetricSink, source: str, *, figures: Sequence[Sent]) -> None:
        self._power = power
        self._figures = tuple(figures)
        self.params = {"series": len(self._figures)}
        self.target = source

    async def plan(self) -> Plan:
        """Which series, and their values."""
        if not self._figures:
            raise PlanRejected("no series has a value of the last minute: nothing to send")
        rows = [f"{inert(one.name, 100)} {_labels(one)} {one.value:g}" for one in self._figures[:SHOWN]]
        more = len(self._figures) - SHOWN
        return Plan(
            f"send {len(self._figures)} values to {inert(self.target, 80)}",
            affects=(*rows, *((f"and {more} more",) if more > 0 else ())),
            count=len(self._figures),
            undo_note="what is sent is sent",
            warnings=("each series that is new there may cost money",),
        )

    async def run(self, report: Callable[[Progress], None]) -> Receipt:
        """Send them."""
        taken = await self._power.put_figures(self._figures)
        return Receipt(f"{inert(self.target, 80)} has taken {taken} values", done=taken)

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is no taking them back."""
        raise PlanRejected("what is sent is sent")


def _labels(one: Sent) -> str:
    return inert("{" + ",".join(f"{name}={value}" for name, value in one.labels) + "}", 200)
