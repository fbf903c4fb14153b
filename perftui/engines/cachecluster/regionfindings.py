"""What is wrong with a server and its replica in another region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from perftui.analysis.samehost import same_host
from perftui.draw import format as fmt
from perftui.engines.cachecluster.astray import way_back
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.regionlag import lag_of

BEHIND = 16 << 20  # bytes of the stream
LATE = 10.0  # seconds a replica's last sign of being in step may be old: it gives one each second


def _led(reading: ClusterReading) -> list[ClusterMember]:
    return [m for m in reading.members if m.role == "primary" and m.reading is not None]


def _lost(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """Nobody takes writes."""
    if _led(reading):
        return
    heirs = [m for m in reading.members if m.role == "replica" and m.reading is not None]
    gone = next((m for m in reading.members if m.reading is None), None)
    evidence = [f"{gone.address}: {gone.why}"] if gone is not None else []
    for heir in heirs:
        since = lag_of(reading, heir).seconds
        heard = "not known" if since is None else f"{fmt.duration(since)} ago"
        evidence.append(f"{heir.address} follows {heir.primary}, last heard from it {heard}")
    title = f"{source}: no region is a primary that answers"
    offer = None
    if len(heirs) == 1:
        node = heirs[0].address
        offer = Offer("cache.takeover", source, f"Promote {node}", (("node", node),))
    told = tuple(evidence) or ("none answers",)
    yield Finding("region.primary-lost", Severity.CRITICAL, source, title, told, offer=offer)


def _split(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """Two that take writes: what the earlier one takes is lost when it follows the later."""
    led = sorted(_led(reading), key=lambda m: -m.epoch)
    if len(led) < 2:
        return
    first, second = led[:2]
    evidence = tuple(f"{m.address} counts {m.epoch} promotions" for m in led)
    offer = None
    if first.epoch > second.epoch:
        params = (("node", second.address), ("to", first.address))
        offer = Offer("cache.rejoin", source, f"Let {second.address} follow {first.address}", params)
    else:
        evidence = (*evidence, "clients stay where they are: nobody can tell which one is meant")
    title = f"{source}: {first.address} and {second.address} are both written to"
    yield Finding("region.split", Severity.CRITICAL, source, title, evidence, offer=offer)


def _alone(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """A primary whose loss would lose everything."""
    led = _led(reading)
    if len(led) != 1:
        return
    for member in reading.members:
        if member.address == led[0].address:
            continue
        if member.reading is None:
            title = f"{source}: {member.address} does not answer: {led[0].address} is alone"
            yield Finding("region.silent", Severity.CRITICAL, source, title, (member.why or "no answer",))
        elif member.role == "replica" and not member.reading.replication.link_up:
            down = fmt.duration(member.reading.replication.link_down_s or 0.0)
            title = f"{source}: {member.address} does not reach its primary"
            evidence = (f"it follows {member.primary}; the link is down for {down}",)
            other = member.primary != led[0].address
            offer = way_back(source, member, led[0]) if other else None
            yield Finding("region.link-down", Severity.CRITICAL, source, title, evidence, offer=offer)


def _together(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """Two regions on one host are lost together."""
    for led in _led(reading)[:1]:
        for member in reading.members:
            if member.role == "replica" and same_host(led.address, member.address):
                title = f"{source}: {member.address} is on the host of its primary"
                evidence = (f"{led.address} and {member.address}: what takes one takes both",)
                yield Finding(
                    "region.same-host", Severity.WARNING, source, title, evidence, effort=Effort.HOURS
                )


def _behind(source: str, reading: ClusterReading) -> Iterator[Finding]:
    for member in reading.members:
        lag = lag_of(reading, member)
        if member.reading is None or not member.reading.replication.link_up or not _led(reading):
            continue
        bytes_, seconds = lag.bytes_ or 0, lag.seconds or 0.0
        if bytes_ > BEHIND or seconds > LATE:
            title = f"{source}: {member.address} is {fmt.bytes_(bytes_)} and {fmt.duration(seconds)} behind"
            evidence = ("what is missing there is lost with the primary",)
            yield Finding("region.behind", Severity.WARNING, source, title, evidence)


LOOKS: Sequence[Callable[[str, ClusterReading], Iterator[Finding]]] = (
    _lost,
    _split,
    _alone,
    _together,
    _behind,
)
