"""Finding about nodes of the cache library that hear late of what others change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Severity

LATE: Final = 0.05
"""Seconds within which a change is promised to be heard."""

ENOUGH: Final = 30  # canaries from which a p99 says something


def hearing(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each namespace that measures it; a replica has copies of what nodes say."""
    if node.role == "replica" or facts.tiers is None:
        return
    for one in facts.tiers.heard:
        if one.p99_s is None or one.p99_s <= LATE or one.count < ENOUGH:
            continue
        name = inert(one.namespace, 40)
        yield Finding(
            "cache.heard-late",
            Severity.WARNING,
            node.source,
            f"{name}: nodes hear late of what others change",
            (
                (
                    f"p99 {fmt.duration(one.p99_s)}, p50 {fmt.duration(one.p50_s)} of"
                    f" {fmt.count(one.count)} changes measured last ({fmt.duration(LATE)} is promised)"
                ),
                f"{fmt.duration(one.max_s)} at most, {fmt.count(one.lost)} not heard, since the nodes began",
                "an event loop that is busy hears late, as does one far from the server",
            ),
            effort=Effort.HOURS,
            labels=(("namespace", inert(one.namespace, 60)),),
        )
