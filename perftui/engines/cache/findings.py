"""What a cache report means: thresholds, evidence in measured sentences, and the action that helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from statistics import median

from perftui.analysis.localcopy import local_copy
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.nodefindings import node_findings
from perftui.engines.cache.predicted import turned_off
from perftui.engines.cache.relayfindings import relays
from perftui.engines.cache.replicafindings import replicas
from perftui.engines.cache.riskfindings import fills, limit, risks
from perftui.engines.cache.shareloads import shared
from perftui.engines.cache.ttl import longer
from perftui.model.cache import CacheNode, CacheReading, CacheReport
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.noderecord import INDEX, PREFIX

HIT_TARGET = 0.90
ENOUGH_LOOKUPS = 100.0
MEMORY_WARNING, MEMORY_CRITICAL = 0.80, 0.95
HOT_SHARE, HOT_COUNT, HOT_AGE = 0.20, 8, 300.0
STAMPEDE_LOADS = 4  # three processes that each load once are none
SLOW_WINDOW = 300.0
ENOUGH_LOADS, MOST_BLAMED = 20, 3  # loads seen from which prefixes are blamed, and how many of these
VANISHED = 0.5
FLUSHES = ("FLUSHALL", "FLUSHDB")

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


def _hits(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    ratio = node.hit_ratio_1m
    if ratio is None or ratio >= HIT_TARGET or node.lookups_1m < ENOUGH_LOOKUPS:
        return
    if node.served_ratio_1m is not None and node.served_ratio_1m >= HIT_TARGET:
        return  # the memory of nodes above it has what is asked for often
    misses = (1 - ratio) * node.lookups_1m / 60
    evidence = [
        (
            f"{fmt.ratio(ratio)} of {fmt.number(node.lookups_1m)} lookups in the last minute were hits"
            f" (target {fmt.ratio(HIT_TARGET)})"
        ),
        f"{fmt.rate(misses)} misses go to what stands behind the cache",
    ]
    if facts.evicted_per_s:
        evidence.append(f"{fmt.rate(facts.evicted_per_s)} keys are evicted: memory is too small")
    evidence += blamed(now, facts)
    gain = (HIT_TARGET - ratio) * node.lookups_1m / 60
    if facts.evicted_per_s:
        offer = limit(node.source, 2 * facts.max_bytes) if facts.max_bytes else None
    else:
        offer = lengthened(now, node.source, facts) if node.role != "replica" else None  # it takes no change
    yield Finding(
        "cache.hit-ratio-low",
        Severity.WARNING,
        node.source,
        "Hit ratio below target",
        tuple(evidence),
        gain=gain,
        gain_unit="requests/s",
        effort=Effort.KEY if offer else Effort.HOURS,
        offer=offer,
    )


def blamed(now: float, facts: CacheReading) -> Iterator[str]:
    """Prefixes that most loads of a look at the command stream were of, with how long they then live."""
    loads, lives = _loads(now, facts)
    total = loads.total()
    if facts.watched is None or total < ENOUGH_LOADS:
        return
    top = loads.most_common(MOST_BLAMED)
    named = ", ".join(_prefix(prefix, lives[prefix]) for prefix, _ in top)
    part = fmt.ratio(sum(n for _, n in top) / total)
    yield f"{part} of the {total} loads seen in {fmt.duration(facts.watched.took_s)} were of {named}"


def lengthened(now: float, source: str, facts: CacheReading) -> Offer | None:
    """A longer TTL for the namespace that most loads were of, of those whose nodes are known."""
    loads, _ = _loads(now, facts)
    if loads.total() < ENOUGH_LOADS:
        return None
    offers = (longer(source, facts.tiers, prefix) for prefix, _ in loads.most_common(MOST_BLAMED))
    return next((offer for offer in offers if offer is not None), None)


def _loads(now: float, facts: CacheReading) -> tuple[Counter[bytes], dict[bytes, list[float]]]:
    """Loads by prefix, a namespace's where one is known, and the lives that they gave."""
    watched = facts.watched
    loads: Counter[bytes] = Counter()
    lives: dict[bytes, list[float]] = {}
    if watched is None or now - watched.at > HOT_AGE:
        return loads, lives
    known = {f"{node.namespace}:".encode() for node in (facts.tiers.nodes if facts.tiers else ())}
    for key in watched.keys:
        of = [prefix for prefix in known if key.key.startswith(prefix)]
        prefix = max(of, key=len) if of else key.key[: key.key.find(b":") + 1]
        if key.loads and prefix and not key.key.startswith((INDEX, PREFIX)):
            loads[prefix] += key.loads
            lives.setdefault(prefix, []).extend([key.ttl_s] if key.ttl_s is not None else [])
    return loads, lives


def _prefix(prefix: bytes, lives: list[float]) -> str:
    name = inert(prefix[:60].decode("utf-8", "backslashreplace"), 60)
    return f"{name}*" + (f" (TTL {fmt.duration(median(lives))})" if lives else "")


def _vanished(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    before, copies = node.keys_1m_ago, node.role == "replica" and node.lag_bytes is not None
    if copies or before is None or before < 100 or facts.keys > before * VANISHED:
        return  # of a replica whose primary is watched too, the primary tells
    flushed = [e for e in facts.slow if now - e.at <= SLOW_WINDOW and e.text.upper().startswith(FLUSHES)]
    who = [
        f"{inert(entry.text, 40)} by {inert(entry.client, 64) or 'a client without a name'}"
        f" {fmt.duration(max(0.0, now - entry.at))} ago"
        for entry in sorted(flushed, key=lambda entry: -entry.at)[:1]
    ]
    yield Finding(
        "cache.keys-vanished",
        Severity.WARNING,
        node.source,
        "Most keys are gone: flushed, purged or restarted",
        (
            f"{fmt.count(int(before))} keys a minute ago, {fmt.count(facts.keys)} now",
            *who,
            f"the server has been up for {fmt.duration(facts.uptime_s)}",
        ),
    )


def _memory(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    ratio = facts.memory_ratio
    if ratio is None or ratio < MEMORY_WARNING:
        return
    # A cache that evicts by design lives near its limit: there it is a warning at most.
    evicts = facts.policy.startswith("allkeys")
    severity = Severity.CRITICAL if ratio >= MEMORY_CRITICAL and not evicts else Severity.WARNING
    evidence = [
        (
            f"{fmt.bytes_(facts.used_bytes)} of {fmt.bytes_(facts.max_bytes)} used ({fmt.ratio(ratio)}),"
            f" policy {inert(facts.policy, 32)}"
        )
    ]
    if node.full_in_s is not None:
        evidence.append(f"full in {fmt.duration(node.full_in_s)} at the pace of the last five minutes")
    yield Finding(
        "cache.memory-near-limit",
        severity,
        node.source,
        "Memory near its limit",
        tuple(evidence),
        gain=max(0.0, facts.used_bytes - MEMORY_WARNING * facts.max_bytes),
        gain_unit="bytes",
        offer=Offer("cache.purge", node.source, "Purge keys by pattern"),
    )


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
            f"{len(recent)} entries in the slow log within five minutes",
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
                f" {fmt.duration(watched.took_s)}; {len(herds)} such keys"
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
    _hits,
    _vanished,
    _memory,
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
