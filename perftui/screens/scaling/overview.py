"""Every workload with its instances: wanted, running, ready, and what each of them does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw.chart import Line
from perftui.model.autoscaling import AutoscalingReport, Workload
from perftui.model.frame import Frame
from perftui.model.series import SeriesKey
from perftui.screens.scaling.rows import Worker, event_columns, event_key, worker_columns, workload_columns
from perftui.screens.tab import Tab
from perftui.widgets.chart import ChartPanel
from perftui.widgets.livetable import LiveTable


class OverviewTab(Tab):
    """Workloads, their workers, the last 15 minutes and the newest events."""

    DEFAULT_CSS = """
    OverviewTab { layout: grid; grid-size: 2; grid-columns: 3fr 2fr; grid-rows: 6 1fr 1fr; grid-gutter: 0 1; }
    OverviewTab #workloads { column-span: 2; }
    OverviewTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 4 1fr 6; }
    OverviewTab.narrow #workloads { column-span: 1; }
    """
    id_: ClassVar[str] = "scaling.overview"
    title: ClassVar[str] = "Overview"
    topics: ClassVar[tuple[str, ...]] = ("autoscaling",)
    empty: ClassVar[str] = (
        "would show what scales: wanted, running and ready instances, CPU and requests of each\n"
        'connect one: [env.NAME.backends.pool] kind = "processpool", socket = "/path/of/control.sock"'
    )
    verbs: ClassVar[Mapping[str, str]] = {"scale": "N  set how many instances run"}

    def compose(self) -> Iterable[Widget]:
        """Tables first: they take the keys."""
        yield LiveTable(workload_columns(), key=lambda w: w.source, title="Workloads", id="workloads")
        yield LiveTable(worker_columns(), key=lambda i: i.id, title="Workers", id="workers")
        yield ChartPanel("Instances", unit="1", low=0, id="instances")
        yield LiveTable(
            event_columns("UTC"), key=event_key, title="Events", id="events", sort="at", reverse=True
        )
        yield ChartPanel("Requests/s", unit="1/s", low=0, id="requests")

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns one column: no charts but the instances'."""
        self.set_class(layout < 120, "narrow")
        self.query_one("#requests").display = layout >= 120
        self.query_one("#instances").display = layout >= 120

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        frame = frames["autoscaling"]
        report = frame.report
        if not isinstance(report, AutoscalingReport):
            return
        self.query_one("#workloads", LiveTable).set_items(report.workloads)
        chosen = self._chosen(report)
        workers = self.query_one("#workers", LiveTable)
        workers.title = f"Workers of {chosen.source}" if chosen else "Workers"
        workers.set_items(
            [Worker(i, max(0.0, frame.at - i.since)) for i in chosen.instances] if chosen else ()
        )
        self.query_one("#events", LiveTable).set_items(e for e in report.events if _of(e, chosen))
        if chosen:
            self._charts(frame, chosen.source)

    def _charts(self, frame: Frame, source: str) -> None:
        def lines(*names: str) -> list[Line]:
            return [
                Line.of(frame.window(SeriesKey(source, n), 900.0), name=n.removesuffix("_per_s"))
                for n in names
            ]

        self.query_one("#instances", ChartPanel).set_lines(lines("desired", "ready"), frame.at)
        self.query_one("#requests", ChartPanel).set_lines(lines("requests_per_s"), frame.at)

    def _chosen(self, report: AutoscalingReport) -> Workload | None:
        current = self.query_one("#workloads", LiveTable).cursor_key
        return next((w for w in report.workloads if w.source == current), None) or next(
            iter(report.workloads), None
        )

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The workload under the cursor."""
        report = self.frames["autoscaling"].report if self.frames else None
        chosen = self._chosen(report) if isinstance(report, AutoscalingReport) else None
        if chosen is None:
            return None
        scale = chosen.scale
        return {
            "source": chosen.source,
            "wanted": scale.desired,
            "ready": scale.ready,
            "running": scale.running,
        }

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Another workload: show its workers."""
        self.redraw()

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`=` asks for the number, `w` goes to the reasons."""
        if id == "scaling.set":
            self._ask_number()
        elif id == "scaling.why":
            self.go("scaling.history")
        else:
            return False
        return True

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:scale N`, or `:scale WORKLOAD N`."""
        if verb != "scale" or not words or not words[-1].isdigit():
            return False
        source = words[0] if len(words) > 1 else self.source_for("Scalable")
        self.perform("scaling.set", source, n=int(words[-1]))
        return True

    def _ask_number(self) -> None:
        source = self.source_for("Scalable")
        now = str((self.selection or {}).get("wanted", ""))
        self.ask(
            f"Scale {source}",
            "instances wanted",
            lambda text: self.perform("scaling.set", source, n=int(text)),
            value=now,
            check=lambda text: "" if text.strip().isdigit() else "a whole number, such as 4",
        )


def _of(event: Any, chosen: Workload | None) -> bool:
    return chosen is None or event.source == chosen.source
