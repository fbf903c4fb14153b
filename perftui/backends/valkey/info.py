"""INFO of Valkey and Redis, read into the house's values; counters become rates that survive resets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perftui.model.cache import CommandCost, ReplicaLink, Replication
from perftui.model.errors import Protocol

Info = Mapping[str, str]


def parse(text: bytes) -> dict[str, str]:
    """All `field:value` lines of an INFO reply; Protocol when there are none."""
    fields = part(text)
    if "uptime_in_seconds" not in fields:
        raise Protocol("the server answered INFO with something else: is it a Redis or Valkey server?")
    return fields


def part(reply: Any) -> dict[str, str]:
    """The lines of one section; none where it is refused."""
    fields: dict[str, str] = {}
    for line in reply.decode("utf-8", "replace").splitlines() if isinstance(reply, bytes) else ():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            fields[name] = value
    return fields


def whole(info: Info, name: str) -> int:
    """A whole number of INFO; 0 when missing or odd."""
    return int(real(info, name))


def real(info: Info, name: str) -> float:
    """A number of INFO; 0.0 when missing or odd."""
    try:
        value = float(info.get(name, 0))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def pairs(text: str) -> dict[str, str]:
    """`a=1,b=2` as a mapping."""
    return {name: value for name, _, value in (item.partition("=") for item in text.split(","))}


def keyspace(info: Info) -> tuple[int, int]:
    """Keys and keys with a TTL over all databases."""
    keys = expiring = 0
    for name, value in info.items():
        if name.startswith("db") and name[2:].isdigit():
            row = pairs(value)
            keys += int(row.get("keys", 0))
            expiring += int(row.get("expires", 0))
    return keys, expiring


def replication(info: Info) -> Replication:
    """Role, offsets and lags as this server sees them."""
    if info.get("role") != "slave":
        offset = whole(info, "master_repl_offset")
        names = (f"slave{n}" for n in range(whole(info, "connected_slaves")))
        rows = [pairs(info[name]) for name in names if name in info]
        replicas = tuple(_replica(row, offset) for row in rows)
        before = info.get("master_replid2", "")
        return Replication(
            "primary",
            offset,
            replicas,
            stream=info.get("master_replid", ""),
            stream_before=before if before.strip("0") else "",
            backlog=whole(info, "repl_backlog_size"),
        )
    up = info.get("master_link_status") == "up"
    last_io = real(info, "master_last_io_seconds_ago")
    return Replication(
        role="replica",
        offset=whole(info, "slave_repl_offset"),
        primary=f"{info.get('master_host', '?')}:{info.get('master_port', '?')}",
        link_up=up,
        last_io_s=last_io if last_io >= 0 else None,
        link_down_s=None if up else max(0.0, real(info, "master_link_down_since_seconds")),
        syncing=info.get("master_sync_in_progress") == "1",
        stream=info.get("master_replid", ""),
    )


def _replica(row: Mapping[str, str], offset: int) -> ReplicaLink:
    behind = max(0, offset - int(row.get("offset", 0)))
    address = f"{row.get('ip', '?')}:{row.get('port', '?')}"
    return ReplicaLink(address, row.get("state", "?"), behind, float(row.get("lag", 0)))


@dataclass(frozen=True, slots=True)
class Counters:
    """Cumulative counters of one look, to compare the next with. `at` is monotonic seconds."""

    at: float
    run: str
    values: Mapping[str, float]
    commands: Mapping[str, tuple[float, float, float]]
    own: Mapping[str, int]

    @classmethod
    def of(cls, info: Info, at: float, own: Mapping[str, int]) -> Counters:
        """The counters in an INFO; `own` is what this console has added to some of them so far."""
        commands = {name[8:]: _cost(value) for name, value in info.items() if name.startswith("cmdstat_")}
        values = {name: real(info, name) for name in COUNTERS}
        return cls(at, info.get("run_id", ""), values, commands, own)

    def rate(self, before: Counters | None, name: str) -> float | None:
        """Increase a second since `before`; None without it or across a restart.

        A counter that fell was reset (CONFIG RESETSTAT): what it counted since then is the increase.
        """
        if before is None or before.run != self.run or self.at <= before.at:
            return None
        mine = self.own.get(name, 0) - before.own.get(name, 0)
        return max(0.0, grown(self.values[name], before.values[name]) - mine) / (self.at - before.at)

    def costs(self, before: Counters | None) -> tuple[CommandCost, ...]:
        """Commands by their part of the time since `before`, heaviest first, at most 64."""
        if before is None or before.run != self.run or self.at <= before.at:
            return ()
        span = self.at - before.at
        rows = []
        for name, now in self.commands.items():
            was = before.commands.get(name, (0.0, 0.0, 0.0))
            calls, busy, failed = (grown(n, w) for n, w in zip(now, was, strict=True))
            if calls > 0:
                rows.append((busy, name, calls, failed))
        total = sum(row[0] for row in rows) or 1.0
        rows.sort(reverse=True)
        return tuple(
            CommandCost(name, calls / span, busy / calls, busy / total, failed / span)
            for busy, name, calls, failed in rows[:64]
        )


COUNTERS = (
    "total_commands_processed",
    "keyspace_hits",
    "keyspace_misses",
    "evicted_keys",
    "expired_keys",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "used_cpu_sys",
    "used_cpu_user",
)


def grown(now: float, was: float) -> float:
    """Increase of a counter that may have been reset in between."""
    return now - was if now >= was else now


def _cost(text: str) -> tuple[float, float, float]:
    """Calls, seconds and failures of a `cmdstat_` line."""
    row = pairs(text)
    failed = float(row.get("failed_calls", 0)) + float(row.get("rejected_calls", 0))
    return float(row.get("calls", 0)), float(row.get("usec", 0)) / 1e6, failed
