"""One statement and its plan: where the cost is, how far the estimates were off, what would help."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size
from perftui.draw.text import fill, message, wrap
from perftui.model.database import Explanation
from perftui.model.frame import Frame
from perftui.screens.database.columns import sql
from perftui.screens.database.explain import TOPIC, explain_text
from perftui.screens.database.plantree import (
    MEASURED,
    PLANNED,
    PlanRow,
    advice_rows,
    plan_columns,
    plan_rows,
    summary,
)
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

PANES = ("plan", "statement", "advice")


class AnalyzerTab(Tab):
    """Statement, plan tree and remarks; at 80 columns one pane at a time."""

    DEFAULT_CSS = """
    AnalyzerTab #statement { height: 5; }
    AnalyzerTab #plan { height: 1fr; }
    AnalyzerTab #advice { height: 9; }
    AnalyzerTab.narrow #statement, AnalyzerTab.narrow #advice { height: 1fr; }
    """
    id_: ClassVar[str] = "database.analyzer"
    title: ClassVar[str] = "Analyzer"
    topics: ClassVar[tuple[str, ...]] = ("database", TOPIC)
    empty: ClassVar[str] = (
        "would show the plan of a statement as a tree\n"
        'connect a server: [env.NAME.backends.db] kind = "postgres", dsn = "postgresql://user@host/database"'
    )
    verbs: ClassVar[Mapping[str, str]] = {"explain": "SQL  show the plan of a statement; it is not run"}

    def __init__(self) -> None:
        super().__init__()
        self._pane = 0

    def compose(self) -> Iterable[Widget]:
        """The plan takes the keys."""
        yield Panel("Statement", id="statement")
        yield LiveTable(
            plan_columns(),
            key=lambda row: row.index,
            title="Plan",
            empty="no plan yet",
            hint="w on a statement of Queries, or r to type one",
            id="plan",
        )
        yield Panel("Remarks", id="advice")

    def arrange_for(self, layout: int) -> None:
        """All panes from 120 columns on, one below."""
        self.set_class(layout < 120, "narrow")
        for name in PANES:
            self.query_one(f"#{name}").display = layout >= 120 or name == PANES[self._pane]

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """Show the newest answer."""
        answer = self._answer
        error = frames[TOPIC].error if TOPIC in frames and frames[TOPIC].seen else ""
        statement = self.query_one("#statement", Panel)
        statement.title = f"Statement on {answer.source}" if answer else "Statement"
        statement.note = self._keys_note()
        statement.set_rows(lambda size, look: _statement(answer, error, size, look))
        table = self.query_one("#plan", LiveTable)
        table.empty = "no plan yet"
        if answer is None:
            table.note = ""
            table.set_items(())
        else:
            table.note = summary(answer)
            hidden = PLANNED if answer.plan.executed else MEASURED
            if {c.key for c in table.view.columns if c.key in table.view.hidden} != hidden:
                table.set_hidden(set(hidden))
            table.set_items(plan_rows(answer.plan))
        self._remarks()

    @property
    def _answer(self) -> Explanation | None:
        frame = self.frames.get(TOPIC)
        return frame.report if frame and isinstance(frame.report, Explanation) else None

    def _keys_note(self) -> str:
        return "r SQL · T run for real" + (" · v next pane" if self.has_class("narrow") else "")

    def _remarks(self) -> None:
        answer, row = self._answer, self.query_one("#plan", LiveTable).current
        node = row.node if isinstance(row, PlanRow) else None
        panel = self.query_one("#advice", Panel)
        panel.title = f"Remarks · {node.kind}" if node else "Remarks"
        if answer is None:
            panel.set_rows(lambda size, look: message(size, "no plan yet"))
        else:
            panel.set_rows(lambda size, look: advice_rows(answer.plan, node, size, look))

    def on_live_table_cursor_moved(self, _moved: LiveTable.CursorMoved) -> None:
        """Tell about the node under the cursor."""
        self._remarks()

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The statement and its plan."""
        answer = self._answer
        if answer is None:
            return None
        return {"source": answer.source, "statement": answer.statement, "plan": answer.raw}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`r` asks for SQL, `w` explains again, `T` runs it, `v` turns to the next pane."""
        if id == "database.run":
            self.ask(
                "Explain", "one statement; it is planned, not run", lambda text: explain_text(self, text)
            )
        elif id == "database.explain":
            self._again()
        elif id == "database.analyze":
            self._for_real()
        elif id == "database.pane":
            self._pane = (self._pane + 1) % len(PANES)
            self.arrange_for(self.layout_now)
        else:
            return False
        return True

    def on_verb(self, verb: str, words: tuple[str, ...]) -> bool:
        """`:explain SELECT …`."""
        if verb != "explain" or not words:
            return False
        explain_text(self, " ".join(words))
        return True

    def _again(self) -> None:
        if self._answer is None:
            self.toast("no statement yet: r types one", "warn")
        else:
            explain_text(self, self._answer.statement)

    def _for_real(self) -> None:
        answer = self._answer
        if answer is None:
            self.toast("no statement yet: r types one", "warn")
        elif answer.generic:
            self.toast("a statement with $n has no values to run with: r types one with values", "warn")
        else:
            options = (
                ("no", "no, leave it at the plan"),
                ("yes", "run it: read-only, rolled back, at most 10 s; functions may still act outside"),
            )
            self.choose("Run this statement for real?", options, self._chosen)

    def _chosen(self, value: str) -> None:
        if value == "yes" and self._answer is not None:
            explain_text(self, self._answer.statement, analyze=True)


def _statement(answer: Explanation | None, error: str, size: Size, look: Look) -> Rows:
    rows: Rows = wrap(inert(f"not explained: {error}", 600), size.width, "crit") if error else []
    if answer is not None:
        rows += wrap(sql(answer.statement), size.width)
    if not rows:
        return message(size, "w on a statement of Queries explains it here; r types one")
    return fill(rows, size)
