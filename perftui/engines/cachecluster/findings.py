"""What is wrong with a cluster: slots without a primary, dead nodes, primaries alone, uneven traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from perftui.analysis.slots import SLOTS, owners
from perftui.engines.cachecluster.astray import astray, strays, way_back
from perftui.engines.cachecluster.behind import behind, spare
from perftui.engines.cachecluster.hotkeys import hot_keys
from perftui.engines.cachecluster.libraryfindings import library_findings
from perftui.engines.cachecluster.regionfindings import LOOKS as REGIONS
from perftui.engines.cachecluster.serverfindings import server_findings
from perftui.engines.cachecluster.settingfindings import setting_findings
from perftui.engines.cachecluster.slotfindings import NODE, hot_slots, uneven_keys
from perftui.model.cachecluster import ClusterReading, ClusterReport, ClusterView, words
from perftui.model.finding import Effort, Finding, Offer, Severity

UNEVEN = 1.5  # times the mean from which a primary's share of the traffic is uneven
BUSY = 50.0  # commands a second of a whole cluster from which its shares are judged
LOCAL = ("127.0.0.1", "::1")
UNEVEN_TRAFFIC = "cluster.traffic-uneven"


def findings(report: ClusterReport) -> Sequence[Finding]:
    """Of every cluster that is known, worst first within each."""
    known = [view for view in report.clusters if view.reading is not None]
    rules = (lambda _now, view: _of(view), hot_keys, server_findings, setting_findings, library_findings)
    return tuple(finding for view in known for rule in rules for finding in rule(report.at, view))


def _of(view: ClusterView) -> Iterator[Finding]:
    """Of its servers; a primary whose traffic is uneven for one hot slot is told of once, by that."""
    reading = view.reading
    if reading is None:
        return
    hot = tuple(hot_slots(view, reading))
    named = {pair for finding in hot for pair in finding.labels if pair[0] == NODE}
    for look in REGIONS if reading.regions else LOOKS:
        for finding in look(view.source, reading):
            if finding.id != UNEVEN_TRAFFIC or not named & set(finding.labels):
                yield finding
    yield from hot


def _uncovered(source: str, reading: ClusterReading) -> Iterator[Finding]:
    if not reading.slotted:
        return
    claims = [(m.id, m.epoch, m.slots) for m in reading.members if m.role == "primary" and not m.failed]
    bare = [slots for slots, id_ in owners(claims) if not id_]
    if bare:
        count = sum(last - first + 1 for first, last in bare)
        title = f"{source}: nobody serves {count:,} of {SLOTS:,} slots"
        yield Finding("cluster.slots-uncovered", Severity.CRITICAL, source, title, (f"slots {words(bare)}",))


def _quorum(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """Fewer sentinels than it takes to call a primary down, or to elect who acts: nobody would take over."""
    sentinels = [m for m in reading.members if m.role == "sentinel"]
    up, needed = sum(m.state == "ok" for m in sentinels), max(reading.quorum, len(sentinels) // 2 + 1)
    if sentinels and up < needed:
        title = f"{source}: {up} of {len(sentinels)} sentinels answer, a failover takes {needed}"
        evidence = tuple(f"{m.address}: {m.why}" for m in sentinels if m.state != "ok")
        yield Finding("cluster.quorum-lost", Severity.CRITICAL, source, title, evidence)


def _nodes(source: str, reading: ClusterReading) -> Iterator[Finding]:
    for member in reading.members:
        if member.state == "ok":
            continue
        said = {
            "failed": "as many as it takes agree that it gives no answer",
            "suspected": f"{member.suspected_by} of {reading.views} that were asked get no answer from it",
            "silent": "it does not answer this console",
        }[member.state]
        slots = f"{member.role} of {member.slot_count:,} slots" if member.slots else member.role
        serves = bool(member.slots) or (member.role == "primary" and not reading.slotted)
        severity = Severity.CRITICAL if member.failed and serves else Severity.WARNING
        title = f"{source}: {member.address} is {member.state}"
        evidence = tuple(text for text in (said, slots, member.why) if text)
        yield Finding(f"cluster.node-{member.state}", severity, source, title, evidence)


def _alone(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """A primary with slots whose next failure loses them."""
    for primary in reading.primaries:
        if primary.failed or (reading.slotted and not primary.slots):
            continue
        live = [r for r in reading.replicas(primary.id) if r.state == "ok"]
        linked = [r for r in live if r.reading is not None and r.reading.replication.link_up]
        if not linked:
            title = f"{source}: {primary.address} has no replica that could take over"
            known = [f"{r.address} is {r.state}" for r in reading.replicas(primary.id) if r.state != "ok"]
            known += [f"the link of {r.address} is down" for r in live]
            slots = [f"{primary.slot_count:,} slots"] if primary.slots else []
            evidence = (*slots, *(known or ["no replica is configured"]))
            back = [r for r in live if not reading.slotted and strays(r, primary)]
            offer = way_back(source, back[0], primary) if back else spare(source, reading, primary)
            yield Finding("cluster.replica-missing", Severity.CRITICAL, source, title, evidence, offer=offer)


def _together(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """All replicas of a primary on its own host go with it. A cluster on one machine knows that."""
    hosts = {_host(m.address) for m in reading.members}
    if len(hosts) < 2 or hosts <= set(LOCAL):
        return
    for primary in reading.primaries:
        near = reading.replicas(primary.id)
        if near and {_host(r.address) for r in near} == {_host(primary.address)}:
            title = f"{source}: {primary.address} and its replicas share a host"
            evidence = (", ".join(r.address for r in near),)
            yield Finding(
                "cluster.replica-same-host", Severity.CRITICAL, source, title, evidence, effort=Effort.HOURS
            )


def _uneven(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """A primary with much more traffic than its share."""
    rates = {
        p.address: p.reading.ops_per_s or 0.0 for p in reading.primaries if p.slots and p.reading is not None
    }
    total = sum(rates.values())
    if len(rates) < 2 or total < BUSY:
        return
    place, most = max(rates.items(), key=lambda item: item[1])
    mean = total / len(rates)
    if most > UNEVEN * mean:
        title = f"{source}: {place} serves {most / total:.0%} of all commands"
        evidence = (
            f"{most:,.0f} of {total:,.0f} commands/s, {most / mean:.1f} times the mean of {len(rates)}",
        )
        offer = _evened(source, reading, place, most / mean, min(rates, key=lambda at: rates[at]))
        yield Finding(
            UNEVEN_TRAFFIC,
            Severity.WARNING,
            source,
            title,
            evidence,
            gain=most - mean,
            gain_unit="requests/s",
            effort=Effort.KEY if offer else Effort.HOURS,
            offer=offer,
            labels=((NODE, place),),
        )


def _evened(source: str, reading: ClusterReading, busy: str, times: float, idle: str) -> Offer | None:
    """Moves as many of its slots as are above its share, were their traffic even; None with a single one.

    Where one slot has it all no move helps: after it the finding stands at the other primary.
    """
    member = reading.member(busy)
    count = round(member.slot_count * (1 - 1 / times)) if member is not None else 0
    if count < 1 or member is None or member.slot_count < 2:
        return None
    params = (("node", busy), ("to", idle), ("slots", str(count)))
    return Offer("cache.reshard", source, f"Move {count:,} slots from {busy} to {idle}", params)


def _host(address: str) -> str:
    return address.rpartition(":")[0]


LOOKS: Sequence[Callable[[str, ClusterReading], Iterator[Finding]]] = (
    _uncovered,
    _quorum,
    _nodes,
    _alone,
    astray,
    _together,
    behind,
    _uneven,
    uneven_keys,
)
