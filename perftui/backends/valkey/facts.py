"""What a look says of a server: INFO as facts, the parts that some servers lack, latency as measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from itertools import groupby
from typing import Any

import hiredis

from perftui.backends.valkey import info, latency
from perftui.backends.valkey.info import Counters, Info
from perftui.backends.valkey.link import translated
from perftui.model.cache import CacheReading, CommandLatency, HeldBytes, Loose
from perftui.model.errors import Protocol
from perftui.model.reading import Measure
from perftui.model.series import SeriesKey
from perftui.model.tierview import CAUSES, TierFacts, TierNode, TierTraffic, together


@dataclass(frozen=True, slots=True)
class Before:
    """What the next look is compared with: counters, and commands by class and bucket of latency."""

    counters: Counters
    histogram: latency.Groups

    def latency(self, now: Before) -> tuple[CommandLatency, ...]:
        """Latency of what ran between this look and that one; none where the server began anew."""
        if self.counters.run != now.counters.run:
            return ()
        return latency.since(now.histogram, self.histogram, now.counters.at - self.counters.at)


def optional(reply: Any, panel: str, asked: str, where: str, limits: list[tuple[str, str]]) -> Any:
    """A part that some servers and users lack: its absence hides one panel, not the server."""
    if isinstance(reply, hiredis.ReplyError):
        error = translated(reply, asked, where)
        needs = f" ({asked} HISTOGRAM came with 7.0)" if panel == "latency" else ""
        limits.append((panel, str(error) + (needs if not isinstance(error, Protocol) else "")))
        return None
    return reply


def slow_threshold(reply: Any) -> float | None:
    """Seconds from which a command is logged, as CONFIG GET has it; None: none is."""
    if isinstance(reply, list) and len(reply) == 2 and int(reply[1]) >= 0:
        return int(reply[1]) / 1e6
    return None


def latency_measures(source: str, parts: Iterable[CommandLatency]) -> Iterator[Measure]:
    """Quantiles and buckets of each class."""
    for part in parts:
        labels = (("class", part.name),)
        for name, value in (("p50_s", part.p50_s), ("p95_s", part.p95_s), ("p99_s", part.p99_s)):
            yield Measure(SeriesKey(source, name, labels), value, "s")
        for bound, rate in part.buckets:
            key = SeriesKey(source, "latency_bucket_per_s", (*labels, ("le", f"{bound:.6g}")))
            yield Measure(key, rate, "1/s")


Labels = tuple[tuple[str, str], ...]

NAMESPACES = 20
"""Busiest ones whose requests and misses are kept: history has room for so many series."""


def client_measures(source: str, facts: TierFacts | None) -> Iterator[Measure]:
    """What callers at nodes wait for, quantiles and buckets, and how late they hear of changes."""
    for one in facts.client if facts is not None else ():
        for name, value in (("p50_s", one.p50_s), ("p95_s", one.p95_s), ("p99_s", one.p99_s)):
            yield Measure(SeriesKey(source, f"client.{name}", (("op", one.name),)), value, "s")
        for bound, rate in one.buckets:
            labels = (("le", f"{bound:.6g}"), ("op", one.name))
            yield Measure(SeriesKey(source, "client.bucket_per_s", labels), rate, "1/s")
    for late in facts.heard[:NAMESPACES] if facts is not None else ():
        if late.p99_s is not None:
            yield Measure(SeriesKey(source, "heard_p99_s", (("namespace", late.namespace),)), late.p99_s, "s")


HELD = ("mem_clients_normal", "mem_clients_slaves", "mem_replication_backlog")
"""INFO's names of what HeldBytes has, in its order."""


def held_measures(source: str, facts: CacheReading, labels: Labels = ()) -> Iterator[Measure]:
    """Memory of one server beside the keys, in bytes."""
    names = ("client_buffer_bytes", "replica_buffer_bytes", "backlog_bytes")
    for name, value in zip(names, astuple(facts.held), strict=True) if facts.held is not None else ():
        yield Measure(SeriesKey(source, name, labels), float(value), "bytes")


def limit_measures(source: str, facts: CacheReading, labels: Labels = ()) -> Iterator[Measure]:
    """How near one server is to its limit of memory; a replica has no say in that, its primary evicts."""
    if facts.memory_ratio is None or facts.replication.role != "primary":
        return
    yield Measure(SeriesKey(source, "memory_ratio", labels), facts.memory_ratio, "ratio")
    keeps = float(not facts.policy.startswith("allkeys"))
    yield Measure(SeriesKey(source, "keeps_keys", labels), keeps, "1")


