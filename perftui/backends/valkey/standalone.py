"""One Valkey or Redis server read in a single round trip, with its powers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import hiredis

from perftui.backends.valkey import info, latency, setup, slowlog
from perftui.backends.valkey.accesses import AccessPowers
from perftui.backends.valkey.attaching import AttachPowers, elsewhere
from perftui.backends.valkey.dictionaries import DictionaryPowers
from perftui.backends.valkey.dumps import DumpScript
from perftui.backends.valkey.facts import (
    Before,
    cause_measures,
    client_measures,
    held_measures,
    latency_measures,
    limit_measures,
    optional,
    reading_of,
    slow_threshold,
)
from perftui.backends.valkey.figures import FigurePowers
from perftui.backends.valkey.info import Counters
from perftui.backends.valkey.largelog import LargeLog
from perftui.backends.valkey.link import Address, Command, Link, parse_url, verify
from perftui.backends.valkey.monitor import MonitorPowers
from perftui.backends.valkey.nodes import NodePowers, TierRates
from perftui.backends.valkey.orders import OrderPowers
from perftui.backends.valkey.policies import PolicyPowers
from perftui.backends.valkey.purges import PurgeQueuePowers
from perftui.backends.valkey.queues import QueuePowers
from perftui.backends.valkey.regions import RegionPowers
from perftui.backends.valkey.serverpowers import ServerPowers
from perftui.backends.valkey.tagkeys import TagPowers
from perftui.backends.valkey.values import ValuePowers
from perftui.backends.valkey.warmqueue import WarmQueuePowers
from perftui.backends.valkey.worklease import WorkLeasePowers
from perftui.model.cache import CacheReading
from perftui.model.errors import BackendError
from perftui.model.options import ValkeyOptions
from perftui.model.reading import Measure, Reading, apart
from perftui.model.series import SeriesKey

SECTIONS = ("server", "clients", "memory", "stats", "replication", "cpu", "commandstats", "keyspace")
"""Parts of INFO a look needs: `all` costs several times as much, for percentiles nobody here reads."""

CONFIG_EVERY = 30
"""Looks between two readings of the configuration: it changes by hand, not by itself."""


SETTINGS = (
    "maxmemory",
    "maxmemory-policy",
    "maxmemory-samples",
    "maxclients",
    "timeout",
    "tcp-keepalive",
    "io-threads",
    "hz",
    "appendonly",
    "appendfsync",
    "save",
    "databases",
    "lfu-decay-time",
    "lfu-log-factor",
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "active-expire-effort",
    "activedefrag",
    "latency-monitor-threshold",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "client-output-buffer-limit",
    "repl-backlog-size",
    "repl-diskless-sync",
    "repl-timeout",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "notify-keyspace-events",
    "replicaof",
    "loglevel",
)
"""What an operator would want to see changed; unknown names are left out by the server."""


class Valkey(
    DumpScript,
    FigurePowers,
    QueuePowers,
    NodePowers,
    PurgeQueuePowers,
    DictionaryPowers,
    MonitorPowers,
    RegionPowers,
    AccessPowers,
    WarmQueuePowers,
    PolicyPowers,
    OrderPowers,
    TagPowers,
    WorkLeasePowers,
    AttachPowers,
    ServerPowers,
    ValuePowers,
):
    """A standalone server, primary or replica.

    Two connections: looks never wait behind a purge or a scan.
    """

    kind: ClassVar[str] = "valkey"
    layer: ClassVar[str] = "cache"
    Options: ClassVar[type] = ValkeyOptions
    period: ClassVar[float] = 1.0
    idle_period: ClassVar[float] = 5.0
    deadline: ClassVar[float] = 2.0

    def __init__(self, name: str, options: ValkeyOptions) -> None:
        self.name = name
        self.watch_every = options.watch_every
        self._slow_entries = max(0, min(128, options.slow_entries))
        address = parse_url(
            options.url, username=options.username, password=options.password, ca_file=options.ca_file
        )
        self._look = Link(address, slowlog.LOOKER)
        self._work = Link(address)
        self._stream = Link(address)
        self._before: Before | None = None
        self._looks = 0
        self._tiers = TierRates()
        self._queue_names = options.queues
        self._tracked: tuple[str, ...] = ()
        self._sections: tuple[str, ...] = SECTIONS
        self._slow_after: float | None = None
        self._large = LargeLog(self._slow_entries)
        self._risks: tuple[tuple[str, str], ...] = ()
        self.watched = None
        self.own_hits = self.own_misses = 0
        self.lfu = False

    def __repr__(self) -> str:
        return f"<valkey {self.name} at {self._look.where}>"

    async def open(self) -> None:
        """Connect and log in."""
        await self._look.one("PING", deadline=self.deadline * 0.9)

    async def close(self) -> None:
        """Hang up everywhere."""
        for link in (self._look, self._work, self._stream):
            await link.close()

    def _reached(self, node: str) -> Address:
        return elsewhere(self._look.address, node) if node else self._look.address

    async def read(self) -> Reading:
        """INFO, slow log and latency histogram in one round trip; now and then nodes and queues in more."""
        asked: list[Command] = [
            ("INFO", *self._sections),
            ("SLOWLOG", "GET", self._slow_entries),
            ("LATENCY", "HISTOGRAM", *self._tracked),
        ]
        anew = self._looks % CONFIG_EVERY == 0
        asked += (large := self._large.asked(anew=anew))
        if anew:
            asked += [("CONFIG", "GET", "slowlog-log-slower-than"), *setup.ASKED]
        at, started = time.time(), time.monotonic()
        replies = await self._look.ask(asked, self.deadline * 0.9)
        if isinstance(replies[0], hiredis.ReplyError) and "syntax error" in str(replies[0]):
            self._sections = ("all",)  # before 7.0 INFO takes one section
            replies[0] = await self._look.one("INFO", "all", deadline=self.deadline * 0.9)
        took = time.monotonic() - started
        logged, replies[3 : 3 + len(large)] = replies[3 : 3 + len(large)], []
        said, server_now = self._facts(replies, logged, started)
        facts = await self._with_tiers(said, server_now, started)
        queued = await self.queue_look(self.deadline * 0.9 - (time.monotonic() - started))
        limits = (*facts.limits, ("queues", queued.limit)) if queued.limit else facts.limits
        facts = replace(facts, queues=queued.views, limits=limits)
        self._looks += 1
        ahead = apart(server_now, at, took) if server_now else None
        return Reading(self.name, at, took, (*self._measures(facts), *queued.measures), facts, ahead=ahead)

    async def settings(self) -> dict[str, str]:
        """CONFIG GET of what changes how it serves, in one round trip; of everything would cost it 10 ms."""
        reply = await self._work.one("CONFIG", "GET", *SETTINGS, deadline=self.deadline)
        words = [part.decode("utf-8", "replace") for part in reply]
        return dict(zip(words[::2], words[1::2], strict=False))

    def _set_at(self, node: str) -> None:
        self._looks = 0

    async def _with_tiers(self, facts: CacheReading, server_now: float, started: float) -> CacheReading:
        """With what nodes of the cache library publish there; a server that forbids it lacks one panel."""
        left = self.deadline * 0.9 - (time.monotonic() - started)
        try:
            return replace(facts, tiers=await self.tiers(server_now, max(0.1, left / 2)))
        except BackendError as error:
            return replace(facts, limits=(*facts.limits, ("nodes", str(error))))

    def _facts(self, replies: Sequence[Any], logged: Sequence[Any], now: float) -> tuple[CacheReading, float]:
        """What a look says, and the server's clock in epoch seconds (0: it does not say)."""
        fields = info.parse(verify(replies[0], "INFO", self._look.where))
        limits: list[tuple[str, str]] = []
        slow = optional(replies[1], "slow log", "SLOWLOG", self._look.where, limits)
        histogram = optional(replies[2], "latency", "LATENCY", self._look.where, limits)
        large = self._large.take(logged, self._look.where, limits)
        if len(replies) > 3:
            self._slow_after, self._risks = slow_threshold(replies[3]), setup.told(replies[4:])
        before = self._before
        self.lfu = fields.get("maxmemory_policy", "").endswith("lfu")
        self._before = mine = Before(Counters.of(fields, now, self.own), latency.parse(histogram or []))
        # Each histogram costs the server tens of microseconds: those of consoles are not asked for.
        self._tracked = tuple(name for name in mine.counters.commands if latency.group(name))
        facts = reading_of(
            fields,
            mine.counters,
            before.counters if before else None,
            latency=before.latency(mine) if before else (),
            slow=slowlog.parse(slow or []),
            slow_threshold_s=self._slow_after,
            large=large,
            limits=tuple(limits),
            watched=self.watched,
            space=self.space,
            settings=self._risks,
            address=self._look.where,
        )
        return facts, info.real(fields, "server_time_usec") / 1e6

    def _measures(self, facts: CacheReading) -> Iterator[Measure]:
        for name, value, unit in _figures(facts):
            if value is not None:
                yield Measure(SeriesKey(self.name, name), value, unit)
        yield from held_measures(self.name, facts)
        yield from limit_measures(self.name, facts)
        yield from latency_measures(self.name, facts.latency)
        yield from cause_measures(self.name, facts.tiers)
        yield from client_measures(self.name, facts.tiers)


