"""Memory near its limit: what more of it would bring, which keys hold it, and what mends that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from perftui.analysis import misscurves
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.purge import literal
from perftui.engines.cache.riskfindings import evict, limit
from perftui.model.cache import CacheNode, CacheReading, Keyspace
from perftui.model.finding import Finding, Offer, Severity

MEMORY_WARNING, MEMORY_CRITICAL = 0.80, 0.95
SPACE_AGE: Final = 900.0  # seconds for which a sample of the keys tells who holds the memory
MAIN: Final = 0.5  # share of the keys from which a namespace's curve speaks for the server
MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Size:
    """A limit of memory in bytes that a curve asks for, the present one where more would bring little."""

    bytes_: int
    evidence: tuple[str, ...]


def memory(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Used memory near the limit: a larger one where a curve asks for it, else a policy, else a purge."""
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
    offer, told = _mend(now, node, facts)
    yield Finding(
        "cache.memory-near-limit",
        severity,
        node.source,
        "Memory near its limit",
        (*evidence, *told),
        gain=max(0.0, facts.used_bytes - MEMORY_WARNING * facts.max_bytes),
        gain_unit="bytes",
        offer=offer,
    )


def _mend(now: float, node: CacheNode, facts: CacheReading) -> tuple[Offer | None, tuple[str, ...]]:
    size, space = grown(now, facts), sampled(now, facts)
    told = (*(size.evidence if size is not None else ()), *_held(space))
    if node.role == "replica":
        return None, told  # it takes no change
    if size is not None and size.bytes_ > facts.max_bytes:
        return limit(node.source, size.bytes_), told
    if facts.policy == "noeviction":
        return evict(node.source), told
    return _purge(node.source, facts, space), told


def grown(now: float, facts: CacheReading) -> Size | None:
    """The limit that the library's nodes ask for; None where that is not known.

    Their curve is of all that they are asked for: a server of so many entries behind them misses what LRU
    of as many would. It is asked where a sample of the keys says that most are of one namespace.
    """
    space = sampled(now, facts)
    if space is None or facts.tiers is None or not facts.max_bytes or not facts.keys:
        return None
    shares = {share.prefix: share.key_share for share in space.prefixes}
    found = [(shares.get(_prefix(name), 0.0), name, curve) for name, curve in facts.tiers.curves]
    share, name, curve = max(found, key=lambda one: one[0], default=(0.0, "", None))
    if curve is None or share < MAIN:
        return None
    entries = share * facts.keys * facts.max_bytes / max(1, facts.used_bytes)
    asked = misscurves.shared(curve, entries)
    if asked is None:
        return None
    shown, brings = inert(name, 40), asked.now.miss_ratio - asked.then.miss_ratio
    if asked.times == 1:
        return Size(facts.max_bytes, (f"more memory would bring {shown} less than a point of hit ratio",))
    size = -(-round(facts.max_bytes * asked.times) // MIB) * MIB
    nodes = "1 node" if curve.nodes == 1 else f"{curve.nodes} nodes"
    text = (
        f"{fmt.bytes_(size)} would bring {100 * brings:.1f} points of hit ratio: by the curve of {shown}"
        f" ({nodes}, LRU) it misses {fmt.ratio(asked.now.miss_ratio)} of lookups now,"
        f" {fmt.ratio(asked.then.miss_ratio)} then, each ± {100 * asked.error:.1f} points"
    )
    return Size(size, (text,))


def sampled(now: float, facts: CacheReading) -> Keyspace | None:
    """The newest sample of the keys, where it is of late."""
    space = facts.space
    return space if space is not None and space.prefixes and now - space.at <= SPACE_AGE else None


def _held(space: Keyspace | None) -> Iterator[str]:
    """Who holds the most, and how that is known."""
    if space is None:
        return
    top = space.prefixes[0]
    name = inert(top.prefix[:60].decode("utf-8", "backslashreplace"), 60)
    seen = f"{fmt.count(space.sampled)} of {fmt.count(space.total)} keys seen"
    how = "all keys counted" if space.exact else f"± {fmt.ratio(top.byte_error)}, {seen}"
    star = "" if name.endswith("*") else "*"
    yield f"{name}{star} holds {fmt.ratio(top.byte_share)} of the bytes, {fmt.bytes_(top.bytes_)} ({how})"


def _purge(source: str, facts: CacheReading, space: Keyspace | None) -> Offer:
    """A purge of what holds the most; where that is not known, or has no name of its own, the operator says.

    Entries of the library are named by their namespace: what else it keeps there stays.
    """
    top = space.prefixes[0].prefix if space is not None else b""
    nodes = facts.tiers.nodes if facts.tiers is not None else ()
    mine = next((node.namespace for node in nodes if _prefix(node.namespace) == top), "")
    if mine:
        params = (("namespace", mine), ("pattern", "*"))
        return Offer("cache.purge", source, f"Purge the entries of {inert(mine, 40)}", params)
    pattern = _pattern(top)
    if not pattern:
        return Offer("cache.purge", source, "Purge keys by pattern")
    return Offer("cache.purge", source, f"Purge {inert(pattern, 60)}", (("pattern", pattern),))


def _prefix(namespace: str) -> bytes:
    return f"{namespace}:".encode("utf-8", "surrogatepass")


def _pattern(prefix: bytes) -> str:
    """What matches these keys alone; empty for names folded into one, and what cannot be typed."""
    if not prefix or b"*" in prefix:
        return ""
    try:
        text = literal(prefix).decode()
    except UnicodeDecodeError:
        return ""
    return f"{text}*" if text.isprintable() else ""
