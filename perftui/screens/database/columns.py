"""Columns of the database's tables, and how its values become cells."""

from __future__ import annotations

from functools import lru_cache

from perftui.analysis.sqlshape import line
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.database import ReplicaState, Session, Statement

SLOW_S, TARGET_S = 0.1, 0.02
LAG_TARGET_S = 1.0


@lru_cache(maxsize=1024)
def sql(text: str) -> str:
    """A statement on one line, inert."""
    return inert(line(text, 400), 400) if text else "(text hidden)"


def mean_cell(seconds: float | None) -> Cell:
    """A duration, marked above the target."""
    text = fmt.duration(seconds)
    if seconds is None or seconds < TARGET_S:
        return text
    return text, "crit" if seconds >= SLOW_S else "warn"


def lag_cell(seconds: float | None) -> Cell:
    """A lag, marked above one second."""
    if seconds is None:
        return "–", "muted"
    return fmt.duration(seconds), "ok" if seconds < LAG_TARGET_S else "crit" if seconds >= 30 else "warn"


def share_cell(share: float | None) -> Cell:
    """A share of the time with its figure in bold where it dominates."""
    return fmt.ratio(share), "bold" if share is not None and share >= 0.25 else ""


def statement_columns(*, short: bool = False) -> list[Column]:
    """Columns of the top statements; `short` for the overview's five."""
    columns = [
        Column("share", "Time", share_cell, width=6, align="right", help="share of all execution time"),
        Column("calls_per_s", "Calls/s", fmt.number, width=7, align="right", priority=2),
        Column("mean_s", "Mean", mean_cell, width=8, align="right"),
    ]
    if not short:
        columns += [
            Column("stddev_s", "±", fmt.duration, width=8, align="right", priority=6),
            Column("rows_per_call", "Rows/call", fmt.number, width=9, align="right", priority=3),
            Column("hit_ratio", "Hit", fmt.ratio, width=6, align="right", priority=3),
            Column("temp_bytes_per_s", "Temp/s", _bytes, width=9, align="right", priority=4),
            Column("wal_bytes_per_s", "WAL/s", _bytes, width=9, align="right", priority=4),
            Column(
                "busy",
                "Busy",
                fmt.number,
                width=6,
                align="right",
                priority=5,
                help="seconds of work a second",
            ),
            Column("user", "User", width=10, priority=7),
            Column("database", "Database", width=10, priority=7),
        ]
    return [*columns, Column("text", "Statement", sql, width=24, grow=True)]


def _bytes(value: float | None) -> Cell:
    return fmt.bytes_(value) if value else ("–", "faint")


def state_cell(session: Session) -> Cell:
    """State and wait of a session; waiting for a lock and open transactions stand out."""
    if session.blocked_by:
        return f"▲ {session.wait_class} {session.wait_event}", "crit"
    if session.idle_in_transaction:
        return "▲ idle in xact", "warn"
    if session.active:
        wait = f"{session.wait_class} {session.wait_event}".strip()
        return f"● {wait or 'running'}", "ok"
    return f"○ {session.state or 'hidden'}", "muted"


def blocked_cell(pids: tuple[int, ...]) -> Cell:
    """Who is waited for."""
    return (" ".join(map(str, pids)), "crit") if pids else ("", "")


def session_columns() -> list[Column]:
    """Columns of the activity table."""
    return [
        Column("pid", "Pid", width=7, align="right"),
        Column("user", "User", width=9, priority=4),
        Column("app", "App", width=12, priority=3),
        Column("client", "Client", width=12, priority=8),
        Column("database", "Database", width=9, priority=7),
        Column("state", "State", state_cell, value=lambda s: s, width=18),
        Column("query_age", "Query", _age, value=_running, width=7, align="right"),
        Column("xact_age", "Xact", _age, width=7, align="right", priority=2),
        Column("blocked_by", "Blocked by", blocked_cell, width=10, priority=2),
        Column("query", "Statement", sql, width=20, grow=True),
    ]


def _age(seconds: float | None) -> Cell:
    if seconds is None:
        return "", ""
    return fmt.duration(seconds), "warn" if seconds >= 60 else ""


def _running(session: Session) -> float | None:
    return session.query_age if session.active else None


def replica_columns() -> list[Column]:
    """Columns of the table of replicas."""
    return [
        Column("name", "Replica", width=16, grow=True),
        Column("client", "Client", width=12, priority=5),
        Column("state", "State", replica_state_cell, value=lambda r: r, width=13),
        Column("sync", "Sync", width=6, priority=4),
        Column("lag_s", "Lag", lag_cell, width=8, align="right"),
        Column("replay_bytes", "Behind", fmt.bytes_, width=9, align="right"),
        Column("sent_bytes", "Unsent", fmt.bytes_, width=9, align="right", priority=3),
        Column("write_bytes", "Unwritten", fmt.bytes_, width=9, align="right", priority=6),
        Column("flush_bytes", "Unflushed", fmt.bytes_, width=9, align="right", priority=6),
    ]


def replica_state_cell(replica: ReplicaState) -> Cell:
    """State word with its glyph."""
    if replica.state == "streaming":
        return "● streaming", "ok"
    if replica.state == "gone":
        return "✖ gone", "crit"
    return f"▲ {inert(replica.state) or 'hidden'}", "warn"


def slot_columns() -> list[Column]:
    """Columns of the table of replication slots."""
    return [
        Column("name", "Slot", width=16, grow=True),
        Column("kind", "Kind", width=9, priority=3),
        Column("active", "Active", lambda on: ("● yes", "ok") if on else ("○ no", "warn"), width=7),
        Column("retained_bytes", "Keeps", fmt.bytes_, width=9, align="right"),
        Column("status", "WAL", width=10, priority=2),
    ]


def statement_key(statement: Statement) -> str:
    """Row key of a statement."""
    return statement.key
