"""Since when single slots have had much of their primary's traffic: one look alone tells of a burst."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perftui.model.cachecluster import ClusterReading
from perftui.model.slottraffic import METRICS, WHOLE, HotSlot, ShardTraffic, SlotFacts

SHARE: Final = 0.40
"""Part of its primary's traffic from which a slot is hot."""

BUSY: Final = {"cpu": 0.02, "bytes": float(4 << 20)}
"""What a primary's slots take a second from which their parts are judged: a fiftieth of a core for commands
alone (some 10,000 plain ones a second), or 4 MiB."""

ABOVE: Final = 1.25
"""Times the mean of all primaries that the slot's own must have: one that has its part is in nobody's way."""

HELD: Final = 75.0
"""Seconds for which it must last: longer than looks take to come round to all slots, so that two tell it."""


class HotSlots:
    """Remembers since when the slots of each cluster that are hot now have been."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str, int], float] = {}

    def seen(self, source: str, at: float, reading: ClusterReading) -> tuple[HotSlot, ...]:
        """Those that have been hot for HELD seconds, in the look at `at` (epoch seconds)."""
        now: dict[tuple[str, str, int], HotSlot] = {}
        for one in hot(reading.slots, at):  # what is hot by time and by bytes is told by time
            now.setdefault((source, one.traffic.node, one.traffic.slot), one)
        kept = {key: since for key, since in self._since.items() if key[0] != source}
        here = {key: min(at, self._since.get(key, at)) for key in now}
        self._since = kept | here
        found = (HotSlot(o.traffic, o.metric, here[key], o.load, o.mean, o.loads) for key, o in now.items())
        return tuple(one for one in found if at - one.since >= HELD)


def hot(facts: SlotFacts | None, at: float) -> Iterator[HotSlot]:
    """Slots that are in this look; of a primary's the one with the largest part."""
    shards = facts.shards if facts is not None else ()
    for metric in METRICS:
        told = {s.node: load for s in shards if _judged(s) and (load := s.of(metric)) is not None}
        if len(told) < len(shards) or len(told) < 2:
            continue
        mean = sum(told.values()) / len(told)
        for shard in shards:
            load = told[shard.node]
            if load < max(BUSY[metric], ABOVE * mean):
                continue
            best = max(shard.top, key=lambda one: one.of(metric)[1] or 0.0, default=None)
            if best is not None and (best.of(metric)[1] or 0.0) >= SHARE:
                yield HotSlot(best, metric, at, load, mean, tuple(told.items()))


def _judged(shard: ShardTraffic) -> bool:
    return shard.slots > 0 and shard.measured >= WHOLE * shard.slots
