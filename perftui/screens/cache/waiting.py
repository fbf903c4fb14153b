"""What waits at nodes of the cache library, and how late they hear of changes, on the Advisor tab."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.cache import CacheNode
from perftui.model.health import Link
from perftui.model.tierview import Heard, TierFacts, TierNode
from perftui.screens.cache.library import node_key

KNOWN = {Link.LIVE, Link.LATE}
NOBODY = "nothing waits for L2, the database or other nodes, and all hear what others change"
UNMEASURED = "no node measures it: `Staleness(cache)` beside a cache that has an L2 does"
LATE_S, ENDLESS_S = 0.05, 1.0
SLOW_S, OLD_S = 5.0, 30.0


class HeardRow(NamedTuple):
    """A namespace, and the server by which its nodes hear."""

    source: str
    told: Heard


def waiting(servers: Iterable[CacheNode]) -> list[TierNode]:
    """The nodes that have something waiting, or hear or reach nothing."""
    nodes = [node for _, facts in _tiers(servers) for node in facts.nodes]
    return sorted((node for node in nodes if _waits(node)), key=node_key)


def heard(servers: Iterable[CacheNode]) -> list[HeardRow]:
    """The namespaces that measure how late changes are heard."""
    return [HeardRow(source, one) for source, facts in _tiers(servers) for one in facts.heard]


def heard_key(row: HeardRow) -> tuple[str, str]:
    """What tells two apart."""
    return row.source, row.told.namespace


def waiting_columns() -> list[Column]:
    """Columns of nodes that wait."""

    def dead(count: float) -> Cell:
        return fmt.count(count), "crit" if count else ""

    def link(how: tuple[bool, bool]) -> Cell:
        linked, alone = how
        return ("◌ deaf", "lost") if not linked else ("no L2", "warn") if alone else ("hears", "ok")

    return [
        Column("namespace", "Namespace", width=9, grow=True),
        Column("node", "Node", lambda node: node[:8], width=8),
        Column("waiting", "Told", fmt.count, width=5, align="right", help="what L2, nodes, edge lack yet"),
        Column("writes", "Behind", fmt.count, width=6, align="right", help="writes the database lacks yet"),
        Column(
            "dead",
            "Dead",
            dead,
            value=lambda node: node.dead + node.dead_shared,
            width=4,
            align="right",
            help="writes the database refused five times",
        ),
        Column(
            "oldest",
            "Oldest",
            lambda age: _aged(age, SLOW_S, OLD_S),
            value=lambda node: max(node.waiting_s, node.writes_s),
            width=7,
            align="right",
            help="age of what waits longest",
            priority=3,
        ),
        Column(
            "link",
            "Link",
            link,
            value=lambda node: (node.linked, node.breaker_open),
            width=6,
            help="deaf: hears nothing of changes; no L2: it leaves L2 alone for a while",
        ),
    ]


def heard_columns() -> list[Column]:
    """Columns of how late changes are heard."""

    def late(name: str, title: str, priority: int) -> Column:
        return _right(name, title, lambda s: _aged(s, LATE_S, ENDLESS_S), 8, priority)

    def lost(count: int) -> Cell:
        return fmt.count(count), "warn" if count else ""

    def name(text: str) -> str:
        return inert(text, 60)

    return [
        Column("namespace", "Namespace", name, value=lambda row: row.told.namespace, width=14, grow=True),
        Column("source", "By", name, width=10, priority=5),
        _right("nodes", "Nodes", fmt.count, 5, 3, "that measure; one writes"),
        _right("count", "Changes", fmt.count, 7, 4, "of the last minutes"),
        late("p50_s", "p50", 2),
        late("p99_s", "p99", 1),
        late("max_s", "Max", 2),
        _right("lost", "Unheard", lost, 7, 1, "a second long, the link being whole; since the nodes began"),
    ]


def _right(
    name: str, title: str, form: Callable[[Any], Any], width: int, priority: int, help_: str = ""
) -> Column:
    def value(row: HeardRow) -> Any:
        return getattr(row.told, name)

    return Column(name, title, form, value=value, width=width, align="right", priority=priority, help=help_)


def _tiers(servers: Iterable[CacheNode]) -> list[tuple[str, TierFacts]]:
    known = ((one.source, one.reading) for one in servers if one.health.link in KNOWN)
    return [(name, facts.tiers) for name, facts in known if facts is not None and facts.tiers is not None]


def _waits(node: TierNode) -> bool:
    behind = node.writes or node.dead or node.dead_shared
    return bool(node.waiting or behind or node.breaker_open or not node.linked)


def _aged(seconds: float | None, slow: float, old: float) -> Cell:
    if seconds is None:
        return fmt.NOTHING, "muted"
    return fmt.duration(seconds), "crit" if seconds > old else "warn" if seconds > slow else ""
