"""How a console asks the nodes of a cache to warm a set of keys again, and what they say of their sets.

The key `__warm:NAMESPACE:SET` in L2 holds a new random text each time it is asked, for a minute; nodes look
each two seconds. Their records (noderecord) have the counters `warm.SET.runs loaded skipped failed`, and of
the run that is or was last the gauges `total left leads`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perftui.model.noderecord import NodeRecord

LOOK_EVERY: Final = 2.0  # seconds between two looks of a node
ASK_LIFE: Final = 60.0  # seconds it is asked for
ASK_LARGEST: Final = 64  # bytes of the text
MOST: Final = 1e9  # keys a set is believed to have: anybody may have written the record
NAME: Final = re.compile(r"[a-z0-9_\-]{1,32}")  # of a set
_RUNS: Final = re.compile(r"warm\.([a-z0-9_\-]{1,32})\.runs")


@dataclass(frozen=True, slots=True)
class WarmSet:
    """A warm set at one node: `runs` that ended, keys of all runs, and `total` and `left` of the last one."""

    namespace: str
    node: str
    name: str
    runs: int
    loaded: int
    skipped: int
    failed: int
    total: int
    left: int
    leads: bool


def ask_key(namespace: str, name: str) -> bytes:
    """Where a set is asked for; outside of what invalidation watches."""
    return f"__warm:{namespace}:{name}".encode("utf-8", "surrogatepass")


def warm_sets(records: Iterable[NodeRecord]) -> tuple[WarmSet, ...]:
    """The warm sets of all nodes, by namespace, set and node."""
    found = [_set(record, match[1]) for record in records for match in _names(record)]
    return tuple(sorted(found, key=lambda one: (one.namespace, one.name, one.node)))


def _names(record: NodeRecord) -> list[re.Match[str]]:
    return [match for name in record.stats.counters if (match := _RUNS.fullmatch(name))]


def _set(record: NodeRecord, name: str) -> WarmSet:
    stats = record.stats
    runs, loaded, skipped, failed = (
        stats.of(f"warm.{name}.{what}") for what in ("runs", "loaded", "skipped", "failed")
    )
    total, left, leads = (
        int(min(max(0.0, stats.gauges.get(f"warm.{name}.{what}", 0.0)), MOST))
        for what in ("total", "left", "leads")
    )
    return WarmSet(
        stats.namespace, stats.node, name, runs, loaded, skipped, failed, total, left, leads=bool(leads)
    )
