"""What callers at the library's nodes waited for lately, and changes: sketches now less a minute ago's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import ceil, log2
from typing import Final

from perftui.analysis.quantile import Sketch
from perftui.model.noderecord import NodeRecord
from perftui.model.tierview import ClientLatency, Heard

NAMES: Final = ("l2.get", "l2.set", "load")
HEARD: Final = "staleness"
WINDOW: Final = 60.0  # seconds between two marks: what is told is of the last one to two of them
EVERY: Final = 4.0  # seconds between two looks: each takes some of a millisecond a node
MOST: Final = 100  # nodes, the first ones
TURN: Final = 10  # of them, before others have a turn of the loop

_Key = tuple[str, str, str]


class Waits:
    """Remembers two marks of each node's sketches, and the last look's for what came since that."""

    def __init__(self) -> None:
        self._older: dict[_Key, tuple[float, bytes]] = {}
        self._newer: dict[_Key, tuple[float, bytes]] = {}
        self._last: dict[_Key, tuple[float, Sketch]] = {}
        self._marked = self._looked = 0.0
        self._told: tuple[ClientLatency, ...] = ()
        self.heard: tuple[Heard, ...] = ()

    async def told(self, records: Sequence[NodeRecord]) -> tuple[ClientLatency, ...]:
        """Of all nodes together. One that is met the first time counts from now on."""
        now = max((record.at for record in records), default=self._looked)
        if not records or abs(now - self._looked) < EVERY:  # back too: a record may have said any time
            self._told, self.heard = (self._told, self.heard) if records else ((), ())
            return self._told
        self._looked = now
        found = {
            (record.stats.namespace, record.stats.node, name): (record.at, data)
            for record in records[:MOST]
            for name in (*NAMES, HEARD)
            if (data := record.stats.sketches.get(name)) is not None
        }
        merged: dict[tuple[str, str], tuple[Sketch, float]] = {}
        last: dict[_Key, tuple[float, Sketch]] = {}
        fresh: dict[str, dict[int, float]] = {name: {} for name in NAMES}
        for count, (key, (at, data)) in enumerate(found.items(), 1):
            told = Sketch.unpack(data)
            then, before = self._older.get(key) or self._newer.setdefault(key, (at, data))
            if at > then:
                whose = key[2], key[0] if key[2] == HEARD else ""
                sketch, seconds = merged.setdefault(whose, (Sketch(), 0.0))
                sketch.merge(told.since(Sketch.unpack(before)))
                merged[whose] = sketch, max(seconds, at - then)
            if key[2] in fresh:
                last[key] = at, told
                _spread(last[key], self._last.get(key), fresh[key[2]])
            if count % (TURN * len(NAMES)) == 0:
                await asyncio.sleep(0)
        if abs(now - self._marked) >= WINDOW:
            self._older, self._newer, self._marked = self._newer, found, now
        self._last = last
        ours = [(name, *merged[name, ""]) for name in NAMES if (name, "") in merged]
        self._told = tuple(_latency(*one, fresh[one[0]]) for one in ours if one[1].count)
        late = {whose[1]: sketch for whose, (sketch, _) in merged.items() if whose[0] == HEARD}
        self.heard = tuple(_heard(records, late))
        return self._told


def _spread(now: tuple[float, Sketch], before: tuple[float, Sketch] | None, into: dict[int, float]) -> None:
    """What a node's sketch gained a second, by power of two of microseconds."""
    if before is None or now[0] <= before[0]:
        return
    seconds = now[0] - before[0]
    for value, count in now[1].since(before[1]).values():
        bucket = max(0, ceil(log2(value * 1e6)))
        into[bucket] = into.get(bucket, 0.0) + count / seconds


def _latency(name: str, sketch: Sketch, seconds: float, fresh: Mapping[int, float]) -> ClientLatency:
    p50, p95, p99, p999 = (sketch.quantile(q) for q in (0.5, 0.95, 0.99, 0.999))
    buckets = tuple((2.0**bucket / 1e6, rate) for bucket, rate in sorted(fresh.items()))
    return ClientLatency(name, sketch.count / seconds, p50, p95, p99, p999, buckets)


def _heard(records: Sequence[NodeRecord], late: Mapping[str, Sketch]) -> Iterator[Heard]:
    """Of each namespace with nodes that measure it."""
    measuring = sorted(
        (record.stats for record in records if f"{HEARD}.heard" in record.stats.counters),
        key=lambda stats: stats.namespace,
    )
    for namespace, some in groupby(measuring, key=lambda stats: stats.namespace):
        nodes, sketch = tuple(some), late.get(namespace)
        if sketch is None or not sketch.count:
            sketch = Sketch()
            for data in (stats.sketches.get(HEARD) for stats in nodes[:MOST]):
                sketch.merge(Sketch.unpack(data) if data is not None else Sketch())
        lost = sum(stats.of(f"{HEARD}.lost") for stats in nodes)
        longest = max(stats.gauges.get(f"{HEARD}.max_s", 0.0) for stats in nodes)
        told: tuple[int, float | None, float | None] = (0, None, None)
        if sketch.count:
            told = sketch.count, sketch.quantile(0.5), sketch.quantile(0.99)
        yield Heard(namespace, len(nodes), *told, max_s=longest, lost=lost)
