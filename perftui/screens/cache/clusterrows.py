"""Rows and columns of the Cluster tab: nodes with what they hold, and what happened to them."""

from __future__ import annotations

from typing import Any, NamedTuple

from perftui.draw import format as fmt
from perftui.draw.slotmap import mark, style
from perftui.draw.table import Cell, Column
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.regionlag import lag_of

STATES = {"ok": "ok", "silent": "warn", "suspected": "warn", "failed": "crit"}
KINDS = {
    "failed": "crit",
    "suspected": "warn",
    "silent": "warn",
    "outage": "crit",
    "promoted": "accent",
    "back": "ok",
}


class NodeRow(NamedTuple):
    """A node in the table: with the number its slots have on the map (-1: none) and how far it is behind."""

    member: ClusterMember
    number: int
    lag_bytes: int | None

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return self.member.id


def node_rows(reading: ClusterReading, ids: tuple[str, ...]) -> list[NodeRow]:
    """Each primary with its replicas below it, then the rest."""
    return [NodeRow(m, ids.index(m.id) if m.id in ids else -1, _behind(reading, m)) for m in reading.grouped]


def _behind(reading: ClusterReading, member: ClusterMember) -> int | None:
    if reading.regions:
        return lag_of(reading, member).bytes_
    return reading.lag(member) if member.role == "replica" else None


def link_cell(row: NodeRow) -> Cell:
    """How a replica stands with its primary; nothing of others, or of one that tells nothing of itself."""
    told = row.member.reading
    if row.member.role != "replica" or told is None:
        return "", ""
    if told.replication.link_up:
        return "● up", "ok"
    return ("◌ sync", "warn") if told.replication.syncing else ("▲ down", "crit")


def member_columns() -> list[Column]:
    """Columns of nodes; the first is how the slot map marks a primary's slots."""

    def of(name: str) -> Any:
        return lambda row: getattr(row.member, name)

    def said(name: str) -> Any:
        return lambda row: getattr(row.member.reading, name) if row.member.reading else None

    def letter(number: int) -> Cell:
        return (mark(number), style(number)) if number >= 0 else ("", "")

    def right(key: str, title: str, form: Any, width: int, priority: int = 1, **more: Any) -> Column:
        value = more.pop("value", None)
        return Column(key, title, form, value=value, width=width, align="right", priority=priority, **more)

    return [
        Column("number", "", letter, width=1),
        Column("address", "Node", value=of("address"), width=15, grow=True),
        Column("role", "Role", value=of("role"), width=8),
        Column("state", "State", lambda s: (s, STATES.get(s, "")), value=of("state"), width=9),
        right("slots", "Slots", lambda n: fmt.count(n) if n else "", 6, value=of("slot_count")),
        right("ops_per_s", "Cmd/s", fmt.number, 7, value=said("ops_per_s")),
        Column("link", "Link", link_cell, value=lambda row: row, width=6, help="a replica's to its primary"),
        right("lag_bytes", "Lag", fmt.bytes_, 9, help="bytes behind, as its primary says"),
        right("used_bytes", "Used", fmt.bytes_, 9, 2, value=said("used_bytes")),
        right("keys", "Keys", fmt.count, 8, 3, value=said("keys")),
        right("epoch", "Epoch", str, 5, 4, value=of("epoch"), help="of its configuration: the higher wins"),
        Column("why", "Why", value=of("why"), width=20, priority=5, help="why it tells nothing of itself"),
    ]


def event_columns(tz: str) -> list[Column]:
    """Columns of what happened."""
    return [
        Column("at", "Time", lambda at: fmt.clock(at, tz), width=8),
        Column("kind", "What", lambda kind: (kind, KINDS.get(kind, "")), width=9),
        Column("node", "Node", width=15),
        Column("text", "How", width=20, grow=True),
    ]
