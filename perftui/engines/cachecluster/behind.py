"""A replica far behind its primary: what it means for a failover, and what helps before one comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perftui.analysis.samehost import same_host
from perftui.draw import format as fmt
from perftui.engines.cachecluster.failover import MOST_BEHIND
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.finding import Effort, Finding, Offer, Severity

BEHIND: Final = 16 << 20
"""Bytes of the stream from which a replica is far behind."""

IN_STEP: Final = 1 << 20
"""Bytes of the stream up to which one is in step: what is under way on a busy link."""

COORDINATED: Final = 9
"""Version of Valkey from which sentinels have the primary wait for the replica that takes over."""


def behind(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """Replicas far behind, each with what helps: another replica for its primary, else a switchover.

    In a switchover the primary's clients wait until the replica has all, so nothing is lost; a failover loses
    what it lacks. While another replica of the primary is in step that one takes over, and nothing is urgent.
    """
    for member in reading.members:
        lag = reading.lag(member) if member.role == "replica" else None
        if lag is None or lag <= BEHIND:
            continue
        primary = reading.member(member.primary)
        others = _in_step(reading, member.primary)
        offer, told = None, ""
        if others:
            told = f"{others[0].address} is in step and would take over"
        elif primary is not None:
            offer, told = _offer(source, reading, member, primary, lag)
        yield Finding(
            "cluster.replica-behind",
            Severity.WARNING,
            source,
            f"{source}: {member.address} is {lag / (1 << 20):.0f} MiB behind its primary",
            tuple(filter(None, (*(() if others else ("a failover now loses them",)), told))),
            effort=Effort.MINUTES if offer is None else Effort.KEY,
            offer=offer,
        )


def spare(source: str, reading: ClusterReading, primary: ClusterMember) -> Offer | None:
    """To give a cluster's primary one of the replicas of another that has two in step; None without such.

    One on another host than the primary's is taken first.
    """
    if not reading.slotted:
        return None
    every = [_in_step(reading, one.id) for one in reading.primaries if one.id != primary.id]
    able = sorted((some for some in every if len(some) > 1), key=len)
    found = sorted(able[-1], key=lambda one: same_host(one.address, primary.address)) if able else []
    if not found:
        return None
    node = found[0].address
    params = (("node", node), ("to", primary.address))
    return Offer("cache.reattach", source, f"Let {node} follow {primary.address}", params)


def _in_step(reading: ClusterReading, primary: str) -> list[ClusterMember]:
    """Replicas of a primary that could take over and would lose next to nothing."""
    return [one for one in reading.replicas(primary) if one.state == "ok" and _near(reading.lag(one))]


def _near(lag: int | None) -> bool:
    return lag is not None and lag <= IN_STEP


def _offer(
    source: str, reading: ClusterReading, member: ClusterMember, primary: ClusterMember, lag: int
) -> tuple[Offer | None, str]:
    other = spare(source, reading, primary)
    if other is not None:
        return other, f"{dict(other.params)['node']} is in step with a primary that has another replica"
    least = min(
        (reading.lag(one) or 0 for one in reading.replicas(primary.id) if one.state == "ok"), default=0
    )
    if member.state != "ok" or primary.state != "ok" or lag > least:
        return None, "let it catch up before anything is switched over"
    if lag > MOST_BEHIND:
        return None, f"more than {fmt.bytes_(MOST_BEHIND)}: let it catch up before anything is switched over"
    told = "a switchover has the primary's clients wait until it has taken that in: nothing is lost"
    if reading.slotted:
        params = (("node", member.address),)
        return Offer("cache.failover", source, f"Make {member.address} the primary", params), told
    if _waits(primary):
        params = (("node", primary.address),)
        return Offer(
            "cache.sentinel-failover", source, f"Have a replica of {primary.address} promoted", params
        ), told
    return None, "let it catch up before anything is switched over: its primary would not wait for it"


def _waits(primary: ClusterMember) -> bool:
    """Whether sentinels can tell it to."""
    told = primary.reading
    major = told.version.split(".")[0] if told is not None and told.product == "Valkey" else ""
    return major.isdecimal() and int(major) >= COORDINATED
