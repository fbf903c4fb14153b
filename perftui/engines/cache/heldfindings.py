"""Findings about memory that holds no keys: fragments, and what connections have not yet taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading, HeldBytes
from perftui.model.finding import Effort, Finding, Offer, Severity

FRAGMENTED: Final = 1.5
"""Resident of used memory from which it is told (the servers' own documentation calls it fragmented)."""

SMALL: Final = 64 << 20
"""Bytes used below which the program itself outweighs them."""

BUFFERS: Final = 0.10
"""Of the limit, or of used memory without one, in buffers of connections."""

LEAST: Final = 16 << 20

LIMIT: Final = "client-output-buffer-limit"
UNBOUNDED: Final = "normal 0 0 0 "

PARTS: Final = 16
"""Of the limit, or of used memory, one client may leave unread one."""


def held(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Resident far above used, and large buffers of clients or replicas."""
    ratio = facts.rss_ratio
    if ratio is not None and ratio >= FRAGMENTED and facts.used_bytes >= SMALL:
        yield _fragmented(node, facts, ratio)
    beside = facts.held
    if beside is None:
        return
    if beside.clients + beside.replicas >= max(LEAST, BUFFERS * (facts.max_bytes or facts.used_bytes)):
        yield _buffers(node, facts, beside)


def _fragmented(node: CacheNode, facts: CacheReading, ratio: float) -> Finding:
    offer, mends = _given_back(node, facts)
    used, resident = fmt.bytes_(facts.used_bytes), fmt.bytes_(facts.rss_bytes)
    return Finding(
        "cache.fragmented",
        Severity.WARNING,
        node.source,
        "Much more memory is resident than used",
        (f"{resident} resident for {used} used ({ratio:.2f} times)", *mends),
        gain=float(facts.rss_bytes - facts.used_bytes),
        gain_unit="bytes",
        effort=Effort.HOURS if offer is None else Effort.KEY,
        offer=offer,
    )


def _given_back(node: CacheNode, facts: CacheReading) -> tuple[Offer | None, tuple[str, ...]]:
    """What lets the system have it, as the allocator tells where it is; None where the server cannot."""
    allocator, loose = inert(facts.allocator, 32), facts.loose
    if loose is None:
        stays = (
            f"allocator {allocator}: the server can give nothing back while it runs; a restart does, as far"
            f" as it is no past peak ({fmt.bytes_(facts.peak_bytes)})"
        )
        return None, (stays, "a replica that takes over first goes on serving meanwhile")
    freed, between = fmt.bytes_(loose.freed), fmt.bytes_(loose.fragments)
    told = f"allocator {allocator}: {freed} freed and kept, {between} between values"
    if loose.freed >= max(SMALL, loose.fragments):
        return Offer("cache.give-back", node.source, f"Give {freed} back to the system"), (told,)
    on = dict(facts.settings).get("activedefrag")
    if on == "yes":
        return None, (told, "activedefrag is on: it mends what is past its thresholds, as it has time")
    if on == "no" and loose.fragments >= SMALL:
        params = (("parameter", "activedefrag"), ("value", "yes"))
        offer = Offer("cache.configure", node.source, "Set activedefrag to yes", params)
        return offer, (told, "activedefrag moves values out of such pages; a build that cannot refuses it")
    return None, (told, "a restart gives it back")


def _buffers(node: CacheNode, facts: CacheReading, beside: HeldBytes) -> Finding:
    buffers = beside.clients + beside.replicas
    of = "the limit" if facts.max_bytes else "used memory"
    share = fmt.ratio(buffers / (facts.max_bytes or facts.used_bytes or 1))
    clients, replicas = fmt.bytes_(beside.clients), fmt.bytes_(beside.replicas)
    offer, why = _bounded(node, facts, beside)
    return Finding(
        "cache.large-buffers",
        Severity.WARNING,
        node.source,
        "Connections hold much of the memory",
        (f"{clients} in buffers of clients, {replicas} of replicas: {share} of {of}", why),
        gain=float(buffers),
        gain_unit="bytes",
        effort=Effort.HOURS if offer is None else Effort.KEY,
        offer=offer,
    )


def _bounded(node: CacheNode, facts: CacheReading, beside: HeldBytes) -> tuple[Offer | None, str]:
    """A bound of what one client may leave unread, where there is none; a replica cut off costs more."""
    if beside.replicas > beside.clients:
        return None, "a replica reads slowly; hung up on, it would ask for a whole copy"
    limits = dict(facts.settings).get(LIMIT, "")
    if not f"{limits} ".startswith(UNBOUNDED):
        return None, f"somebody asks for more than it reads: `{LIMIT}` bounds that"
    most = max(LEAST, (facts.max_bytes or facts.used_bytes) // PARTS)
    value = f"normal {most} {most // 4} 60"
    title = f"Hang up on clients that leave {fmt.bytes_(most)} unread, or a quarter for a minute"
    offer = Offer("cache.configure", node.source, title, (("parameter", LIMIT), ("value", value)))
    return offer, f"somebody asks for more than it reads, and `{LIMIT}` sets clients no bound"
