"""One Valkey or Redis server read in a single round trip, with its powers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import hiredis

from perftui.backends.valkey import info, latency, slowlog
from perftui.backends.valkey.figures import FigurePowers
from perftui.backends.valkey.info import Counters, Info
from perftui.backends.valkey.link import Link, parse_url, translated, verify
from perftui.backends.valkey.monitor import MonitorPowers
from perftui.backends.valkey.quarantine import PurgePowers
from perftui.backends.valkey.queues import QueuePowers
from perftui.model.cache import CacheReading
from perftui.model.errors import Protocol, Unsupported
from perftui.model.options import ValkeyOptions
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey

SECTIONS = ("server", "clients", "memory", "stats", "replication", "cpu", "commandstats", "keyspace")
"""Parts of INFO a look needs: `all` costs several times as much, for percentiles nobody here reads."""

CONFIG_EVERY = 30
"""Looks between two readings of the configuration: it changes by hand, not by itself."""


@dataclass(frozen=True, slots=True)
class _Before:
    """What the next look is compared with."""

    counters: Counters
    histogram: dict[str, Any]


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


class Valkey(PurgePowers, FigurePowers, QueuePowers, MonitorPowers):
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
        self._before: _Before | None = None
        self._looks = 0
        self._queue_names = options.queues
        self._tracked: tuple[str, ...] = ()
        self._sections: tuple[str, ...] = SECTIONS
        self._slow_after: float | None = None
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

    async def read(self) -> Reading:
        """INFO, slow log and latency histogram in one round trip."""
        asked: list[tuple[str | int, ...]] = [
            ("INFO", *self._sections),
            ("SLOWLOG", "GET", self._slow_entries),
            ("LATENCY", "HISTOGRAM", *self._tracked),
        ]
        if self._looks % CONFIG_EVERY == 0:
            asked.append(("CONFIG", "GET", "slowlog-log-slower-than"))
        at, started = time.time(), time.monotonic()
        replies = await self._look.ask(asked, self.deadline * 0.9)
        if isinstance(replies[0], hiredis.ReplyError) and "syntax error" in str(replies[0]):
            self._sections = ("all",)  # before 7.0 INFO takes one section
            replies[0] = await self._look.one("INFO", "all", deadline=self.deadline * 0.9)
        took = time.monotonic() - started
        facts = self._facts(replies, started)
        self._looks += 1
        return Reading(self.name, at, took, tuple(self._measures(facts)), facts)

    async def parameter(self, name: str) -> str:
        """CONFIG GET of exactly one parameter."""
        reply = await self._work.one("CONFIG", "GET", name, deadline=self.deadline)
        if len(reply) != 2 or reply[0] != name.encode():
            raise Unsupported(f"{self._work.where} has no parameter of that name")
        value: bytes = reply[1]
        return value.decode("utf-8", "replace")

    async def settings(self) -> dict[str, str]:
        """CONFIG GET of what changes how it serves, in one round trip; of everything would cost it 10 ms."""
        reply = await self._work.one("CONFIG", "GET", *SETTINGS, deadline=self.deadline)
        words = [part.decode("utf-8", "replace") for part in reply]
        return dict(zip(words[::2], words[1::2], strict=False))

    async def set_parameter(self, name: str, value: str) -> None:
        """CONFIG SET; what it changes shows with the next look."""
        await self._work.one("CONFIG", "SET", name, value, deadline=self.deadline)
        self._looks = 0

    def _facts(self, replies: Sequence[Any], now: float) -> CacheReading:
        fields = info.parse(verify(replies[0], "INFO", self._look.where))
        limits: list[tuple[str, str]] = []
        slow = self._optional(replies[1], "slow log", "SLOWLOG", limits)
        histogram = self._optional(replies[2], "latency", "LATENCY", limits)
        if len(replies) > 3:
            self._slow_after = _slow_threshold(replies[3])
        own = {"keyspace_hits": self.own_hits, "keyspace_misses": self.own_misses}
        before, counters = self._before, Counters.of(fields, now, own)
        self.lfu = fields.get("maxmemory_policy", "").endswith("lfu")
        groups = latency.parse(histogram or [])
        # Each histogram costs the server tens of microseconds: those of consoles are not asked for.
        self._tracked = tuple(name for name in counters.commands if latency.group(name))
        same_run = before is not None and before.counters.run == counters.run
        self._before = _Before(counters, groups)
        return _reading(
            fields,
            counters,
            before.counters if before else None,
            latency=latency.since(groups, before.histogram, now - before.counters.at)
            if before and same_run
            else (),
            slow=slowlog.parse(slow or []),
            slow_threshold_s=self._slow_after,
            limits=tuple(limits),
            watched=self.watched,
        )

    def _optional(self, reply: Any, panel: str, asked: str, limits: list[tuple[str, str]]) -> Any:
        """A part that some servers and users lack: its absence hides one panel, not the server."""
        if isinstance(reply, hiredis.ReplyError):
            error = translated(reply, asked, self._look.where)
            needs = f" ({asked} HISTOGRAM came with 7.0)" if panel == "latency" else ""
            limits.append((panel, str(error) + (needs if not isinstance(error, Protocol) else "")))
            return None
        return reply

    def _measures(self, facts: CacheReading) -> Iterator[Measure]:
        for name, value, unit in _figures(facts):
            if value is not None:
                yield Measure(SeriesKey(self.name, name), value, unit)
        for part in facts.latency:
            labels = (("class", part.name),)
            for name, value in (("p50_s", part.p50_s), ("p95_s", part.p95_s), ("p99_s", part.p99_s)):
                yield Measure(SeriesKey(self.name, name, labels), value, "s")
            for bound, rate in part.buckets:
                key = SeriesKey(self.name, "latency_bucket_per_s", (*labels, ("le", f"{bound:.6g}")))
                yield Measure(key, rate, "1/s")


def _slow_threshold(reply: Any) -> float | None:
    if isinstance(reply, list) and len(reply) == 2 and int(reply[1]) >= 0:
        return int(reply[1]) / 1e6
    return None


def _figures(facts: CacheReading) -> tuple[tuple[str, float | None, str], ...]:
    repl = facts.replication
    lag = max((r.lag_bytes for r in repl.replicas), default=None)
    return (
        ("ops_per_s", facts.ops_per_s, "1/s"),
        ("hits_per_s", facts.hits_per_s, "1/s"),
        ("misses_per_s", facts.misses_per_s, "1/s"),
        ("hit_ratio", facts.hit_ratio, "ratio"),
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
    )


def _reading(fields: Info, now: Counters, before: Counters | None, **rest: Any) -> CacheReading:
    def per_s(name: str) -> float | None:
        return now.rate(before, name)

    system, user = per_s("used_cpu_sys"), per_s("used_cpu_user")
    keys, expiring = info.keyspace(fields)
    valkey = fields.get("valkey_version", "")
    return CacheReading(
        product="Valkey" if valkey else "Redis",
        version=valkey or fields.get("redis_version", "?"),
        mode=fields.get("server_mode") or fields.get("redis_mode", "?"),
        uptime_s=info.real(fields, "uptime_in_seconds"),
        used_bytes=info.whole(fields, "used_memory"),
        rss_bytes=info.whole(fields, "used_memory_rss"),
        peak_bytes=info.whole(fields, "used_memory_peak"),
        max_bytes=info.whole(fields, "maxmemory"),
        policy=fields.get("maxmemory_policy", "?"),
        allocator=fields.get("mem_allocator", "?"),
        clients=info.whole(fields, "connected_clients"),
        blocked_clients=info.whole(fields, "blocked_clients"),
        max_clients=info.whole(fields, "maxclients"),
        keys=keys,
        expiring_keys=expiring,
        replication=info.replication(fields),
        ops_per_s=per_s("total_commands_processed"),
        hits_per_s=per_s("keyspace_hits"),
        misses_per_s=per_s("keyspace_misses"),
        evicted_per_s=per_s("evicted_keys"),
        expired_per_s=per_s("expired_keys"),
        in_bytes_per_s=per_s("total_net_input_bytes"),
        out_bytes_per_s=per_s("total_net_output_bytes"),
        cpu_ratio=None if system is None or user is None else system + user,
        commands=now.costs(before),
        **rest,
    )
