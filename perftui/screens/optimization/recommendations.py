"""Every finding of every engine in one list, with its evidence and the key that applies it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.model.frame import Frame
from perftui.model.recommendation import AdviceReport
from perftui.screens.optimization.base import AdviceTab, columns, row_key
from perftui.screens.optimization.rows import recommendation_rows
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel


class RecommendationsTab(AdviceTab):
    """List left, evidence right; below 120 columns the evidence stands under the list."""

    DEFAULT_CSS = """
    RecommendationsTab { layout: grid; grid-size: 2; grid-columns: 3fr 2fr; grid-rows: 1fr; }
    RecommendationsTab { grid-gutter: 0 1; }
    RecommendationsTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 1fr 9; }
    """
    id_: ClassVar[str] = "optimization.recommendations"
    title: ClassVar[str] = "Recommendations"

    def compose(self) -> Iterable[Widget]:
        """List and evidence."""
        table = LiveTable(
            columns(), key=row_key, title="Recommendations", id="list", sort="rank", reverse=True
        )
        table.empty = "no finding: every connected layer is within its bounds"
        yield table
        yield Panel("Evidence", id="evidence")

    def arrange_for(self, layout: int) -> None:
        """Side by side from 120 columns."""
        self.set_class(layout < 120, "narrow")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        report = frames["optimization"].report
        if not isinstance(report, AdviceReport):
            return
        table = self.query_one("#list", LiveTable)
        table.set_items(report.recommendations)
        chosen = table.current
        panel = self.query_one("#evidence", Panel)
        panel.set_rows(lambda size, look: recommendation_rows(chosen, size, look) if chosen else [])

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Another recommendation: show its evidence."""
        self.redraw()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The recommendation under the cursor."""
        current = self.query_one("#list", LiveTable).current if self.frames else None
        if current is None:
            return None
        finding = current.finding
        return {
            "source": finding.source,
            "finding": finding.id,
            "severity": finding.severity.name.lower(),
            "title": finding.title,
            "evidence": list(finding.evidence),
        }

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`A` and enter apply."""
        if id in ("optimization.apply", "open"):
            self.apply(self.query_one("#list", LiveTable).current)
        elif id == "optimization.why":
            self.query_one("#evidence", Panel).focus()
        else:
            return False
        return True
