"""What is wrong with relays: one that is behind, cannot reach its region, or had to drop everything."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.tierview import RelayLink

LATE = 10.0  # seconds the oldest change may wait
SILENT = 5.0  # seconds the other region may say nothing


def relays(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each namespace and region, as the node that heard from there last tells."""
    heard: dict[tuple[str, str], RelayLink] = {}
    for one in facts.tiers.nodes if facts.tiers is not None else ():
        for relay in one.relays:
            had = heard.get((one.namespace, relay.peer), relay)
            heard[one.namespace, relay.peer] = min(had, relay, key=lambda r: r.silent_s)
    for (namespace, peer), relay in heard.items():
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
            changes = f"{fmt.count(int(relay.behind))} changes wait, the oldest for {lag}"
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
                (f"{relay.lost} times all of it was dropped here since its node began",),
                labels=told,
            )
