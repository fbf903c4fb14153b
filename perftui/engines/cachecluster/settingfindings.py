"""Settings that differ among servers that stand in for each other, and the one action that evens them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from perftui.analysis.cachesettings import risk
from perftui.draw.clean import inert
from perftui.draw.settingtext import at_whom, shown
from perftui.model.cachecluster import ClusterMember, ClusterView
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.serverconfig import SETTING

LIMIT, POLICY, SLOW = "maxmemory", "maxmemory-policy", "slowlog-log-slower-than"
COMPARED: Final = (
    LIMIT,
    POLICY,
    SLOW,
    "latency-monitor-threshold",
    "activedefrag",
    "client-output-buffer-limit",
)
"""Of what can be set from here, what each look knows of every server."""

NEAR: Final = 0.1
"""Limits that are as near as this to each primary's share of the slots are meant to differ."""

SERVERS: Final = frozenset({"primary", "replica"})

Values = Mapping[str, str]


def setting_findings(_now: float, view: ClusterView) -> Iterator[Finding]:
    """A finding for each setting that has several values; none where a risk says the same already."""
    reading = view.reading
    servers = [m for m in reading.members if m.role in SERVERS and m.reading] if reading is not None else []
    known = {member.id: _known(member) for member in servers}
    for name in COMPARED:
        mine = [member for member in servers if name in known[member.id]]
        held = {member.id: known[member.id][name] for member in mine}
        if len(set(held.values())) < 2 or any(_told(name, known[m.id], m.role) for m in mine):
            continue
        pairs = [(held[m.primary], held[m.id]) for m in mine if m.role == "replica" and m.primary in held]
        meant = name == LIMIT and _by_slots(mine, held)
        if not meant or any(one != other for one, other in pairs):
            worse = any(_worse(name, primary, replica) for primary, replica in pairs)
            offer = None if meant else _offer(view.source, name, mine, held)
            yield _differs(view.source, name, mine, held, worse=worse, offer=offer)


def _known(member: ClusterMember) -> Values:
    facts = member.reading
    assert facts is not None
    slow = facts.slow_threshold_s
    told = {LIMIT: str(facts.max_bytes), POLICY: facts.policy, **dict(facts.settings)}
    return told if slow is None else told | {SLOW: str(round(slow * 1e6))}


def _told(name: str, values: Values, role: str) -> bool:
    one = risk(name, values, role)
    return one is not None and bool(one.finding)


def _by_slots(mine: Sequence[ClusterMember], held: Values) -> bool:
    """Whether each primary's limit is its part of the slots."""
    led = [(int(held[m.id]), m.slot_count) for m in mine if m.role == "primary" and m.slot_count]
    total, slots = sum(size for size, _ in led), sum(count for _, count in led)
    if len({size for size, _ in led}) < 2:
        return False
    return all(abs(size / total - count / slots) <= NEAR * count / slots for size, count in led)


def _worse(name: str, primary: str, replica: str) -> bool:
    """Whether a replica that takes over could not go on as its primary did."""
    if name == LIMIT:
        return replica != "0" and (primary == "0" or int(replica) < int(primary))
    return name == POLICY and replica != primary


def _offer(source: str, name: str, mine: Sequence[ClusterMember], held: Values) -> Offer:
    """The largest limit; else what most primaries have, and of these as many servers as may be."""
    led = Counter(held[m.id] for m in mine if m.role == "primary")
    every = Counter(held.values())
    value = max(held.values(), key=int) if name == LIMIT else max(every, key=lambda v: (led[v], every[v]))
    title = f"Set {name} to {shown(name, value)} at each server"
    return Offer("cache.configure", source, title, (("parameter", name), ("value", value)))


def _differs(
    source: str, name: str, mine: Sequence[ClusterMember], held: Values, *, worse: bool, offer: Offer | None
) -> Finding:
    who = {
        value: tuple(m.address for m in mine if held[m.id] == value) for value in dict.fromkeys(held.values())
    }
    told = [inert(at_whom(name, value, places)) for value, places in who.items()]
    after = ("a replica that takes over would not go on as its primary did",) if worse else ()
    return Finding(
        "cache.settings-differ",
        Severity.WARNING if worse else Severity.INFO,
        source,
        f"{name} differs",
        (*told, *after),
        effort=Effort.MINUTES if offer is None else Effort.KEY,
        offer=offer,
        labels=((SETTING, name),),
    )
