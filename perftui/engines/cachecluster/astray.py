"""Replicas that follow another than the primary that is one now, and the offer that brings them back."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.draw.clean import inert
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.finding import Effort, Finding, Offer, Severity


def strays(replica: ClusterMember, primary: ClusterMember) -> bool:
    """Whether a replica follows another server, and has another stream than the primary's.

    One that follows a replica of that primary has the same stream, one that knows it by another name too.
    """
    if replica.reading is None or primary.reading is None:
        return False
    mine, theirs = replica.reading.replication, primary.reading.replication
    return mine.role == "replica" and mine.primary != primary.address and mine.stream != theirs.stream


def way_back(source: str, replica: ClusterMember, primary: ClusterMember) -> Offer:
    """Have it follow the primary that is one now."""
    title = f"Let {replica.address} follow {primary.address}"
    return Offer("cache.reattach", source, title, (("node", replica.address),))


def astray(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """Of a group with sentinels; the replicas of a cluster find their primary by themselves."""
    if reading.slotted:
        return
    for member in reading.members:
        primary = reading.member(member.primary) if member.role == "replica" else None
        if primary is None or primary.state != "ok" or not strays(member, primary):
            continue
        assert member.reading is not None
        title = f"{source}: {member.address} follows another server than {primary.address}"
        evidence = (
            f"it follows {inert(member.reading.replication.primary, 60)}",
            f"the sentinels name {primary.address}; what that one holds does not come to it",
        )
        yield Finding(
            "cluster.replica-astray",
            Severity.WARNING,
            source,
            title,
            evidence,
            effort=Effort.KEY,
            offer=way_back(source, member, primary),
        )
