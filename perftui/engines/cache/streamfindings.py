"""What a look at the command stream tells that is wrong: a key that is hot, a value loaded several times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perftui.analysis.localcopy import holders, local_copy
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.hitfindings import HOT_AGE
from perftui.engines.cache.loadearly import early
from perftui.engines.cache.localcopies import lent
from perftui.engines.cache.shareloads import shared
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.noderecord import INDEX, PREFIX

HOT_SHARE: Final = 0.20
"""Part of a server's commands from which a key is hot."""

HOT_COUNT: Final = 8
"""Commands of it that must have been seen."""

STAMPEDE_LOADS: Final = 4  # three processes that each load once are none

AT_END: Final = 0.5
"""Part of a namespace's misses that were of what had ended, from which a stampede is one at the end."""

LONG_LOAD: Final = 0.05
"""Seconds of a load from which it is worth beginning before the end: who asks then waits as long."""


def hot(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """A key that many of the commands are of."""
    watched = facts.watched
    if watched is None or now - watched.at > HOT_AGE:
        return
    # What the cache library publishes of itself comes from all processes at once, and costs nothing.
    top = next((key for key in watched.keys if not key.key.startswith((INDEX, PREFIX))), None)
    if top is None or top.share - top.error < HOT_SHARE or top.count < HOT_COUNT:
        return
    name = inert(top.key[:80].decode("utf-8", "backslashreplace"), 80)
    offer = lent(node.source, facts.tiers, top.key) if node.role != "replica" else None
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
        effort=Effort.KEY if offer is not None else Effort.HOURS,
        offer=offer,
    )


def stampede(now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """A key that several connections load at once: one load for all, or loads before the end."""
    watched = facts.watched
    if watched is None or now - watched.at > HOT_AGE:
        return
    herds = [k for k in watched.keys if k.loads >= STAMPEDE_LOADS and k.writers >= 2]
    if not herds:
        return
    worst = max(herds, key=lambda k: k.loads)
    offer, cure = _cure(node, facts, worst.key)
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
            cure,
        ),
        gain=sum(k.loads - 1 for k in herds) / max(watched.took_s, 0.1),
        gain_unit="requests/s",
        effort=Effort.KEY if offer is not None else Effort.HOURS,
        offer=offer,
    )


def _cure(node: CacheNode, facts: CacheReading, key: bytes) -> tuple[Offer | None, str]:
    """Loads before the end where that is when they crowd and a load is long; else one load for all."""
    plain = "one load shared by all who wait for it, or an early refresh, would do"
    if node.role == "replica":
        return None, plain  # it takes no change
    alike = holders(facts.tiers, key)
    view = next((v for v in node.namespaces if alike and v.namespace == alike[0].namespace), None)
    traffic = view.traffic if view is not None else None
    if view is not None and traffic is not None and traffic.misses:
        part, long = min(1.0, traffic.expired / traffic.misses), view.load_p95_s or 0.0
        before = early(node.source, facts.tiers, key) if part >= AT_END and long >= LONG_LOAD else None
        if before is not None:
            return before, (
                f"{fmt.ratio(part)} of the misses of {inert(view.namespace, 40)} are of what had ended, and"
                f" its loads take {fmt.duration(long)} (p95): begun before the end, nobody waits for one"
            )
    return shared(node.source, facts.tiers, key), plain
