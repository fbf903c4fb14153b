"""What a cache report means: thresholds, evidence in measured sentences, and the action that helps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.edgefindings import edge_purges
from perftui.engines.cache.hearingfindings import hearing
from perftui.engines.cache.heldfindings import held
from perftui.engines.cache.hitfindings import hits, vanished
from perftui.engines.cache.memoryfindings import memory
from perftui.engines.cache.nodefindings import node_findings
from perftui.engines.cache.predicted import turned_off
from perftui.engines.cache.relayfindings import relays
from perftui.engines.cache.replicafindings import replicas
from perftui.engines.cache.riskfindings import fills, risks
from perftui.engines.cache.streamfindings import hot, stampede
from perftui.engines.cache.unreadfindings import unread
from perftui.model.cache import CacheNode, CacheReading, CacheReport
from perftui.model.finding import Effort, Finding, Severity

SLOW_WINDOW = 300.0
REPLICATION = frozenset({"PSYNC", "SYNC", "REPLCONF", "REPLICAOF", "SLAVEOF", "FAILOVER"})
OF_CLUSTERS = frozenset({"FAILOVER", "REPLICATE", "SYNCSLOTS", "MIGRATESLOTS"})

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


def evictions(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Keys that go before their time."""
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
    new = (entry for entry in facts.slow if now - entry.at <= SLOW_WINDOW)
    recent = [entry for entry in new if not replicates(entry.text)]
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


def replicates(command: str) -> bool:
    """Whether a command serves replication: it takes its time at the server's will, not a caller's."""
    name, second, *_ = (*command.upper().split(maxsplit=2), "", "")
    return second in OF_CLUSTERS if name == "CLUSTER" else name in REPLICATION


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


def clients(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Hardly any room for one more connection."""
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
    held,
    evictions,
    risks,
    fills,
    node_findings,
    hearing,
    replicas,
    _slow,
    _whole_scans,
    hot,
    stampede,
    clients,
    relays,
    edge_purges,
    unread,
    turned_off,
)
