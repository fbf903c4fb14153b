"""Relays between regions on the Cluster tab: what each namespace hears of another region, and how late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perftui.analysis.relays import LATE, SILENT, Heard, Told, heard, told
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.table import Cell, Column
from perftui.model.cache import CacheReport
from perftui.model.cachecluster import ClusterReport
from perftui.model.frame import Frame
from perftui.model.health import Health, Link

TOPICS = ("cachecluster", "cache")


def found(frames: Mapping[str, Frame]) -> tuple[Heard, ...]:
    """Of all servers and clusters."""
    return heard(_told(frames))


def unsaid(frames: Mapping[str, Frame], rows: tuple[Heard, ...]) -> bool:
    """Whether the newest look at one of their servers did not get what nodes publish there."""
    silent = {source for source, tiers in _told(frames) if tiers is None}
    return any(row.source in silent for row in rows)


def _told(frames: Mapping[str, Frame]) -> list[Told]:
    reports = (frames[topic].report for topic in TOPICS if topic in frames)
    return [pair for one in reports if isinstance(one, CacheReport | ClusterReport) for pair in told(one)]


def health(frames: Mapping[str, Frame], rows: tuple[Heard, ...]) -> Health | None:
    """How the server stands in which these relays publish: of several, one that does not answer."""
    every = {name: one for topic in TOPICS for name, one in frames[topic].health.items()}
    links = [every[row.source] for row in rows if row.source in every]
    return min(links, key=lambda one: one.link is Link.LIVE, default=None)


def columns() -> list[Column]:
    """Columns of relays; 80 cells have all but the node."""

    def lag(seconds: float) -> Cell:
        return fmt.duration(seconds), "warn" if seconds > LATE else ""

    def answer(seconds: float) -> Cell:
        return f"{fmt.duration(seconds)} ago", "crit" if seconds > SILENT else ""

    def lost(times: int) -> Cell:
        return fmt.count(times), "warn" if times else ""

    def right(key: str, title: str, form: Any, width: int, help_: str) -> Column:
        return Column(key, title, form, lambda row: getattr(row.link, key), width, "right", help=help_)

    return [
        Column("namespace", "Namespace", value=lambda row: row.node.namespace, width=12, grow=True),
        Column("peer", "Hears", value=lambda row: row.link.peer, width=10, help="the other region's name"),
        Column("source", "Server", width=12, priority=2, help="L2 of this region"),
        Column(
            "node",
            "Node",
            lambda node: inert(node[:8]),
            value=lambda row: row.node.node,
            width=8,
            priority=3,
            help="that reads there, one at a time",
        ),
        right("behind", "Behind", fmt.count, 9, "changes of the other region that are not done here yet"),
        right("lag_s", "Lag", lag, 9, "how long the oldest of them waits"),
        right("silent_s", "Last answer", answer, 13, "of the other region to this node"),
        right("lost", "Lost", lost, 6, "times all was dropped, since what followed was gone"),
    ]
