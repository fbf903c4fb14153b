"""What a pattern matches, counted before anything is touched."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Protocol

from perftui.analysis.keyspace import mean_error
from perftui.backends.valkey.info import keyspace
from perftui.model.cache import KeyInfo, KeySurvey

BUDGET = 15.0
"""Seconds a survey may scan; beyond, the count is extrapolated and says so."""

STEP = 1000


class Surveyed(Protocol):
    """What a survey needs of a backend."""

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, tuple[bytes, ...]]:
        """One SCAN step."""
        ...

    def scanned(self, cursor: int) -> float:
        """The share gone through at a cursor."""
        ...

    async def weigh(self, names: list[bytes]) -> tuple[KeyInfo, ...]:
        """Type, TTL, bytes."""
        ...

    async def facts(self) -> Mapping[str, str]:
        """INFO."""
        ...


class Reservoir:
    """An even sample of a stream of unknown length (Vitter's algorithm R, 1985)."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen = 0
        self.kept: list[bytes] = []
        self._draw = random.SystemRandom()

    def add(self, item: bytes) -> None:
        """Offer one item."""
        self.seen += 1
        if len(self.kept) < self.size:
            self.kept.append(item)
        elif (place := self._draw.randrange(self.seen)) < self.size:
            self.kept[place] = item


async def survey(server: Surveyed, pattern: bytes, sample: int, budget: float = BUDGET) -> KeySurvey:
    """Scan for `pattern` within `budget` seconds, then weigh an even sample of what matched."""
    fields = await server.facts()
    found, name_bytes, cursor, started = Reservoir(sample), 0, 0, time.monotonic()
    while True:
        cursor, names = await server.scan(pattern, cursor, STEP)
        for name in names:
            found.add(name)
            name_bytes += len(name)
        if cursor == 0 or time.monotonic() - started > budget:
            break
    scanned = server.scanned(cursor)
    rows = await server.weigh(found.kept)
    mean, error = mean_error([float(r.bytes_) for r in rows if r.bytes_ is not None])
    count = round(found.seen / scanned) if scanned else found.seen
    exact = scanned == 1.0 and len(rows) >= found.seen
    return KeySurvey(
        pattern=pattern,
        count=count,
        scanned=scanned,
        sample=rows,
        bytes_=round(mean * count),
        bytes_error=0 if exact or len(rows) < 2 else round(error * count),
        total=keyspace(fields)[0],
        role="replica" if fields.get("role") == "slave" else "primary",
        policy=fields.get("maxmemory_policy", "?"),
        name_bytes=name_bytes,
    )
