"""What is wrong with relays: one that is behind, cannot reach its region, or had to drop everything."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.relays import LATE, SILENT, heard
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Severity


def relays(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each namespace and region, as the node that heard from there last tells."""
    for one in heard(((node.source, facts.tiers),)):
        namespace, peer, relay = one.node.namespace, one.link.peer, one.link
        name = f"{inert(namespace, 60)} from {inert(peer, 40)}"
        told = (("namespace", namespace), ("peer", peer))
        silent, lag = fmt.duration(relay.silent_s), fmt.duration(relay.lag_s)
        if relay.silent_s > SILENT:
            yield Finding(
                "cache.relay-silent",
                Severity.CRITICAL,
                node.source,
                f"The other region does not answer: {name}",
                (f"no answer for {silent}: what changes there is not known here",),
                effort=Effort.HOURS,
                labels=told,
            )
        elif relay.lag_s > LATE:
            changes = f"{fmt.many(int(relay.behind), 'change')} waiting, the oldest for {lag}"
            yield Finding(
                "cache.relay-behind",
                Severity.WARNING,
                node.source,
                f"A relay between regions is behind: {name}",
                (changes, "until then the values of before are served here"),
                labels=told,
            )
        if relay.lost:
            yield Finding(
                "cache.relay-lost-place",
                Severity.INFO,
                node.source,
                f"A relay between regions lost its place: {name}",
                (f"{fmt.many(relay.lost, 'time')} all of it was dropped here since its node began",),
                labels=told,
            )
