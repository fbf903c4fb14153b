"""Purges that services queued for the edge, and nobody relays: what is served there is old."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Severity

LATE, LOST = 60.0, 600.0  # seconds from which a purge is late, and from which it is taken that nobody relays


def edge_purges(_now: float, server: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each queue whose oldest purge has waited for a minute; a replica has copies of them."""
    queues = facts.tiers.purges if facts.tiers is not None and server.role != "replica" else ()
    for queue in queues:
        if queue.oldest_s < LATE:
            continue
        yield Finding(
            "cache.edge-purges-wait",
            Severity.CRITICAL if queue.oldest_s >= LOST else Severity.WARNING,
            server.source,
            f"{inert(queue.namespace, 40)}: purges wait for the edge",
            (
                f"{fmt.many(queue.waiting, 'purge')}, the oldest for {fmt.duration(queue.oldest_s)}",
                "pages that were removed or changed are served there as they were before",
                "no edge takes them, or nobody relays: `perftui cdn relay --watch 5` does, and says why not",
            ),
            gain=float(queue.waiting),
            gain_unit="purges",
            effort=Effort.MINUTES,
            labels=(("namespace", inert(queue.namespace, 60)),),
        )
