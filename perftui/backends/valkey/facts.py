"""What a look says of a server: INFO as facts, the parts that some servers lack, latency as measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import hiredis

from perftui.backends.valkey import info, latency
from perftui.backends.valkey.info import Counters, Info
from perftui.backends.valkey.link import translated
from perftui.model.cache import CacheReading, CommandLatency
from perftui.model.errors import Protocol
from perftui.model.reading import Measure
from perftui.model.series import SeriesKey
from perftui.model.tierview import CAUSES, TierFacts, together


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


NAMESPACES = 20
"""Busiest ones whose misses are kept by cause: history has room for so many series."""


def cause_measures(source: str, facts: TierFacts | None) -> Iterator[Measure]:
    """Misses a second by cause, of each namespace that has any request."""
    nodes = sorted(facts.nodes if facts is not None else (), key=lambda node: node.namespace)
    grouped = groupby(nodes, key=lambda node: node.namespace)
    told = [(name, together(node.traffic for node in mine)) for name, mine in grouped]
    busy = sorted(((name, rates) for name, rates in told if rates), key=lambda pair: -pair[1].requests)
    for name, rates in busy[:NAMESPACES]:
        for cause in CAUSES:
            key = SeriesKey(source, "miss_cause_per_s", (("cause", cause), ("namespace", name)))
            yield Measure(key, getattr(rates, cause), "1/s")


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
