"""What nodes of the cache library tell that is wrong with them: deaf, late with writes, packing in vain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.tierview import TierNode

LATE = 30.0
"""Seconds from which a write that waits is late: clients of other nodes read the old value as long."""

ENOUGH_BYTES = 1 << 20
"""Bytes packed from which a ratio says something."""

POOR = 0.30
"""Saved share below which packing is poor."""


def node_findings(_now: float, server: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Of each namespace whose nodes publish in this server; a replica has copies of what they say."""
    if server.role == "replica":
        return
    nodes = facts.tiers.nodes if facts.tiers is not None else ()
    for namespace, some in groupby(sorted(nodes, key=_namespace), key=_namespace):
        there = tuple(some)
        for look in (_deaf, _recovery, _write_behind, _packing):
            yield from look(server.source, namespace, there)


def _namespace(node: TierNode) -> str:
    return node.namespace


def _named(nodes: Iterable[TierNode]) -> str:
    names = [inert(node.node[:8], 8) for node in nodes]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _labels(namespace: str) -> tuple[tuple[str, str], ...]:
    return (("namespace", inert(namespace, 60)),)


def _deaf(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    deaf = [node for node in nodes if not node.linked]
    if deaf:
        yield Finding(
            "cache.link-down",
            Severity.CRITICAL,
            source,
            f"{inert(namespace, 40)}: nodes do not hear what others change",
            (
                f"{len(deaf)} of {len(nodes)} nodes: {_named(deaf)}",
                "what is in their memory is not served as fresh until it is read from L2 again",
                "a server that forbids CLIENT TRACKING, or a proxy, does this: `backplane=` does without",
            ),
            labels=_labels(namespace),
        )


def _recovery(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    late = [node for node in nodes if node.waiting and node.waiting_s > LATE]
    if late:
        oldest = max(late, key=lambda node: node.waiting_s)
        yield Finding(
            "cache.recovery-old",
            Severity.CRITICAL,
            source,
            f"{inert(namespace, 40)}: writes and removals wait for L2",
            (
                f"{fmt.count(round(sum(node.waiting for node in late)))} at {_named(late)}",
                f"the oldest for {fmt.duration(oldest.waiting_s)} at {inert(oldest.node[:8], 8)}",
                "they are tried again by themselves, the first within a second of an answer",
                "other nodes read what was there before as long as that lasts",
            ),
            labels=_labels(namespace),
        )


def _write_behind(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    late = [node for node in nodes if node.writes and node.writes_s > LATE]
    if late:
        oldest = max(late, key=lambda node: node.writes_s)
        yield Finding(
            "cache.write-behind-late",
            Severity.CRITICAL,
            source,
            f"{inert(namespace, 40)}: acknowledged writes are not in the database yet",
            (
                f"{fmt.count(round(sum(node.writes for node in late)))} at {_named(late)}",
                f"the oldest was acknowledged {fmt.duration(oldest.writes_s)} ago at {_named([oldest])}",
            ),
            gain=sum(node.writes for node in late),
            gain_unit="writes",
            labels=_labels(namespace),
        )


def _packing(source: str, namespace: str, nodes: tuple[TierNode, ...]) -> Iterator[Finding]:
    raw = sum(node.raw_bytes for node in nodes)
    packed = sum(node.packed_bytes for node in nodes)
    saved = 1 - packed / raw if raw > 0 else 1.0
    if raw < ENOUGH_BYTES or saved >= POOR:
        return
    yield Finding(
        "cache.compression-poor",
        Severity.INFO,
        source,
        f"{inert(namespace, 40)}: compression saves {fmt.ratio(max(0.0, saved))}",
        (
            f"{fmt.bytes_(raw)} of values became {fmt.bytes_(packed)}, with those left raw for being small",
            "a dictionary finds what many small values share; its plan measures that on them first",
        ),
        gain=max(0.0, POOR * raw - (raw - packed)),
        gain_unit="bytes",
        effort=Effort.KEY,
        offer=Offer(
            "cache.dictionary", source, "Train a dictionary for the namespace", (("namespace", namespace),)
        ),
        labels=_labels(namespace),
    )
