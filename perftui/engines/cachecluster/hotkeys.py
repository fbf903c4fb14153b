"""One key that takes much of the commands of its primary: which one, its slot, and what helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from perftui.analysis.localcopy import local_copy
from perftui.analysis.slots import slot_of
from perftui.draw import format as fmt
from perftui.engines.cache.localcopies import lent
from perftui.engines.cachecluster.slotfindings import NODE, WATCHED, move, relieved, shown, stuck
from perftui.model.cache import CommandSample, HotKey
from perftui.model.cachecluster import ClusterReading, ClusterView
from perftui.model.finding import Effort, Finding, Severity
from perftui.model.noderecord import INDEX, PREFIX

SHARE: Final = 0.20
"""Part of its primary's commands from which a key is hot, as at a single server."""

COUNT: Final = 8
"""Commands of it that must have been seen."""


class Hot(NamedTuple):
    """A key with its part of the commands of the primary `node`, which has `part` of the cluster's own."""

    key: HotKey
    node: str
    part: float

    @property
    def share(self) -> float:
        """Its part of its primary's commands."""
        return self.key.share / self.part

    @property
    def error(self) -> float:
        """Half of the 95 % interval of that."""
        return self.key.error / self.part


def hot_keys(now: float, view: ClusterView) -> Iterator[Finding]:
    """The hottest key of the last look at the command stream, where its primary has no less than its share.

    Nobody waits for one that is busy at an idle primary.
    """
    reading = view.reading
    watched = reading.watched if reading is not None else None
    if reading is None or watched is None or now - watched.at > WATCHED:
        return
    parts = dict(watched.parts) or {place.address: 1.0 for place in reading.primaries[:1]}
    found = [one for one in _hot(reading, watched, parts) if one.part * len(parts) >= 1]
    if found:
        yield _finding(view.source, reading, watched, parts, max(found, key=lambda one: one.share))


def _hot(reading: ClusterReading, watched: CommandSample, parts: Mapping[str, float]) -> Iterator[Hot]:
    for key in watched.keys:
        # What the cache library publishes of itself comes from all processes at once, and costs nothing.
        if key.count < COUNT or key.key.startswith((INDEX, PREFIX)):
            continue
        node = _holder(reading, slot_of(key.key))
        one = Hot(key, node, parts.get(node, 0.0))
        if one.part > 0 and one.share - one.error >= SHARE:
            yield one


def _holder(reading: ClusterReading, slot: int) -> str:
    """The primary of a slot; of servers without slots the one that leads."""
    holders = [m for m in reading.primaries if not m.failed]
    if reading.slotted:
        holders = [m for m in holders if any(first <= slot <= last for first, last in m.slots)]
    return holders[0].address if holders else ""


def _finding(
    source: str, reading: ClusterReading, watched: CommandSample, parts: Mapping[str, float], one: Hot
) -> Finding:
    slot, key = slot_of(one.key.key), shown(one.key.key)
    several = len(parts) > 1
    evidence = [
        (
            f"{key}: {fmt.ratio(one.share)} ± {fmt.ratio(one.error)} of the commands of {one.node}, of"
            f" {fmt.count(watched.commands)} watched for {fmt.duration(watched.took_s)}"
        )
    ]
    if several:
        evidence.append(f"slot {slot}; {one.node} has {fmt.ratio(one.part)} of the cluster's commands")
    found = relieved(reading, parts, one.node, slot, one.key.share) if several else None
    why = stuck(reading, one.node) if several else ""
    if found is not None:
        which = "the slots beside it" if found.others else "the slot"
        then = f"{fmt.ratio(found.after)} in place of {fmt.ratio(found.before)} of the cluster's commands"
        evidence.append(f"with {which} at {found.to} the busier of the two has {then}")
    elif why:
        evidence.append(why)
    elif several:
        evidence.append(
            "no move of slots helps: one cannot be split, and moved it would load another as much"
        )
    offer = lent(source, reading.tiers, one.key.key)  # before a move: it takes the key off every server
    if offer is None and found is not None:
        offer = move(source, one.node, found)
    labels = ((NODE, one.node), ("slot", str(slot))) if reading.slotted else ((NODE, one.node),)
    return Finding(
        "cache.hot-key",
        Severity.WARNING,
        source,
        f"{source}: one key takes a large part of {one.node}'s traffic",
        (*evidence, local_copy(reading.tiers, one.key.key)),
        effort=Effort.KEY if offer is not None else Effort.HOURS,
        offer=offer,
        labels=labels,
    )
