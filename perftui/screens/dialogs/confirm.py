"""The question before every change: what would happen, to how much, and whether it can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.widgets import Input

from perftui.draw.clean import inert
from perftui.draw.format import bytes_, count
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Row, Span
from perftui.draw.text import line, wrap
from perftui.model.action import Action, Plan, Risk
from perftui.screens.dialogs.base import Dialog, line_input

MOST_AFFECTED = 8
MOST_ROWS = 4  # of one of them
_RISK_STYLE = {Risk.READS: "muted", Risk.CHANGES: "warn bold", Risk.DESTROYS: "crit bold"}


class ConfirmDialog(Dialog[bool]):
    """Shows a plan; `y` or the typed challenge says go, escape and `n` decline."""

    def __init__(self, action: Action, plan: Plan, env: Any) -> None:
        super().__init__()
        self.action = action
        self.plan = plan
        self.env = env
        self.title_text = action.title
        self.wrong = False

    def body(self, width: int) -> Sequence[Row]:
        """The plan."""
        rows = plan_rows(self.action, self.plan, width, self.look)
        if self.wrong:
            rows.append((Span("that is not the text asked for", "crit"),))
        return rows

    def field(self) -> Input | None:
        """A line for the challenge, where there is one."""
        return line_input() if self.plan.challenge else None

    def pressed(self, key: str) -> bool:
        """`y` goes, `n` declines, unless a challenge must be typed."""
        if self.plan.challenge:
            return False
        if key == "y":
            self.dismiss(True)
        elif key == "n":
            self.dismiss(False)
        return key in ("y", "n")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go when the challenge was typed exactly."""
        event.stop()
        if event.value == self.plan.challenge:
            self.dismiss(True)
        else:
            self.wrong = True
            self.fit()


def plan_rows(action: Action, plan: Plan, width: int, look: Look) -> list[Row]:
    """A plan as rows: summary, totals, what is touched, warnings, how it can be undone, what to press."""
    rows: list[Row] = [*wrap(inert(plan.summary, 2000), width, "text bold"), ()]
    rows.append((Span(f"{action.risk.value} ", _RISK_STYLE[action.risk]), Span(inert(action.target, 200))))
    totals = _totals(plan)
    if totals:
        rows.append((Span(totals),))
    rows += _affected(plan, width)
    for warning in plan.warnings:
        rows += wrap(f"{glyph('warn', look)} {inert(warning, 1000)}", width, "warn")
    undo = plan.undo_note or "u undoes it"
    if not plan.reversible:
        undo = "this cannot be undone" + (f": {plan.undo_note}" if plan.undo_note else "")
    rows += wrap(inert(undo, 500), width, "text" if plan.reversible else "warn")
    rows.append(())
    rows += _question(plan, width)
    return rows


def _totals(plan: Plan) -> str:
    parts = []
    if plan.count is not None:
        parts.append(f"{count(plan.count)} {'thing' if plan.count == 1 else 'things'}")
    if plan.bytes_ is not None:
        parts.append(bytes_(plan.bytes_))
    return ", ".join(parts)


def _affected(plan: Plan, width: int) -> list[Row]:
    rows: list[Row] = []
    for item in plan.affects[:MOST_AFFECTED]:
        depth = 2 + min(8, len(item) - len(item.lstrip(" ")))  # a rule's lines keep their shape
        told = wrap(inert(item, 500), width - depth, "muted")
        if len(told) > MOST_ROWS:
            rest = " ".join(span.text for row in told[MOST_ROWS - 1 :] for span in row)
            told[MOST_ROWS - 1 :] = [line(width - depth, Span(rest, "muted"))]
        rows += [(Span(" " * depth), *row) for row in told]
    if len(plan.affects) > MOST_AFFECTED:
        rows.append((Span(f"  and {len(plan.affects) - MOST_AFFECTED} more", "muted"),))
    return rows


def _question(plan: Plan, width: int) -> list[Row]:
    if plan.challenge:
        return wrap(
            f"type {inert(plan.challenge, 200)} and press enter to go · esc declines", width, "accent"
        )
    return [(Span("y", "accent bold"), Span(" go   "), Span("esc", "accent bold"), Span(" decline"))]
