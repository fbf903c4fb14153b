"""Looks into one report: servers in order, who waits for whom, and replicas that went missing."""

from __future__ import annotations

from collections.abc import Mapping

from perftui.analysis.waitgraph import forest
from perftui.model.database import DatabaseReading, DatabaseReport, ServerReport, WaitNode
from perftui.model.reading import Look, Reading

FORGET = 24 * 3600.0
COLD = 0.9  # below this share of block reads served from shared buffers a cache is cold


class Past:
    """What an engine remembers of each server: replicas last seen, and since when its cache is cold."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}
        self._cold: dict[str, float] = {}

    def cold_for(self, source: str, at: float, ratio: float | None) -> float:
        """Seconds for which every look with reads found the cache cold."""
        if ratio is not None and ratio >= COLD:
            self._cold.pop(source, None)
        elif ratio is not None:
            self._cold.setdefault(source, at)
        return at - self._cold.get(source, at)

    def lost(self, source: str, at: float, reading: DatabaseReading) -> tuple[tuple[str, float], ...]:
        """Replicas seen within a day and not now, with when they were last seen (epoch seconds)."""
        now = {replica.name for replica in reading.replicas}
        for name in now:
            self._seen[source, name] = at
        self._seen = {key: seen for key, seen in self._seen.items() if at - seen < FORGET}
        gone = ((name, seen) for (server, name), seen in self._seen.items() if server == source)
        return tuple(sorted((name, seen) for name, seen in gone if name not in now))


def observe(looks: Mapping[str, Look], past: Past) -> DatabaseReport | None:
    """The report of all servers that were ever read, primaries first, by name; None if none was."""
    servers = [_server(look.reading, past) for look in looks.values() if look.reading is not None]
    if not servers:
        return None
    servers.sort(key=lambda server: (server.standby, server.source))
    return DatabaseReport(tuple(servers))


def _server(look: Reading, past: Past) -> ServerReport:
    reading = look.facts
    assert isinstance(reading, DatabaseReading)
    return ServerReport(
        source=look.source,
        at=look.at,
        reading=reading,
        waiting=waiting(reading),
        cold_for=past.cold_for(look.source, look.at, reading.totals.hit_ratio),
        lost_replicas=past.lost(look.source, look.at, reading),
    )


def waiting(reading: DatabaseReading) -> tuple[WaitNode, ...]:
    """The wait-for forest of one look."""
    return forest({s.pid: s.blocked_by for s in reading.sessions if s.blocked_by})
