"""What a cache report means: thresholds, evidence in measured sentences, and the action that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from perftui.analysis.localcopy import local_copy
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.hitfindings import HOT_AGE, hits, vanished
from perftui.engines.cache.memoryfindings import memory
from perftui.engines.cache.nodefindings import node_findings
from perftui.engines.cache.predicted import turned_off
from perftui.engines.cache.relayfindings import relays
from perftui.engines.cache.replicafindings import replicas
from perftui.engines.cache.riskfindings import fills, risks
from perftui.engines.cache.shareloads import shared
from perftui.model.cache import CacheNode, CacheReading, CacheReport
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.noderecord import INDEX, PREFIX

HOT_SHARE, HOT_COUNT = 0.20, 8
STAMPEDE_LOADS = 4  # three processes that each load once are none
SLOW_WINDOW = 300.0

Rule = Callable[[float, CacheNode, CacheReading], Iterator[Finding]]


def findings(report: CacheReport) -> tuple[Finding, ...]:
    """All findings, worst first; nodes without a reading have none."""
    found = [
        finding
        for node in report.nodes
        if node.reading is not None
        for rule in RULES
        for finding in rule(report.at, node, node.reading)
    ]
    return tuple(sorted(found, key=lambda f: (-f.severity, f.source, f.id)))


def _evictions(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    if not facts.evicted_per_s:
        return
    yield Finding(
        "cache.evicting",
        Severity.WARNING,
        node.source,
        "Keys are evicted before they expire",
        (
            f"{fmt.rate(facts.evicted_per_s)} keys evicted, {fmt.rate(facts.expired_per_s)} expired",
            f"{fmt.bytes_(facts.used_bytes)} used of {fmt.bytes_(facts.max_bytes)}",
        ),
        gain=facts.evicted_per_s,
        gain_unit="requests/s",
    )


def _slow(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    recent = [entry for entry in facts.slow if now - entry.at <= SLOW_WINDOW]
    if not recent:
        return
    worst = max(recent, key=lambda entry: entry.took_s)
    yield Finding(
        "cache.slow-commands",
        Severity.WARNING,
        node.source,
        "Slow commands hold up everybody else",
        (
            f"{fmt.many(len(recent), 'entry', 'entries')} in the slow log within five minutes",
            f"the slowest took {fmt.duration(worst.took_s)}: {inert(worst.text, 120)}",
        ),
        gain=sum(entry.took_s for entry in recent) / SLOW_WINDOW,
        gain_unit="s/s",
        effort=Effort.HOURS,
    )


def _whole_scans(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    for cost in facts.commands:
        if cost.name == "keys" and cost.seconds_per_call > 0.001:
            yield Finding(
                "cache.keys-command",
                Severity.WARNING,
                node.source,
                "KEYS stops the server while it walks every key",
                (
                    (
                        f"{fmt.rate(cost.calls_per_s)} calls of {fmt.duration(cost.seconds_per_call)} each,"
                        f" {fmt.ratio(cost.share)} of all command time; SCAN does the same in small steps"
                    ),
                ),
                gain=cost.calls_per_s * cost.seconds_per_call,
                gain_unit="s/s",
                effort=Effort.HOURS,
            )


def _hot(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    watched = facts.watched
    if watched is None or now - watched.at > HOT_AGE:
        return
    # What the cache library publishes of itself comes from all processes at once, and costs nothing.
    top = next((key for key in watched.keys if not key.key.startswith((INDEX, PREFIX))), None)
    if top is None or top.share - top.error < HOT_SHARE or top.count < HOT_COUNT:
        return
    name = inert(top.key[:80].decode("utf-8", "backslashreplace"), 80)
    yield Finding(
        "cache.hot-key",
        Severity.WARNING,
        node.source,
        "One key takes a large part of the traffic",
        (
            (
                f"{name}: {fmt.ratio(top.share)} ± {fmt.ratio(top.error)} of {fmt.count(watched.commands)}"
                f" commands watched for {fmt.duration(watched.took_s)}"
            ),
            local_copy(facts.tiers, top.key),
        ),
        effort=Effort.HOURS,
    )


def _stampede(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    watched = facts.watched
    if watched is None or now - watched.at > HOT_AGE:
        return
    herds = [k for k in watched.keys if k.loads >= STAMPEDE_LOADS and k.writers >= 2]
    if not herds:
        return
    worst = max(herds, key=lambda k: k.loads)
    offer = shared(node.source, facts.tiers, worst.key) if node.role != "replica" else None
    name = inert(worst.key[:80].decode("utf-8", "backslashreplace"), 80)
    yield Finding(
        "cache.stampede",
        Severity.WARNING,
        node.source,
        "The same value is loaded several times at once",
        (
            (
                f"{name} was loaded {worst.loads} times by {worst.writers} connections within"
                f" {fmt.duration(watched.took_s)}; {fmt.many(len(herds), 'such key')}"
            ),
            "one load shared by all who wait for it, or an early refresh, would do",
        ),
        gain=sum(k.loads - 1 for k in herds) / max(watched.took_s, 0.1),
        gain_unit="requests/s",
        effort=Effort.KEY if offer is not None else Effort.HOURS,
        offer=offer,
    )


def _clients(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    if not facts.max_clients or facts.clients < 0.8 * facts.max_clients:
        return
    yield Finding(
        "cache.clients-near-limit",
        Severity.WARNING,
        node.source,
        "Almost no connections left",
        (f"{facts.clients} of {facts.max_clients} clients connected",),
    )


RULES: tuple[Rule, ...] = (
    hits,
    vanished,
    memory,
    _evictions,
    risks,
    fills,
    node_findings,
    replicas,
    _slow,
    _whole_scans,
    _hot,
    _stampede,
    _clients,
    relays,
    turned_off,
)
