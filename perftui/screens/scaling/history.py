"""Every change of every workload with its reason, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from textual.widget import Widget

from perftui.model.autoscaling import AutoscalingReport
from perftui.model.frame import Frame
from perftui.screens.scaling.rows import event_columns, event_key
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable


class HistoryTab(Tab):
    """The event log of all workloads."""

    id_: ClassVar[str] = "scaling.history"
    title: ClassVar[str] = "History"
    topics: ClassVar[tuple[str, ...]] = ("autoscaling",)
    empty: ClassVar[str] = (
        "would show when and why instances were added, drained or lost\n"
        'connect one: [env.NAME.backends.pool] kind = "processpool", socket = "/path/of/control.sock"'
    )

    def compose(self) -> Iterable[Widget]:
        """One table."""
        table = LiveTable(
            event_columns("UTC"), key=event_key, title="Scale events", id="events", sort="at", reverse=True
        )
        table.empty = "no scale event since the supervisor started"
        yield table

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest events."""
        report = frames["autoscaling"].report
        if isinstance(report, AutoscalingReport):
            self.query_one("#events", LiveTable).set_items(report.events)
