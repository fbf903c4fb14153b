"""Histories of days and months in a store, made by the code that writes and folds them as they age."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.store import Store

NOW = 1_700_000_000.0
KINDS = {"web": "host", "cache": "valkey", "db": "postgres", "shop": "scrape"}
FIGURES: Mapping[str, Sequence[str]] = {
    "web": ("cpu.busy_ratio", "memory.used_ratio", "net.rx_bytes"),
    "cache": ("hit_ratio", "used_bytes", "max_bytes"),
    "db": ("connections", "max_connections", "p95_estimate_s"),
    "shop": ("http.error_ratio", "http.p99_s", "http.requests_per_s"),
}


class Then:
    """A clock that stands where it is put."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.clock = Clock(lambda: self.at, lambda: self.at)


def value(name: str, at: float, chance: random.Random) -> float:
    """Days that differ by their hours, with noise; counters only rise."""
    wave = 0.5 + 0.4 * math.sin(at / 86400 * 2 * math.pi)
    if name.endswith("rx_bytes"):
        return math.floor((at - NOW + 1e7) * 1000)
    if name.startswith("max_"):
        return 100.0
    scale = 90.0 if name in {"connections", "used_bytes"} else 1.0
    return scale * min(1.0, max(0.0, wave + chance.gauss(0, 0.08)))


async def fill(store: Store, then: Then, days: float, every: float, sources: Sequence[str]) -> History:
    """`days` of readings up to now, one each `every` seconds; what grows old is folded on the way."""
    history = History(store, then.clock)
    await history.ready()
    chance = random.Random(7)
    keys = {source: [SeriesKey(source, name) for name in FIGURES[source]] for source in sources}
    then.at = NOW - days * 86400.0
    number = 0
    while then.at < NOW:
        for source in sources:
            samples = tuple(Measure(key, value(key.name, then.at, chance), "1") for key in keys[source])
            history.record(Reading(source, then.at, 0.0, samples, None))
        number += 1
        if number % 720 == 0:
            await history.tick()
        then.at += every
    before = -1
    while history.folded != before:  # all that is due
        before = history.folded
        then.at += 10.0
        await history.tick()
    then.at = NOW
    await history.flush()
    return history
