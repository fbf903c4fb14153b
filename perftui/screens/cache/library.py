"""The cache library on the Tiers tab: columns of its namespaces and nodes, and how to attach it."""

from __future__ import annotations

from typing import Any

from perftui.analysis.namespaces import RAW
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.rows import Rows, Size
from perftui.draw.table import Cell, Column
from perftui.draw.text import fill, line
from perftui.model.tierview import TierNode
from perftui.screens.cache import ttl
from perftui.screens.cache.rows import hit_cell

NOBODY = "No process publishes counters yet"
ATTACH = (
    "from perftui.instrument.cache import Cache",
    'cache = Cache("shop", l2="redis://127.0.0.1:6379/0")',
    'value = await cache.get_or_set("home", load, ttl="5m")',
)
"""What attaches the library, as in docs/cache-library.md."""


def attach_rows(size: Size, why: str = "") -> Rows:
    """In place of the tables: that nobody publishes, and what would; or why that cannot be known."""
    if why:
        return fill([line(size.width, f" {inert(why)}")], size)
    rows: Rows = [line(size.width, f" {NOBODY}; a service that does this is seen here:")]
    rows += [line(size.width, (f"   {text}", "muted")) for text in ATTACH]
    return fill(rows, size)


def _rate(name: str) -> Any:
    return lambda item: getattr(item.traffic, name) if item.traffic is not None else None


def _stale_cell(ratio: float | None) -> Cell:
    return fmt.ratio(ratio), "warn" if ratio else ""


def namespace_columns() -> list[Column]:
    """Columns of the table of namespaces; 80 cells have all but the nodes and who joined."""

    def right(key: str, title: str, form: Any, width: int, priority: int = 1, **more: Any) -> Column:
        return Column(key, title, form, width=width, align="right", priority=priority, **more)

    return [
        Column("namespace", "Namespace", width=10, grow=True, help="a cache's name, over all its nodes"),
        right("nodes", "Nodes", fmt.count, 6, 5, help="processes that hold it"),
        right("requests", "Req/s", fmt.number, 5, value=_rate("requests")),
        right("hit_ratio", "Hit", hit_cell, 6, value=_rate("hit_ratio"), help="L1, L2"),
        right("stale_ratio", "Stale", _stale_cell, 6, value=_rate("stale_ratio")),
        right("load_p95_s", "Load p95", fmt.duration, 8, 2, help="of all loads since the processes began"),
        right(
            "coalesced",
            "Joined/s",
            fmt.number,
            8,
            4,
            value=_rate("coalesced"),
            help="callers who waited for a look or load that ran already",
        ),
        right("evicted", "Evict", fmt.number, 5, 2, value=_rate("evicted"), help="a second, out of L1"),
        right("l1_bytes", "L1", fmt.bytes_, 8, help="bytes as L2 has them"),
        right("codec", "Codec", _codec_cell, 6, 2, help="that packed most values since the processes began"),
        right(
            "saved_ratio",
            "Saved",
            fmt.ratio,
            6,
            2,
            help="of the bytes written now; while none are, since the processes began",
        ),
        right("ttl", "TTL", ttl.cell, 7, 3, value=lambda view: view, help="of entries given none; i sets it"),
    ]


def _codec_cell(name: str | None) -> Cell:
    return (fmt.NOTHING, "") if name is None else (inert(name, 20), "muted" if name == RAW else "")


def node_columns(clock: Any) -> list[Column]:
    """Columns of the table of nodes; `clock` writes epoch seconds as a time of day."""
    return [
        Column("node", "Node", _short, width=8, help="one cache of one process"),
        Column("namespace", "Namespace", width=8, grow=True, priority=2),
        Column("requests", "Req/s", fmt.number, value=_rate("requests"), width=5, align="right"),
        Column("l1_hit_ratio", "L1 hit", fmt.ratio, value=_rate("l1_hit_ratio"), width=6, align="right"),
        Column("l1_entries", "Entries", fmt.count, width=7, align="right", priority=3),
        Column("l1_bytes", "L1", fmt.bytes_, width=9, align="right", priority=4),
        Column("link", "L2", _state_cell, value=lambda node: node, width=8, help="how it stands with L2"),
        Column(
            "waiting",
            "Queue",
            fmt.count,
            width=5,
            align="right",
            priority=5,
            help="changes that L2, other nodes or the edge lack yet",
        ),
        Column("at", "Told", clock, width=8, priority=6, help="when it published, by the server's clock"),
    ]


def node_key(node: TierNode) -> tuple[str, str]:
    """What tells two rows apart."""
    return node.namespace, node.node


def _short(name: str) -> str:
    return name[:8]


def _state_cell(node: TierNode) -> Cell:
    if node.breaker_open:
        return "▲ open", "crit"
    return ("● heard", "ok") if node.linked else ("◌ deaf", "warn")
