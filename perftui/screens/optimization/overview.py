"""The score with its parts and its formula, and the next recommendations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.table import Cell, Column
from perftui.model.frame import Frame
from perftui.model.recommendation import AdviceReport
from perftui.model.score import Check
from perftui.screens.optimization.base import AdviceTab, row_key
from perftui.screens.optimization.base import columns as advice_columns
from perftui.screens.optimization.rows import band, check_rows, score_rows
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

NEXT = 5


def check_columns() -> list[Column]:
    """Columns of the table of checks."""

    def points(check: Check) -> Cell:
        text = "–" if check.score is None else f"{check.score:.0f}"
        return text, {"ok": "ok", "warn": "warn", "crit": "crit"}.get(band(check.score), "muted")

    return [
        Column("title", "Check", width=22, grow=True),
        Column("category", "Category", width=9, priority=2),
        Column(
            *("value", "Figure", lambda c: fmt.value(c.value, c.unit)),
            value=lambda c: c,
            width=9,
            align="right",
            order=lambda c: c.value,
        ),
        Column("score", "Points", points, value=lambda c: c, width=6, align="right", order=lambda c: c.score),
    ]


class OverviewTab(AdviceTab):
    """Score, checks, the selected check's curve, the first recommendations."""

    DEFAULT_CSS = """
    OverviewTab { layout: grid; grid-size: 2; grid-columns: 3fr 2fr; grid-rows: 11 1fr 8; grid-gutter: 0 1; }
    OverviewTab #score { column-span: 2; }
    OverviewTab #next { column-span: 2; }
    OverviewTab.narrow { grid-size: 1; grid-columns: 1fr; grid-rows: 6 1fr 7; }
    OverviewTab.narrow #score, OverviewTab.narrow #next { column-span: 1; }
    OverviewTab.narrow #check { display: none; }
    """
    id_: ClassVar[str] = "optimization.overview"
    title: ClassVar[str] = "Overview"

    def compose(self) -> Iterable[Widget]:
        """The checks take the keys first."""
        yield Panel("Score", id="score")
        yield LiveTable(check_columns(), key=lambda check: check.id, title="Checks", id="checks")
        yield Panel("Check", id="check")
        yield LiveTable(advice_columns(), key=row_key, title="Next", id="next", sort="rank", reverse=True)

    def arrange_for(self, layout: int) -> None:
        """Below 120 columns the curve comes with `w`."""
        self.set_class(layout < 120, "narrow")

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest report."""
        report = frames["optimization"].report
        if not isinstance(report, AdviceReport):
            return
        self.query_one("#score", Panel).set_rows(lambda size, look: score_rows(report, size, look))
        checks = [c for category in report.score.categories for c in category.checks]
        table = self.query_one("#checks", LiveTable)
        table.set_items(checks)
        chosen = next((c for c in checks if c.id == table.cursor_key), checks[0] if checks else None)
        if chosen is not None:
            self.query_one("#check", Panel).set_rows(lambda size, _look: check_rows(chosen, size))
        self.query_one("#next", LiveTable).set_items(report.recommendations[:NEXT])

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Another check: show its curve."""
        self.redraw()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The check or recommendation in focus."""
        if not self.frames:
            return None
        recommendation = self.query_one("#next", LiveTable)
        if recommendation.has_focus and recommendation.current is not None:
            finding = recommendation.current.finding
            return {"source": finding.source, "finding": finding.id, "title": finding.title}
        check = self.query_one("#checks", LiveTable).current
        return {"check": check.id, "value": check.value, "score": check.score} if check else None

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`A` applies, `w` and enter explain."""
        if id == "optimization.apply":
            self.apply(self.query_one("#next", LiveTable).current)
        elif id in ("optimization.why", "open"):
            self.go("optimization.recommendations")
        else:
            return False
        return True
