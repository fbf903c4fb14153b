"""A plan as table rows: the tree in the first column, figures that can be compared beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.palette import glyph
from perftui.draw.rows import Look, Rows, Size, Span
from perftui.draw.table import Cell, Column
from perftui.draw.text import fill, line, message, wrap
from perftui.model.database import Explanation, PlanNode, PlanTree


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A node with its place and the guide before it."""

    index: int
    guide: str
    node: PlanNode


def plan_rows(plan: PlanTree) -> list[PlanRow]:
    """All nodes with their guides, top down."""
    rows = []
    for index, node in enumerate(plan.nodes):
        rows.append(PlanRow(index, _guide(plan.nodes, index), node))
    return rows


def _guide(nodes: Sequence[PlanNode], index: int) -> str:
    """Indentation by depth; very deep nodes say their depth instead."""
    depth = nodes[index].depth
    if depth == 0:
        return ""
    return "  " * (depth - 1) + "└ " if depth <= 12 else f"{'  ' * 11}{depth}└ "


MEASURED = {"own_time_s", "rows", "error", "loops", "buffers_hit", "buffers_read"}
PLANNED = {"own_cost", "cost"}


def plan_columns() -> list[Column]:
    """Columns of a plan; `MEASURED` ones are for plans that were run, `PLANNED` ones for the others."""
    return [
        Column("node", "Node", node_cell, value=lambda row: row, width=26, grow=True),
        _number("own_time_s", "Own time", fmt.duration, 9),
        _number("own_cost", "Own cost", fmt.number, 9),
        _number("share", "Share", share_cell, 6),
        _number("rows", "Rows", fmt.number, 8),
        _number("rows_est", "Rows est.", fmt.number, 9, 2),
        _number("error", "Off", error_cell, 7, 3),
        _number("cost", "Cost", fmt.number, 9, 3),
        _number("loops", "Loops", fmt.number, 7, 4),
        _number("buffers_hit", "Hit", fmt.number, 7, 5),
        _number("buffers_read", "Read", fmt.number, 7, 5),
    ]


def _number(key: str, title: str, shown: Callable[[Any], Cell], width: int, priority: int = 1) -> Column:
    return Column(
        key,
        title,
        shown,
        value=lambda row: getattr(row.node, key),
        width=width,
        align="right",
        priority=priority,
    )


def node_cell(row: PlanRow) -> Cell:
    """Guide, kind and target; the heaviest nodes stand out."""
    node = row.node
    label = f"{row.guide}{node.kind}" + (f" on {node.target}" if node.target else "")
    if node.relationship not in {"", "Outer", "Inner", "Member", "Subquery"}:
        label += f" ({node.relationship})"
    return inert(label, 400), "bold" if node.share >= 0.25 else ""


def share_cell(share: float) -> Cell:
    """A share of the whole plan."""
    style = "crit" if share >= 0.5 else "warn" if share >= 0.25 else ""
    return fmt.ratio(share), style


def error_cell(error: float | None) -> Cell:
    """How far the estimate was off."""
    if error is None:
        return "–"
    return f"×{fmt.number(error)}", "crit" if error >= 100 else "warn" if error >= 10 else ""


def summary(answer: Explanation) -> str:
    """What kind of plan this is and what it took."""
    kind = (
        "run for real, rolled back"
        if answer.analyzed
        else "generic plan, not run"
        if answer.generic
        else "plan, not run"
    )
    times = []
    if answer.plan.execution_s is not None:
        times.append(f"ran {fmt.duration(answer.plan.execution_s)}")
    if answer.plan.planning_s is not None:
        times.append(f"planned {fmt.duration(answer.plan.planning_s)}")
    return " · ".join([kind, *times, f"answered in {fmt.duration(answer.took)}"])


def advice_rows(plan: PlanTree, node: PlanNode | None, size: Size, look: Look) -> Rows:
    """Conditions of the node under the cursor, then the remarks on the whole plan."""
    rows: Rows = []
    if node is not None:
        rows += [row for detail in node.detail for row in wrap(inert(detail, 400), size.width, "muted")]
    for advice in plan.advice:
        rows.append(
            line(
                size.width,
                Span(f"{glyph('warn', look)} {inert(advice.title)}", "warn"),
                f"  {inert(advice.evidence)}",
            )
        )
        rows += wrap(f"  → {inert(advice.remedy, 400)}", size.width)
    if plan.settings:
        told = ", ".join(f"{name} = {value}" for name, value in plan.settings)
        rows += wrap(f"settings: {inert(told, 400)}", size.width, "muted")
    if not rows:
        return message(size, "nothing to remark on this plan")
    return fill(rows, size)