def _figures(facts: CacheReading) -> tuple[tuple[str, float | None, str], ...]:
    repl = facts.replication
    lag = max((r.lag_bytes for r in repl.replicas), default=None)
    traffic = facts.tiers.traffic if facts.tiers is not None else None
    return (
        ("ops_per_s", facts.ops_per_s, "1/s"),
        ("hits_per_s", facts.hits_per_s, "1/s"),
        ("misses_per_s", facts.misses_per_s, "1/s"),
        ("hit_ratio", facts.hit_ratio, "ratio"),
        ("served_ratio", facts.served_ratio, "ratio"),
        ("l1_hit_ratio", traffic.l1_hit_ratio if traffic is not None else None, "ratio"),
        ("evicted_per_s", facts.evicted_per_s, "1/s"),
        ("expired_per_s", facts.expired_per_s, "1/s"),
        ("in_bytes_per_s", facts.in_bytes_per_s, "bytes/s"),
        ("out_bytes_per_s", facts.out_bytes_per_s, "bytes/s"),
        ("cpu_ratio", facts.cpu_ratio, "ratio"),
        ("used_bytes", float(facts.used_bytes), "bytes"),
        ("rss_bytes", float(facts.rss_bytes), "bytes"),
        ("max_bytes", float(facts.max_bytes) if facts.max_bytes else None, "bytes"),
        ("clients", float(facts.clients), "1"),
        ("keys", float(facts.keys), "1"),
        ("lag_bytes", None if lag is None else float(lag), "bytes"),
        ("backlog_limit_bytes", float(repl.backlog) or None, "bytes"),
    )
