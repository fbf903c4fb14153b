"""Maintenance windows that people enter: times that come again in which nobody is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import ClassVar

from perftui.analysis.maintenance import checked, cron_of, next_times
from perftui.analysis.matchers import parse_matchers
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.alerts import Maintenance
from perftui.model.desks import AlertDesk
from perftui.model.errors import ConfigError, PlanRejected

Report = Callable[[Progress], None]


class Maintain:
    """Hush what matches at times that come again: `when` as cron or `sat 02:00`, for `seconds`, in a zone."""

    id: ClassVar[str] = "alerts.maintain"
    title: str = "Add a maintenance window"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(
        self,
        power: AlertDesk,
        source: str,
        *,
        name: str,
        matchers: str,
        when: str,
        seconds: float = 3600.0,
        timezone: str = "UTC",
        note: str = "",
    ) -> None:
        self._power = power
        self._name, self._matchers, self._when = name, matchers, when
        self._seconds, self._timezone, self._note = seconds, timezone, note[:500]
        self.params = {"name": name, "matchers": matchers, "when": when, "seconds": seconds}
        self.params |= {"timezone": timezone, "note": self._note}
        self.target = f"{source} {inert(name, 60)}"

    def _window(self) -> Maintenance:
        try:
            cron, matchers = cron_of(self._when), parse_matchers(self._matchers)
            made = Maintenance(self._name, matchers, cron, self._seconds, self._timezone, note=self._note)
            return checked(made)
        except (ConfigError, ValueError) as error:
            raise PlanRejected(str(error)) from error

    async def plan(self) -> Plan:
        """Its next times and what it would hush now; PlanRejected for what is no window."""
        window = self._window()
        reached = await self._power.reached(window.matchers)
        known = await self._power.calendars()
        if window.calendar and window.calendar not in known.names:
            raise PlanRejected(f"there is no calendar {inert(window.calendar, 60)} in [alerts.calendars]")
        nexts = next_times(window, time.time(), occasions=known.occasions)
        times = ", ".join(fmt.stamp(at)[:-3] for at in nexts) or "none known"
        long = "as long as it lasts" if window.calendar else fmt.duration(self._seconds).strip()
        return Plan(
            summary=f"maintenance window {inert(self._name, 60)}: {inert(self._matchers, 120)} is hushed"
            f" for {long} at {inert(window.again, 80)}",
            affects=(f"next: {times} UTC", *(f"{a.word} {inert(a.title, 60)}" for a in reached[:10])),
            count=len(reached),
            reversible=True,
            undo_note="takes the window away, or puts the one before in its place",
        )

    async def run(self, report: Report) -> Receipt:
        """Enter it."""
        window = self._window()
        before = await self._power.maintain(self._name, window)
        undo = {"before": _told(before)}
        text = f"maintenance window {inert(self._name, 60)} is in force"
        return Receipt(text, 1, facts={"id": window.id, "cron": window.cron}, undo=undo)

    async def undo(self, receipt: Receipt) -> Receipt:
        """As it was."""
        await self._power.maintain(self._name, _read((receipt.undo or {})["before"]))
        return Receipt(f"maintenance window {inert(self._name, 60)} is as it was", 1)


class Unmaintain:
    """Take a maintenance window away; one that the configuration declares is taken out there."""

    id: ClassVar[str] = "alerts.unmaintain"
    title: str = "Remove the maintenance window"
    risk: Risk = Risk.CHANGES
    deadline: float = 15.0

    def __init__(self, power: AlertDesk, source: str, *, name: str) -> None:
        self._power, self._name = power, name
        self.params = {"name": name}
        self.target = f"{source} {inert(name, 60)}"

    async def plan(self) -> Plan:
        """Which one."""
        summary = f"remove maintenance window {inert(self._name, 60)}"
        return Plan(summary=summary, count=1, reversible=True, undo_note="enters it again")

    async def run(self, report: Report) -> Receipt:
        """Take it away; PlanRejected when there is none."""
        before = await self._power.maintain(self._name, None)
        text = f"maintenance window {inert(self._name, 60)} is gone"
        return Receipt(text, 1, undo={"before": _told(before)})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Enter it again."""
        await self._power.maintain(self._name, _read((receipt.undo or {})["before"]))
        return Receipt(f"maintenance window {inert(self._name, 60)} is back", 1)


def _told(window: Maintenance | None) -> dict[str, object] | None:
    return {**asdict(window), "matchers": ", ".join(map(str, window.matchers))} if window else None


def _read(told: dict[str, object] | None) -> Maintenance | None:
    if told is None:
        return None
    matchers = parse_matchers(str(told["matchers"]))
    return Maintenance(**{**told, "matchers": matchers})  # type: ignore[arg-type]
