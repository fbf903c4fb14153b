"""A cluster, or a group with sentinels, told as if it were one server: what shows servers shows it too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
from typing import Any

from perftui.analysis import commandlatency
from perftui.analysis.namespaces import namespaces
from perftui.model.cache import CacheNode, CacheReading, CommandCost, HeldBytes, Replication, SlowCommand
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterReport, ClusterView
from perftui.model.commandlog import LargeFacts

SUMS = (
    "used_bytes",
    "rss_bytes",
    "peak_bytes",
    "clients",
    "blocked_clients",
    "max_clients",
    "keys",
    "expiring_keys",
)
RATES = (
    "ops_per_s",
    "hits_per_s",
    "misses_per_s",
    "evicted_per_s",
    "expired_per_s",
    "in_bytes_per_s",
    "out_bytes_per_s",
)
SLOW = 128
"""Newest entries of all slow logs together."""


def fronts(report: ClusterReport) -> tuple[CacheNode, ...]:
    """Every cluster and group as one node."""
    return tuple(front(view) for view in report.clusters)


def front(view: ClusterView) -> CacheNode:
    """A cluster as one node: what its primaries say together; lags are the worst replica's."""
    reading = whole(view.reading) if view.reading is not None else None
    links = reading.replication.replicas if reading is not None else ()
    return CacheNode(
        source=view.source,
        health=view.health,
        reading=reading,
        at=view.at,
        hit_ratio_1m=view.hit_ratio_1m,
        lookups_1m=view.lookups_1m,
        served_ratio_1m=view.served_ratio_1m,
        full_in_s=view.full_in_s,
        lag_bytes=max((link.lag_bytes for link in links), default=None),
        lag_s=max((link.lag_s for link in links), default=None),
        namespaces=namespaces(reading.tiers if reading is not None else None),
    )


def whole(reading: ClusterReading) -> CacheReading | None:
    """The primaries' readings as one; None where none tells of itself.

    Bytes, keys, clients and rates are summed, the share of CPU is the mean of a primary, uptime the shortest.
    There is a limit of memory where every primary has one. Latency is that of all their commands, costs too;
    the slow log has the newest entries of all nodes, replicas too, each with its node.
    """
    told = [m.reading for m in reading.members if m.role == "primary" and m.reading is not None]
    if not told:
        return None
    first, role = told[0], "cluster" if reading.slotted else "group"
    summed: dict[str, Any] = {name: sum(getattr(one, name) for one in told) for name in SUMS}
    summed |= {name: _sum(getattr(one, name) for one in told) for name in RATES}
    cpus = [one.cpu_ratio for one in told if one.cpu_ratio is not None]
    return replace(
        first,
        mode=role,
        uptime_s=min(one.uptime_s for one in told),
        max_bytes=sum(one.max_bytes for one in told) if all(one.max_bytes for one in told) else 0,
        policy=_same((one.policy for one in told), "policies differ"),
        version=_same((one.version for one in told), "versions differ"),
        replication=Replication(role, replicas=tuple(r for one in told for r in one.replication.replicas)),
        loose=None,
        held=_held([one.held for one in told if one.held is not None]),
        cpu_ratio=sum(cpus) / len(cpus) if cpus else None,
        commands=costs(told),
        latency=commandlatency.together(part for one in told for part in one.latency),
        tiers=reading.tiers,
        watched=reading.watched,
        slow=tuple(sorted(_slow(reading.members), key=lambda entry: -entry.at)[:SLOW]),
        large=_large(reading.members, first.large),
        **summed,
    )


def _held(told: Sequence[HeldBytes]) -> HeldBytes | None:
    return HeldBytes(*map(sum, zip(*map(astuple, told), strict=True))) if told else None


def _slow(members: Iterable[ClusterMember]) -> Iterable[SlowCommand]:
    for member in members:
        for entry in member.reading.slow if member.reading is not None else ():
            yield replace(entry, node=member.address)


def _large(members: Iterable[ClusterMember], first: LargeFacts | None) -> LargeFacts | None:
    """The newest large commands of all nodes, each with its node; thresholds are those of the first."""
    told = [(m.address, m.reading.large) for m in members if m.reading is not None and m.reading.large]
    entries = (replace(entry, node=at) for at, facts in told for entry in facts.entries)
    newest = tuple(sorted(entries, key=lambda entry: -entry.at)[:SLOW])
    return replace(first, entries=newest) if first is not None else None


def _same(values: Iterable[str], else_: str) -> str:
    known = set(values)
    return known.pop() if len(known) == 1 else else_


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def costs(told: Sequence[CacheReading]) -> tuple[CommandCost, ...]:
    """What each command costs at all of these together, heaviest first."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for one in told:
        for cost in one.commands:
            mine = sums[cost.name]
            mine[0] += cost.calls_per_s
            mine[1] += cost.calls_per_s * cost.seconds_per_call
            mine[2] += cost.failed_per_s
    busy = sum(seconds for _, seconds, _ in sums.values()) or 1.0
    rows = [
        CommandCost(name, calls, seconds / calls, seconds / busy, failed)
        for name, (calls, seconds, failed) in sums.items()
        if calls > 0
    ]
    return tuple(sorted(rows, key=lambda cost: -cost.share)[:64])
