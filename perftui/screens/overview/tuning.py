"""What runs by itself: every control loop and schedule, how far it may go, and what it last decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual.widget import Widget

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.table import Cell, Column
from perftui.draw.text import line, wrap
from perftui.model.frame import Frame
from perftui.model.recommendation import Recommendation
from perftui.model.schedule import TUNING, TUNING_TOPIC, LoopRow, Mode, TuningReport
from perftui.screens.tab import Tab
from perftui.widgets.livetable import LiveTable
from perftui.widgets.panel import Panel

HOUR = 3600.0
STYLES = {Mode.OFF: "muted", Mode.OBSERVE: "warn", Mode.ON: "ok"}
SIGNS = {Mode.OFF: "○", Mode.OBSERVE: "◐", Mode.ON: "●"}
PLAIN = {Mode.OFF: "o", Mode.OBSERVE: "~", Mode.ON: "*"}


class TuningTab(Tab):
    """One table, with the row under the cursor explained below it."""

    DEFAULT_CSS = """
    TuningTab #who { height: 1; }
    TuningTab #loops { height: 1fr; }
    TuningTab #why { height: 7; }
    """
    id_: ClassVar[str] = "overview.tuning"
    title: ClassVar[str] = "Tuning"
    topics: ClassVar[tuple[str, ...]] = (TUNING_TOPIC, "findings")
    glance: ClassVar[bool] = True
    empty: ClassVar[str] = (
        "would show every control loop and schedule with its mode, holder and last decision\n"
        "loops run where history is kept: perftui run, or perftui agent (schedules: [schedules.NAME])"
    )

    def compose(self) -> Iterable[Widget]:
        """Who does it, the table, the reason."""
        yield Panel(id="who")
        yield LiveTable(
            columns(lambda: self.look, lambda: self._now),
            key=lambda row: row.name,
            title="Loops and schedules",
            id="loops",
            empty="the store has not said yet",
        )
        yield Panel("Why", id="why")

    @property
    def _now(self) -> float:
        return self.frames[TUNING_TOPIC].at if self.frames else 0.0

    def draw(self, frames: Mapping[str, Frame]) -> None:
        """The newest report."""
        report = frames[TUNING_TOPIC].report
        table = self.query_one("#loops", LiveTable)
        if not isinstance(report, TuningReport):
            table.empty = frames[TUNING_TOPIC].error or "the store has not said yet"
            table.set_items(())
            return
        advice = advice_row(frames["findings"])
        self.query_one("#who", Panel).set_rows(
            lambda size, look: [line(size.width, *who_spans(report), Span(f"  {advice}", "muted"))]
        )
        table.set_items(report.rows)
        self._explain()

    def on_live_table_cursor_moved(self, _message: LiveTable.CursorMoved) -> None:
        """Another row is explained."""
        self._explain()

    def _explain(self) -> None:
        row = self.current
        if row is not None:
            self.query_one("#why", Panel).set_rows(lambda size, look: why_rows(row, size, look))

    @property
    def current(self) -> LoopRow | None:
        """The row under the cursor."""
        row = self.query_one("#loops", LiveTable).current
        return row if isinstance(row, LoopRow) else None

    @property
    def selection(self) -> Mapping[str, Any] | None:
        """The row under the cursor; `source` is the desk where loops are seen to."""
        row = self.current
        if row is None:
            return None
        return {"source": TUNING, "loop": row.name, "mode": row.mode.value, "holder": row.holder}

    def on_command(self, id: str) -> bool:  # noqa: A002 - the word tabs know
        """`O` next mode, `enter` run now, `ctrl+k` stop all; each behind its plan."""
        row = self.current
        if id == "overview.stop-all":
            self.perform("tune.stop", TUNING)
        elif id == "overview.mode" and row is not None:
            later = row.modes[(row.modes.index(row.mode) + 1) % len(row.modes)]
            self.perform("tune.set", TUNING, loop=row.name, mode=later.value)
        elif id == "open" and row is not None:
            self._run(row)
        else:
            return False
        return True

    def _run(self, row: LoopRow) -> None:
        if row.kind == "loop":
            self.toast(f"{row.name} runs by itself: O sets how far it may go", "info")
            return
        self.perform("tune.run", TUNING, schedule=row.name)


def columns(look: Any, now: Any) -> list[Column]:
    """80 columns keep name, mode, decision and next run."""

    def mode(word: str) -> Cell:
        value = Mode(word)
        sign = (PLAIN if look().ascii_ else SIGNS)[value]
        return f"{sign} {value.value}", STYLES[value]

    def ago(at: float) -> str:
        return fmt.age(max(0.0, now() - at)) if at else ""

    def words(limit: int) -> Any:
        return lambda text: inert(text, limit)

    def column(key: str, title: str, show: Any, value: Any, **more: Any) -> Column:
        return Column(key, title, show, value=value, **more)

    return [
        column("name", "Loop", words(60), lambda r: r.name, width=14),
        column(
            "mode",
            "Mode",
            mode,
            lambda r: r.mode.value,
            width=10,
            help="off, observe (says what it would do), on",
        ),
        column("decision", "Last decision", words(300), said, width=26, grow=True),
        column("decided", "Ago", ago, lambda r: r.state.decided_at, width=6, align="right", priority=3),
        column("holder", "Holder", words(80), lambda r: holder(r.holder), width=20, priority=5),
        column(
            "result", "Last action", words(300), lambda r: r.state.result, width=22, priority=7, grow=True
        ),
        column(
            "next",
            "Next",
            lambda at: fmt.stamp(at, look().tz)[5:16] if at else "",
            lambda r: r.upcoming[0] if r.upcoming else 0.0,
            width=11,
        ),
        column("acts", "1 h", words(12), lambda r: budget(r, now()), width=6, align="right", priority=4),
    ]


def said(row: LoopRow) -> str:
    """What it does now, else what it decided last."""
    if row.state.running:
        return f"running: {row.state.running}"
    return row.state.decision or ("off" if row.mode is Mode.OFF else row.about)


def holder(text: str) -> str:
    """Host and process of a holder; its random tail says nothing to people."""
    host, _, rest = text.partition(":")
    return f"{host}:{rest.partition(':')[0]}" if rest else host


def budget(row: LoopRow, now: float) -> str:
    """Actions in the last hour of those it may do."""
    return f"{row.acts_since(now - HOUR)}/{row.budget}" if row.budget else ""


def who_spans(report: TuningReport) -> tuple[Span, ...]:
    """Who does all this, and what is wrong with the store."""
    if report.problem:
        return (Span(inert(report.problem, 300), "crit"),)
    if report.agent:
        return (Span("agent ", "muted"), Span(inert(holder(report.agent), 80), "ok"))
    return (Span("no agent: consoles do this while they are open (perftui agent)", "warn"),)


def advice_row(frame: Frame) -> str:
    """How many recommendations there are, and the best."""
    found = [r for r in getattr(frame.report, "recommendations", ()) if isinstance(r, Recommendation)]
    if not found:
        return ""
    return f"{len(found)} recommendations on screen 7, first: {inert(found[0].finding.title, 80)}"


def why_rows(row: LoopRow, size: Size, look: Look) -> Rows:
    """Its last decision with the reason, who set its mode, its next firings."""
    state = row.state
    facts = [row.about]
    if state.decision:
        reason = f": {state.reason}" if state.reason else ""
        facts.append(f"{fmt.stamp(state.decided_at, look.tz)}  {state.decision}{reason}")
    if state.acted_at:
        facts.append(f"{fmt.stamp(state.acted_at, look.tz)}  acted: {state.result or state.running}")
    if row.by:
        facts.append(f"{fmt.stamp(row.since, look.tz)}  set to {row.mode.value} by {row.by}")
    if row.upcoming:
        facts.append("next: " + ", ".join(fmt.stamp(at, look.tz)[5:16] for at in row.upcoming))
    return [tuple(piece) for fact in facts for piece in wrap(inert(fact, 600), size.width)][: size.height]
