"""Queues of several systems as one table: each source's newest rows, with the pace since the look before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from perftui.model.cache import CacheReport
from perftui.model.queues import QueueDepth, QueueView, pace

Key = tuple[str, str, str]


def key(depth: QueueDepth) -> Key:
    """Which queue it is."""
    return depth.source, depth.system, depth.name


def merged(known: Any, source: str, fresh: Sequence[QueueDepth]) -> tuple[QueueDepth, ...]:
    """What is known of other sources, and what `source` says now."""
    others = known if isinstance(known, tuple) else ()
    return (*(depth for depth in others if depth.source != source), *fresh)


def lying(report: Any) -> tuple[QueueView, ...]:
    """Queues in the cache servers of a report; what a replica repeats of a primary is told once."""
    nodes = report.nodes if isinstance(report, CacheReport) else ()
    views = [(n.role, v) for n in nodes if n.reading is not None for v in n.reading.queues]
    led = {key(view.depth)[1:] for role, view in views if role != "replica"}
    return tuple(v for role, v in views if role != "replica" or key(v.depth)[1:] not in led)


def newest(views: Sequence[QueueView], told: Sequence[QueueView]) -> list[QueueView]:
    """Both as one list, of a queue that both know the younger look, the fullest first."""
    found = {key(view.depth): view for view in told}
    for view in views:
        other = found.get(key(view.depth))
        if other is None or view.depth.at >= other.depth.at or other.in_per_s is None:
            found[key(view.depth)] = view
    return sorted(found.values(), key=lambda v: (-v.depth.waiting, v.depth.name))


class Paces:
    """The look before of every queue, so that the next one can be told as a pace."""

    def __init__(self) -> None:
        self._before: dict[Key, QueueDepth] = {}
        self._views: dict[Key, QueueView] = {}

    def views(self, depths: Sequence[QueueDepth]) -> list[QueueView]:
        """Queues with their pace, the fullest first."""
        found: dict[Key, QueueView] = {}
        for depth in depths:
            before = self._before.get(key(depth))
            if before is None or depth.at > before.at:
                found[key(depth)] = pace(depth, before)
                self._before[key(depth)] = depth
            else:
                found[key(depth)] = self._views[key(depth)]  # drawn again without a newer look
        self._views = found
        self._before = {known: self._before[known] for known in found}
        return sorted(found.values(), key=lambda v: (-v.depth.waiting, v.depth.name))


def opened(views: Sequence[QueueView], keys: Collection[Key]) -> list[QueueView]:
    """The views, each of `keys` followed by its partitions, the one furthest behind first."""
    rows: list[QueueView] = []
    for view in views:
        rows.append(view)
        if key(view.depth) in keys:
            rows += parts_of(view.depth)
    return rows


def parts_of(depth: QueueDepth) -> list[QueueView]:
    """The partitions of a queue as rows of their own."""
    parts = sorted(depth.parts, key=lambda part: (-part.waiting, part.name))
    return [
        QueueView(
            QueueDepth(
                depth.source, depth.system, f"{depth.name}/{p.name}", depth.at, p.waiting, added=p.added
            )
        )
        for p in parts
    ]