def cause_measures(source: str, facts: TierFacts | None) -> Iterator[Measure]:
    """Requests and hits of nodes of the library, and of each namespace that has any, with misses by cause."""
    nodes = sorted(facts.nodes if facts is not None else (), key=lambda node: node.namespace)
    grouped = groupby(nodes, key=lambda node: node.namespace)
    told = [(name, together(node.traffic for node in mine)) for name, mine in grouped]
    if (rates := together(mine for _, mine in told)) is not None:
        yield Measure(SeriesKey(source, "requests_per_s"), rates.requests, "1/s")
        yield Measure(SeriesKey(source, "l1_hits_per_s"), rates.l1_hits, "1/s")
        yield from _by_cause(source, (), rates)
    busy = sorted(((name, rates) for name, rates in told if rates), key=lambda pair: -pair[1].requests)
    for name, rates in busy[:NAMESPACES]:
        labels = (("namespace", name),)
        yield Measure(SeriesKey(source, "requests_per_s", labels), rates.requests, "1/s")
        yield Measure(SeriesKey(source, "fresh_per_s", labels), rates.l1_hits + rates.l2_hits, "1/s")
        yield from _l1_measures(source, labels, rates, [node for node in nodes if node.namespace == name])
        yield from _by_cause(source, labels, rates)


def _by_cause(source: str, labels: Labels, rates: TierTraffic) -> Iterator[Measure]:
    """Misses of a namespace, or of all, by cause; and what left L1, by cause."""
    for cause in CAUSES:
        key = SeriesKey(source, "miss_cause_per_s", (("cause", cause), *labels))
        yield Measure(key, getattr(rates, cause), "1/s")
    for cause, rate in rates.evictions:
        yield Measure(SeriesKey(source, "l1_gone_per_s", (("cause", cause), *labels)), rate, "1/s")


def _l1_measures(
    source: str, labels: Labels, rates: TierTraffic, nodes: Iterable[TierNode]
) -> Iterator[Measure]:
    """L1 of the nodes of a namespace whose L1 is bounded by bytes."""
    bounded = [node for node in nodes if node.l1_bound]
    if not bounded:
        return
    yield Measure(SeriesKey(source, "l1_bytes", labels), sum(node.l1_bytes for node in bounded), "bytes")
    bound = sum(node.l1_bound for node in bounded)
    yield Measure(SeriesKey(source, "l1_bound_bytes", labels), bound, "bytes")
    yield Measure(SeriesKey(source, "l1_evicted_per_s", labels), rates.evicted, "1/s")


def loose_of(fields: Info) -> Loose | None:
    """What jemalloc keeps beside values; other allocators do not say."""
    if not fields.get("mem_allocator", "").startswith("jemalloc"):
        return None
    sizes = (info.whole(fields, f"allocator_{name}") for name in ("allocated", "active", "resident"))
    allocated, active, resident = sizes
    return Loose(max(0, resident - active), max(0, active - allocated))


def reading_of(fields: Info, now: Counters, before: Counters | None, **rest: Any) -> CacheReading:
    """An INFO and what changed since the one before it, as facts; `rest` is what INFO does not say."""

    def per_s(name: str) -> float | None:
        return now.rate(before, name)

    system, user = per_s("used_cpu_sys"), per_s("used_cpu_user")
    keys, expiring = info.keyspace(fields)
    valkey = fields.get("valkey_version", "")
    return CacheReading(
        product="Valkey" if valkey else "Redis",
        version=valkey or fields.get("redis_version", "?"),
        mode=fields.get("server_mode") or fields.get("redis_mode", "?"),
        uptime_s=info.real(fields, "uptime_in_seconds"),
        used_bytes=info.whole(fields, "used_memory"),
        rss_bytes=info.whole(fields, "used_memory_rss"),
        peak_bytes=info.whole(fields, "used_memory_peak"),
        max_bytes=info.whole(fields, "maxmemory"),
        policy=fields.get("maxmemory_policy", "?"),
        allocator=fields.get("mem_allocator", "?"),
        held=HeldBytes(*(info.whole(fields, name) for name in HELD)) if HELD[0] in fields else None,
        loose=loose_of(fields),
        clients=info.whole(fields, "connected_clients"),
        blocked_clients=info.whole(fields, "blocked_clients"),
        max_clients=info.whole(fields, "maxclients"),
        keys=keys,
        expiring_keys=expiring,
        replication=info.replication(fields),
        ops_per_s=per_s("total_commands_processed"),
        hits_per_s=per_s("keyspace_hits"),
        misses_per_s=per_s("keyspace_misses"),
        evicted_per_s=per_s("evicted_keys"),
        expired_per_s=per_s("expired_keys"),
        in_bytes_per_s=per_s("total_net_input_bytes"),
        out_bytes_per_s=per_s("total_net_output_bytes"),
        cpu_ratio=None if system is None or user is None else system + user,
        commands=now.costs(before),
        **rest,
    )
