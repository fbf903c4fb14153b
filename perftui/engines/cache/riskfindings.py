"""Findings about how a cache server is set up, and about the room it has left."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.cachesettings import Risk, risk
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.serverconfig import DEFAULT_USER

FILLS_SOON = 3600.0
LATENCY_MS = 100
SMALLEST = 64 << 20
TOLD = ("maxmemory", "maxmemory-policy", "latency-monitor-threshold", DEFAULT_USER)


def risks(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """What is risky, of a primary whose settings are known."""
    known = {"maxmemory": str(facts.max_bytes), "maxmemory-policy": facts.policy, **dict(facts.settings)}
    found = {name: one for name in TOLD if (one := risk(name, known, node.role)) is not None}
    if (one := found.get("maxmemory")) is not None:
        yield _no_limit(node, facts, one)
    if (one := found.get("maxmemory-policy")) is not None:
        yield _noeviction(node, facts, one)
    if (one := found.get("latency-monitor-threshold")) is not None:
        yield Finding(
            one.finding,
            Severity.INFO,
            node.source,
            one.sentence,
            ("latency-monitor-threshold is 0: forks, evictions and slow disks leave no trace",),
            effort=Effort.KEY,
            offer=Offer(
                "cache.configure",
                node.source,
                f"Set latency-monitor-threshold to {LATENCY_MS} ms",
                (("parameter", "latency-monitor-threshold"), ("value", str(LATENCY_MS))),
            ),
        )
    if (one := found.get(DEFAULT_USER)) is not None:
        yield Finding(
            one.finding,
            Severity.WARNING,
            node.source,
            one.sentence,
            (
                "the default user is on and needs no password",
                "give it one in the configuration file or an ACL: clients must know it at the same time",
            ),
            effort=Effort.HOURS,
        )


def _no_limit(node: CacheNode, facts: CacheReading, why: Risk) -> Finding:
    size = room_for(facts.used_bytes)
    return Finding(
        why.finding,
        Severity.WARNING,
        node.source,
        why.sentence,
        (
            f"maxmemory is 0; {fmt.bytes_(facts.used_bytes)} used now",
            f"policy at the limit would be {inert(facts.policy, 32)}",
        ),
        effort=Effort.KEY,
        offer=limit(node.source, size),
    )


def _noeviction(node: CacheNode, facts: CacheReading, why: Risk) -> Finding:
    used = f"{fmt.ratio(facts.memory_ratio)} of {fmt.bytes_(facts.max_bytes)} used"
    return Finding(
        why.finding,
        Severity.WARNING,
        node.source,
        why.sentence,
        (f"maxmemory-policy is noeviction; {used}",),
        effort=Effort.KEY,
        offer=evict(node.source),
    )


def fills(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Memory that will be full within the hour, though there is room yet; replicas have no limit."""
    left, ratio = node.full_in_s, facts.memory_ratio
    if node.role == "replica" or left is None or ratio is None or left > FILLS_SOON or ratio >= 0.80:
        return  # from there on the other finding says it
    yield Finding(
        "cache.memory-fills",
        Severity.WARNING,
        node.source,
        "Memory will be full soon",
        (
            f"full in {fmt.duration(left)} at the pace of the last five minutes",
            f"{fmt.bytes_(facts.used_bytes)} of {fmt.bytes_(facts.max_bytes)} used ({fmt.ratio(ratio)})",
            f"policy at the limit would be {inert(facts.policy, 32)}",
        ),
        effort=Effort.KEY,
        offer=limit(node.source, 2 * facts.max_bytes),
    )


def evict(source: str) -> Offer:
    """Let keys go when memory is full."""
    params = (("parameter", "maxmemory-policy"), ("value", "allkeys-lru"))
    return Offer("cache.configure", source, "Set maxmemory-policy to allkeys-lru", params)


def limit(source: str, size: int) -> Offer:
    """Set how much memory the data may take."""
    params = (("parameter", "maxmemory"), ("value", str(size)))
    return Offer("cache.configure", source, f"Set maxmemory to {fmt.bytes_(size)}", params)


def room_for(used: int) -> int:
    """Twice what is used, as the next power of two; 64 MiB at least."""
    return max(SMALLEST, 1 << max(0, 2 * used - 1).bit_length())
