"""Rehearsals on the Advisor: what was killed, how long writes failed, what it is worth."""

from __future__ import annotations

from typing import Any

from perftui.draw import format as fmt
from perftui.draw.table import Cell, Column
from perftui.model.action import Receipt
from perftui.model.frame import Frame
from perftui.model.rehearsal import SHELF, TOPIC, Rehearsal, Rehearsals
from perftui.screens.tab import Tab

SHOWN = 50
LEAD = 1.0  # seconds before the kill at which its replay begins


def ask(tab: Tab) -> bool:
    """Read what is kept; False where nothing keeps it (yet)."""
    if SHELF not in tab.session.sources("RehearsalShelf"):
        return False
    tab.probe(TOPIC, SHELF, "RehearsalShelf", lambda kept: kept.rehearsals(SHOWN))
    return True


def begin(tab: Tab, source: str, node: str) -> None:
    """Plan to kill a primary; what comes of it is kept where there is a store, and read again."""

    def rehearsed(_receipt: Receipt) -> None:
        ask(tab)

    session = tab.session
    keep = session.memory.rehearsals.keep if session.memory is not None else None
    budget = session.setting("cache.failover_budget")
    tab.perform("cache.rehearse", source, rehearsed, node=node, budget=budget, keep=keep)


def found(frame: Frame) -> tuple[Rehearsal, ...]:
    """Those of a frame."""
    return frame.report.found if isinstance(frame.report, Rehearsals) else ()


def rehearsal_key(result: Rehearsal) -> tuple[str, str, float]:
    """What tells two apart."""
    return result.source, result.node, result.seen.at


def rehearsal_columns(tz: str) -> list[Column]:
    """Columns of rehearsals, newest first."""

    def score(value: int) -> Cell:
        return str(value), "ok" if value == 100 else "warn" if value else "crit"

    def right(key: str, title: str, form: Any, value: Any, width: int, priority: int = 1) -> Column:
        return Column(key, title, form, value=value, width=width, align="right", priority=priority)

    return [
        Column("at", "When", lambda at: fmt.stamp(at, tz)[5:16], value=lambda r: r.seen.at, width=11),
        Column("source", "Cluster", width=10, priority=4),
        Column("node", "Killed", width=15, grow=True),
        right("score", "Score", score, lambda r: r.score, 5),
        right("outage", "Outage", _outage, lambda r: r.outage_s, 8),
        right("budget", "Budget", fmt.duration, lambda r: r.budget_s, 8, 2),
        right("errors", "Errors", fmt.count, lambda r: r.errors, 6, 3),
        Column("heir", "Took over", value=lambda r: r.seen.taken_by or "nobody", width=15, priority=5),
    ]


def _outage(seconds: float | None) -> Cell:
    return ("for good", "crit") if seconds is None else (fmt.duration(seconds), "")
