"""What is wrong with how keys and traffic lie on a cluster's slots, and which to move where that helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from perftui.analysis.localcopy import local_copy
from perftui.analysis.slotrelief import Relief, relief
from perftui.analysis.slots import slot_of
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cache import HotKey
from perftui.model.cachecluster import ClusterMember, ClusterReading, ClusterView
from perftui.model.finding import Effort, Finding, Offer, Severity
from perftui.model.slottraffic import HotSlot, SlotFacts

WATCHED: Final = 300.0
"""Seconds for which a look at the command stream says which key is hot."""

UNEVEN: Final = 1.5
"""Times the mean of the primaries from which one has too many keys."""

MANY: Final = 10_000
"""Keys of a whole cluster from which they are compared: few lie unevenly by chance."""

NODE: Final = "node"
"""The label that names the primary a finding is about."""

UNITS: Final = {"cpu": "s", "bytes": "bytes"}
WHAT: Final = {"cpu": "the time of its commands", "bytes": "its bytes"}


def hot_slots(view: ClusterView, reading: ClusterReading) -> Iterator[Finding]:
    """Slots that have had a large part of their primary's traffic for long, of primaries above the mean."""
    for one in view.hot:
        slot, node = one.traffic.slot, one.traffic.node
        key = hot_key(reading, slot, view.at)
        load = one.traffic.of(one.metric)[0] or 0.0
        found = relieved(reading, dict(one.loads), node, slot, load)
        yield Finding(
            "cache.slot-hot",
            Severity.WARNING,
            view.source,
            f"{view.source}: slot {slot} takes a large part of {node}'s traffic",
            (*_figures(one, view.at), *_keys(one, key), _says(one, found, reading, key)),
            gain=found.before - found.after if found is not None and one.metric == "cpu" else 0.0,
            gain_unit="s/s" if found is not None and one.metric == "cpu" else "",
            effort=Effort.KEY if found is not None else Effort.HOURS,
            offer=move(view.source, node, found) if found is not None else None,
            labels=((NODE, node), ("slot", str(slot))),
        )


def hot_key(reading: ClusterReading, slot: int, now: float) -> HotKey | None:
    """The key of a slot that was asked for most in the last look at the command stream."""
    watched = reading.watched
    if watched is None or now - watched.at > WATCHED:
        return None
    return next((key for key in watched.keys if slot_of(key.key) == slot), None)


def _figures(one: HotSlot, now: float) -> Iterator[str]:
    mine, part = one.traffic.of(one.metric)
    unit = UNITS[one.metric]
    each = f"{fmt.rate(mine, unit)} of {fmt.rate(one.load, unit)}"
    yield f"{fmt.ratio(part)} of {WHAT[one.metric]}: {each}, for {fmt.duration(max(0.0, now - one.since))}"
    mean = f"{one.load / one.mean:.1f} times the mean of {len(one.loads)} primaries"
    yield f"{one.traffic.node} has {mean} ({fmt.rate(one.mean, unit)})"


def _keys(one: HotSlot, key: HotKey | None) -> Iterator[str]:
    held = f"{fmt.count(one.traffic.keys)} keys in it" if one.traffic.keys != 1 else "one key in it"
    if key is not None:
        part = f"{fmt.ratio(key.share)} ± {fmt.ratio(key.error)}"
        yield f"{held}; {shown(key.key)} has {part} of the cluster's commands"
    elif one.traffic.only:
        yield f"{held}: {shown(one.traffic.only)}"
    else:
        yield f"{held}; a look at the command stream (hot keys) names the one"


def shown(key: bytes) -> str:
    """A key as it is told: inert, and cut."""
    return inert(key[:80].decode("utf-8", "backslashreplace"), 80)


def _says(one: HotSlot, found: Relief | None, reading: ClusterReading, key: HotKey | None) -> str:
    unit, why = UNITS[one.metric], stuck(reading, one.traffic.node)
    if why:
        return why
    if found is None:
        copy = local_copy(reading.tiers, key.key if key is not None else one.traffic.only)
        return f"one slot cannot be split, and moved it would load another as much; {copy}"
    which = "the slots beside it" if found.others else "the slot"
    then = f"{fmt.rate(found.after, unit)} in place of {fmt.rate(found.before, unit)}"
    return f"with {which} at {found.to} the busier of the two has {then}"


