"""Once an incident is over, what it cost goes on the timeline and into the history of its alerts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from perftui.draw import format as fmt
from perftui.model.alerts import AlertEvent
from perftui.model.business import SOURCE, BusinessReport, Cost, Metric
from perftui.model.errors import StoreError
from perftui.model.event import Event
from perftui.model.finding import Severity
from perftui.model.frame import Frame
from perftui.runtime.business import APART, LOOKBACK
from perftui.runtime.topic import Topic

if TYPE_CHECKING:  # they come with the memory, where there is one
    from perftui.runtime.alerting import Alerting
    from perftui.runtime.alerts import Ruler

log = logging.getLogger(__name__)

EVERY: Final = 5.0  # seconds between two looks
MOST: Final = 20  # alerts of one incident that are told its cost
LINES: Final = 5000  # of history that are looked through
KIND: Final = "cost"


class CostWatch:
    """One event a figure and incident, and one line for each alert that fired in it.

    All consoles see it, and whoever evaluates the rules when it is over writes it: who takes over later
    does not write it again. Without a store to share there is only this console. An incident is over when
    nothing was unusual for a quarter of an hour: until then its cost may grow.
    """

    def __init__(
        self,
        business: Topic[Frame],
        note: Callable[[Event], None],
        wall: Callable[[], float],
        alerting: Alerting | None = None,
    ) -> None:
        self._business = business
        self._note = note
        self._wall = wall
        self._alerting = alerting
        self._noted: dict[str, float] = {}  # the beginning of the newest incident of each figure
        self._entered: dict[str, float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:  # asked again
                log.info("%s", error)
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Tell what is over and was not told yet."""
        frame, now = self._business.value, self._wall()
        report = frame.report if frame is not None else None
        for view in report.metrics if isinstance(report, BusinessReport) else ():
            name, cost = view.metric.name, view.cost
            if cost is None or cost.until is None or now - cost.until < APART:
                continue
            if self._noted.get(name) != cost.since:
                self._noted[name] = cost.since
                if self._ours:
                    self._note(_event(view.metric, cost))
            if self._entered.get(name) != cost.since:
                if self._ruler is not None and self._ours:
                    await self._enter(view.metric, cost, cost.until, now)
                self._entered[name] = cost.since

    @property
    def _ruler(self) -> Ruler | None:
        return self._alerting.ruler if self._alerting is not None else None

    @property
    def _ours(self) -> bool:
        return self._ruler is None or bool(self._ruler.holder)

    async def _enter(self, metric: Metric, cost: Cost, until: float, now: float) -> None:
        assert self._alerting is not None
        desk, text = self._alerting.desk, words(metric, cost, until)
        past = await desk.events(cost.since - LOOKBACK, LINES)
        fired = {(one.fingerprint, one.began): one for one in past if _in_it(one, until)}
        for one in list(fired.values())[:MOST]:
            await desk.enter(replace(one, at=now, kind=KIND, value=cost.amount, who="", note=text))


def _in_it(event: AlertEvent, until: float) -> bool:
    """Whether an alert fired in the incident: what is merely unusual counts where it is of the business."""
    weighs = event.severity >= Severity.WARNING or event.source == SOURCE
    return event.kind == "firing" and event.at <= until and weighs


def words(metric: Metric, cost: Cost, until: float) -> str:
    """Such as: cost Orders 1,240 (900 to 1,500) from 14:02:10 to 14:20:00."""
    span = f"from {fmt.clock(cost.since)} to {fmt.clock(until)}"
    least, most = (_amount(value) for value in (cost.least, cost.most))
    return f"cost {metric.title} {_whole(metric, cost)} ({least} to {most}) {span}"


def _event(metric: Metric, cost: Cost) -> Event:
    title = f"{metric.title}: the incident cost {_whole(metric, cost)}"
    sure = f"{_amount(cost.least)} to {_amount(cost.most)}, expected less what came"
    return Event(cost.since, "incident", SOURCE, title, sure, until=cost.until, ref=metric.name)


def _whole(metric: Metric, cost: Cost) -> str:
    return f"{_amount(cost.amount)} {metric.unit}".strip()


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
