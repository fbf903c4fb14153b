"""Findings about replicas: missing, cut off, behind, or on one host with their primary."""

from __future__ import annotations

from collections.abc import Iterator

from perftui.analysis.samehost import same_host
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import CacheNode, CacheReading, ReplicaLink
from perftui.model.finding import Effort, Finding, Offer, Severity

LAG_BYTES, LAG_SECONDS = 1024 * 1024, 10.0
NAMED = 3  # missing replicas that are named
LARGEST_BACKLOG = 1 << 30
ROOM = 4  # times what a replica is behind, for a backlog that holds it


def replicas(_now: float, node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """What is wrong between this server and its replicas, or its primary."""
    if node.role == "primary" and len(facts.replication.replicas) < node.replicas_seen:
        yield _missing(node, facts)
    if not facts.replication.link_up:
        yield _cut_off(node, facts)
    for replica in facts.replication.replicas:
        if replica.state != "online" or replica.lag_bytes >= LAG_BYTES or replica.lag_s >= LAG_SECONDS:
            yield _lagging(node, facts, replica)
    yield from _same_host(node, facts)


def _missing(node: CacheNode, facts: CacheReading) -> Finding:
    """A replica it had; where that one is watched too, it can be attached again."""
    now = {replica.address for replica in facts.replication.replicas}
    gone = [address for address in node.replicas_known if address not in now]
    evidence = [f"connected: {len(now)} of {fmt.many(node.replicas_seen, 'replica')} seen earlier"]
    if gone:
        evidence.append(f"not any more: {', '.join(inert(one, 64) for one in gone[-NAMED:])}")
    offer = None
    if node.strays:
        stray = node.strays[0]
        evidence.append(f"{inert(stray, 64)} follows another server now")
        title = f"Let {inert(stray, 40)} follow {inert(node.source, 40)} again"
        offer = Offer("cache.reattach", stray, title, (("to", facts.address),))
    return Finding(
        "cache.replica-missing",
        Severity.CRITICAL,
        node.source,
        "A replica is missing",
        tuple(evidence),
        effort=Effort.KEY if offer else Effort.MINUTES,
        offer=offer,
    )


def _cut_off(node: CacheNode, facts: CacheReading) -> Finding:
    """A replica that does not reach whom it follows; another primary than that one mends it."""
    repl = facts.replication
    copying = "; a full copy is under way" if repl.syncing else ""
    evidence = [f"no link to {inert(repl.primary, 64)} for {fmt.duration(repl.link_down_s)}{copying}"]
    offer = None
    if node.leader:
        to = inert(node.leader, 64)
        evidence.append(f"{to} is the primary now")
        offer = Offer("cache.reattach", node.source, f"Let it follow {to}", (("to", node.leader),))
    return Finding(
        "cache.replica-cut-off",
        Severity.CRITICAL,
        node.source,
        "The replica has lost its primary",
        tuple(evidence),
        effort=Effort.KEY if offer else Effort.MINUTES,
        offer=offer,
    )


def _lagging(node: CacheNode, facts: CacheReading, replica: ReplicaLink) -> Finding:
    """A replica far behind.

    No switchover mends that: what is not there yet would be lost. A larger backlog keeps it from starting
    over when its link breaks.
    """
    address, backlog = inert(replica.address, 64), facts.replication.backlog
    evidence = [
        (
            f"{address} is {inert(replica.state, 24)}, {fmt.bytes_(replica.lag_bytes)} behind,"
            f" last heard {fmt.duration(replica.lag_s)} ago"
        )
    ]
    offer = None
    if replica.state == "online" and 0 < backlog < min(2 * replica.lag_bytes, LARGEST_BACKLOG):
        size = room_for(replica.lag_bytes)
        evidence.append(
            f"the backlog holds {fmt.bytes_(backlog)}: a link that breaks so far behind costs a whole copy"
        )
        params = (("parameter", "repl-backlog-size"), ("value", str(size)))
        title = f"Set repl-backlog-size to {fmt.bytes_(size)}"
        offer = Offer("cache.configure", node.source, title, params)
    evidence.append("do not switch over to it: what it lacks would be lost")
    return Finding(
        "cache.replica-lagging",
        Severity.CRITICAL if replica.lag_s >= 3 * LAG_SECONDS else Severity.WARNING,
        node.source,
        "A replica lags behind",
        tuple(evidence),
        labels=(("replica", address),),
        effort=Effort.KEY if offer else Effort.MINUTES,
        offer=offer,
    )


def room_for(lag: int) -> int:
    """A size of the backlog, in bytes, that holds several times what a replica is behind."""
    return int(min(1 << (ROOM * lag - 1).bit_length(), LARGEST_BACKLOG))


def _same_host(node: CacheNode, facts: CacheReading) -> Iterator[Finding]:
    """Told by the primary, else, where none of its stream is watched, by the replica."""
    repl = facts.replication
    if node.role == "primary":
        near = [one.address for one in repl.replicas if same_host(facts.address, one.address)]
        pairs = [(facts.address, address) for address in near]
    elif node.lag_bytes is None and same_host(facts.address, repl.primary):
        pairs = [(repl.primary, facts.address)]
    else:
        pairs = []
    if pairs:
        yield Finding(
            "cache.replica-same-host",
            Severity.WARNING,
            node.source,
            "A replica is on one host with its primary",
            tuple(
                f"{inert(replica, 64)} is on the host of {inert(primary, 64)}: what takes one takes both"
                for primary, replica in pairs
            ),
            effort=Effort.HOURS,
        )