def stuck(reading: ClusterReading, node: str) -> str:
    """Why no slots of that primary can be moved now; empty where they can."""
    holder = reading.member(node)
    if holder is None or not _free(holder):
        return f"{node} cannot give slots now: it is silent, or some are under way already"
    if not any(_free(place) for place in reading.primaries if place.id != holder.id):
        return "no other primary can take slots now"
    return ""


def relieved(
    reading: ClusterReading, loads: Mapping[str, float], node: str, slot: int, load: float
) -> Relief | None:
    """The move that takes a slot's load off its primary; None where none helps, or none can be made now."""
    holder = reading.member(node)
    if holder is None or stuck(reading, node):
        return None
    return relief(_places(reading, loads, holder), node, slot, load, holder.slots)


def _places(reading: ClusterReading, loads: Mapping[str, float], holder: ClusterMember) -> dict[str, float]:
    """Loads of the holder and of primaries that could take its slots; those without any slots have none."""
    able = [p for p in reading.primaries if _free(p) or p.id == holder.id]
    told = {p.address: 0.0 if not p.slots else loads.get(p.address) for p in able}
    return {place: load for place, load in told.items() if load is not None}


def _free(member: ClusterMember) -> bool:
    return member.role == "primary" and member.state == "ok" and not member.moving


def move(source: str, node: str, found: Relief) -> Offer:
    """The move as ranges: a number alone would be how many."""
    count = sum(last - first + 1 for first, last in found.slots)
    what = f"slot {found.slots[0][0]}" if count == 1 else f"{count:,} slots"
    params = (("node", node), ("to", found.to), ("slots", ",".join(f"{a}-{b}" for a, b in found.slots)))
    return Offer("cache.reshard", source, f"Move {what} from {node} to {found.to}", params)


def uneven_keys(source: str, reading: ClusterReading) -> Iterator[Finding]:
    """A primary with many more keys than its share, and the slots that would even that out."""
    serving = [p for p in reading.primaries if p.slots and p.reading is not None]
    keys = {p.address: float(p.reading.keys) for p in serving if p.reading is not None}
    total = sum(keys.values())
    if len(keys) < 2 or total < MANY:
        return
    place, most = max(keys.items(), key=lambda item: item[1])
    mean = total / len(keys)
    holder = reading.member(place)
    if most <= UNEVEN * mean or holder is None:
        return
    slot, load = _fullest(reading.slots, place)
    found, why = relieved(reading, keys, place, slot, load), stuck(reading, place)
    evidence = [
        f"{fmt.count(most)} of {fmt.count(total)} keys, {most / mean:.1f} times the mean of {len(keys)}",
        f"it holds {fmt.count(holder.slot_count)} slots",
    ]
    if load:
        evidence.append(f"slot {slot} alone has {fmt.count(load)} of them")
    if why:
        evidence.append(why)
    elif found is None and load:
        evidence.append("one slot cannot be split: keys of one {tag} are all in it")
    elif found is not None:
        evidence.append(f"the move leaves the fuller of the two {fmt.count(found.after)} keys")
    yield Finding(
        "cache.slots-unbalanced",
        Severity.WARNING,
        source,
        f"{source}: {place} has {most / total:.0%} of all keys",
        tuple(evidence),
        effort=Effort.KEY if found is not None else Effort.HOURS,
        offer=move(source, place, found) if found is not None else None,
        labels=((NODE, place),),
    )


def _fullest(facts: SlotFacts | None, place: str) -> tuple[int, float]:
    """The slot with most keys there, and how many; no slot where slots are not counted."""
    shard = facts.shard(place) if facts is not None else None
    full = shard.fullest[0] if shard is not None and shard.fullest else None
    return (full.slot, float(full.keys)) if full is not None else (-1, 0.0)
