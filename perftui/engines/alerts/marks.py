"""What people say of an alert about an unusual value, and the threshold of its series that moves with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.desks import AlertDesk
from perftui.model.errors import PlanRejected

Report = Callable[[Progress], None]
WORDS = {"normal": "this is normal", "incident": "this was an incident"}


class MarkUnusual:
    """Say that an unusual value is `normal` (its series alarms later) or an `incident` (sooner)."""

    id: ClassVar[str] = "alerts.mark"
    title: str = "Mark the unusual value"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: AlertDesk, source: str, *, fingerprint: str, what: str) -> None:
        self._power, self._fingerprint, self._what = power, fingerprint, what
        self.params = {"fingerprint": fingerprint, "what": what}
        self.target = f"{source} {inert(fingerprint, 40)}"

    async def plan(self) -> Plan:
        """Old and new threshold; PlanRejected for an alert of another kind."""
        if self._what not in WORDS:
            raise PlanRejected(f"{self._what!r} is neither normal nor incident")
        alert = await self._power.alert(self._fingerprint)
        series, new, before = await self._power.mark(alert, normal=self._what == "normal")
        was = "as configured" if before is None else f"{before:.2g} sigmas"
        return Plan(
            summary=f"{WORDS[self._what]}: {inert(series, 120)} alarms from {new:.2g} sigmas on",
            affects=(
                f"until now: {was}",
                f"{inert(alert.title, 80)}: {alert.value:.2g} sigmas",
            ),
            count=1,
            reversible=True,
            undo_note="the threshold before",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        alert = await self._power.alert(self._fingerprint)
        series, new, before = await self._power.mark(alert, normal=self._what == "normal")
        await self._power.set_sigmas(series, new, self._what, alert)
        text = f"{inert(series, 120)} alarms from {new:.2g} sigmas on"
        return Receipt(
            text, 1, facts={"series": series, "sigmas": new}, undo={"series": series, "before": before}
        )

    async def undo(self, receipt: Receipt) -> Receipt:
        """The one before."""
        was = receipt.undo or {}
        alert = await self._power.alert(self._fingerprint)
        await self._power.set_sigmas(str(was["series"]), was["before"], f"not {self._what}", alert)
        return Receipt(f"{inert(str(was['series']), 120)} has its threshold before again", 1)
