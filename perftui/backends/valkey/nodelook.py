"""One node among several: what it says of itself in a look, and the measures made of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import hiredis

from perftui.analysis.clusternodes import NodeLine
from perftui.analysis.wholecluster import whole
from perftui.backends.valkey import clustermap, info, latency, setup, slowlog
from perftui.backends.valkey.facts import (
    Before,
    Labels,
    cause_measures,
    client_measures,
    held_measures,
    latency_measures,
    limit_measures,
    optional,
    reading_of,
    slow_threshold,
)
from perftui.backends.valkey.info import Counters
from perftui.backends.valkey.largelog import LargeLog
from perftui.backends.valkey.link import Address, Command, Link, verify
from perftui.draw.clean import inert
from perftui.model.cache import CacheReading
from perftui.model.cachecluster import ClusterMember, ClusterReading
from perftui.model.errors import PlanRejected, Unsupported
from perftui.model.reading import Measure
from perftui.model.series import SeriesKey

APART = 0.5
"""Seconds from which two looks make a rate: between nearer ones there is little but the looks themselves."""

WHOLE = {
    "ops_per_s": "1/s",
    "hits_per_s": "1/s",
    "misses_per_s": "1/s",
    "evicted_per_s": "1/s",
    "expired_per_s": "1/s",
    "used_bytes": "bytes",
    "keys": "1",
}
"""Figures that are told of all primaries together."""

MEMORY = {"rss_bytes": "bytes", "max_bytes": "bytes"}
"""Those that are left out where they are 0."""

SECTIONS = ("server", "clients", "memory", "stats", "replication", "cpu", "commandstats", "keyspace")

SLOW_ENTRIES = 16
"""Slow log entries read of each node with every look."""

SETUP_EVERY = 30  # looks between two readings of how it is set up


class NodeLook:
    """One node, and what its next look is compared with.

    `own` are lookups that this console adds to the node's counters, `lent` those by other connections.
    """

    def __init__(self, address: Address) -> None:
        self.link = Link(address, slowlog.LOOKER)
        self.lent: Mapping[str, int] = {}
        self._before: Before | None = None
        self._older: Before | None = None
        self._sections: tuple[str, ...] = SECTIONS
        self.own = {"keyspace_hits": 0, "keyspace_misses": 0}  # what was looked up for this console
        self._tracked: tuple[str, ...] = ()
        self._threshold: float | None = None
        self._risks: tuple[tuple[str, str], ...] = ()
        self._large = LargeLog(SLOW_ENTRIES)
        self._looks = 0

    def look_anew(self) -> None:
        """With the next look, ask how it is set up."""
        self._looks = 0

    async def facts(self, deadline: float) -> CacheReading:
        """What it says of itself."""
        return (await self._read((), deadline))[0]

    async def read(self, *, view: bool, deadline: float) -> tuple[CacheReading, tuple[NodeLine, ...]]:
        """What it says of itself, and with `view` its map."""
        facts, rest = await self._read((("CLUSTER", "NODES"),) if view else (), deadline)
        where = self.link.where
        if facts.mode != "cluster":
            raise Unsupported(f'{where} is no node of a cluster: connect it with kind = "valkey"')
        return facts, clustermap.parse(verify(rest[0], "CLUSTER NODES", where), where) if view else ()

    async def _read(
        self, more: Sequence[tuple[str, ...]], deadline: float
    ) -> tuple[CacheReading, Sequence[Any]]:
        """One round trip: INFO, slow log, latency, and what else is asked for."""
        now_and_then = self._looks % SETUP_EVERY == 0
        self._looks += 1
        large = self._large.asked(anew=now_and_then)
        asked: list[Command] = [
            ("INFO", *self._sections),
            ("SLOWLOG", "GET", SLOW_ENTRIES),
            ("LATENCY", "HISTOGRAM", *self._tracked),
            *more,
            *large,
        ]
        if now_and_then:
            asked += [("CONFIG", "GET", "slowlog-log-slower-than"), *setup.ASKED]
        replies = await self.link.ask(asked, deadline)
        if isinstance(replies[0], hiredis.ReplyError) and "syntax error" in str(replies[0]):
            self._sections = ("all",)  # before 7.0 INFO takes one section
            replies[0] = await self.link.one("INFO", "all", deadline=deadline)
        at = 3 + len(more)
        logged, told = replies[at : at + len(large)], replies[at + len(large) :]
        if now_and_then:
            self._threshold, self._risks = slow_threshold(told[0]), setup.told(told[1:])
        return self._facts(replies, logged), replies[3:at]

    def _added(self) -> dict[str, int]:
        return {name: count + self.lent.get(name, 0) for name, count in self.own.items()}

    def _facts(self, replies: Sequence[Any], logged: Sequence[Any]) -> CacheReading:
        fields = info.parse(verify(replies[0], "INFO", self.link.where))
        limits: list[tuple[str, str]] = []
        slow = optional(replies[1], "slow log", "SLOWLOG", self.link.where, limits)
        groups = latency.parse(optional(replies[2], "latency", "LATENCY", self.link.where, limits) or [])
        large = self._large.take(logged, self.link.where, limits)
        now = time.monotonic()
        mine, before = Before(Counters.of(fields, now, self._added()), groups), self._before
        self._tracked = tuple(name for name in mine.counters.commands if latency.group(name))
        near = before is not None and now - before.counters.at < APART
        old = self._older if near else before
        if not near:
            self._older, self._before = before, mine
        return reading_of(
            fields,
            mine.counters,
            old.counters if old else None,
            latency=old.latency(mine) if old else (),
            slow=slowlog.parse(slow or []),
            slow_threshold_s=self._threshold,
            large=large,
            limits=tuple(limits),
            settings=self._risks,
        )


def measures(source: str, reading: ClusterReading) -> Iterator[Measure]:
    """Traffic, memory, keys and lag of every node that told of itself, and the primaries' together.

    What its own limit, its connections and the backlog of whom it follows let a node do is told of it alone.
    """
    if reading.hit_ratio is not None:
        yield Measure(SeriesKey(source, "hit_ratio"), reading.hit_ratio, "ratio")
    for name, unit in WHOLE.items():
        total = reading.total(name)
        if total is not None:
            yield Measure(SeriesKey(source, name), total, unit)
    one = whole(reading)
    if one is not None:
        for name, unit in MEMORY.items():
            if getattr(one, name):
                yield Measure(SeriesKey(source, name), float(getattr(one, name)), unit)
        yield from latency_measures(source, one.latency)
        yield from cause_measures(source, one.tiers)
        yield from client_measures(source, one.tiers)
        if one.served_ratio is not None:
            yield Measure(SeriesKey(source, "served_ratio"), one.served_ratio, "ratio")
        traffic = one.tiers.traffic if one.tiers is not None else None
        if traffic is not None and traffic.l1_hit_ratio is not None:
            yield Measure(SeriesKey(source, "l1_hit_ratio"), traffic.l1_hit_ratio, "ratio")
    for member in reading.members:
        labels = (("node", member.address),)
        yield from _behind(source, reading, member, labels)
        facts = member.reading
        if facts is None:
            continue
        yield Measure(SeriesKey(source, "used_bytes", labels), float(facts.used_bytes), "bytes")
        yield Measure(SeriesKey(source, "keys", labels), float(facts.keys), "1")
        if facts.ops_per_s is not None:
            yield Measure(SeriesKey(source, "ops_per_s", labels), facts.ops_per_s, "1/s")
        yield from held_measures(source, facts, labels)
        yield from limit_measures(source, facts, labels)


def _behind(source: str, reading: ClusterReading, member: ClusterMember, labels: Labels) -> Iterator[Measure]:
    """How far a replica is behind, and what may be without a whole copy: both are its primary's to tell."""
    lag, ahead = reading.lag(member), reading.member(member.primary)
    if lag is not None:
        yield Measure(SeriesKey(source, "lag_bytes", labels), float(lag), "bytes")
    if ahead is not None and ahead.reading is not None and (kept := ahead.reading.replication.backlog):
        yield Measure(SeriesKey(source, "backlog_limit_bytes", labels), float(kept), "bytes")


def named(reading: ClusterReading, node: str, source: str) -> ClusterMember:
    """The node of that id or address.

    Raises:
        PlanRejected: there is none; it says which there are.
    """
    found = reading.member(node)
    if found is None:
        known = ", ".join(member.address for member in reading.members)
        raise PlanRejected(f"{source} has no node {inert(node, 60)}: {known}")
    return found
