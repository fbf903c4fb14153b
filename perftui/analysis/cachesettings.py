"""Settings of a cache server that matter, what its makers set, and which are risky for a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from perftui.model.serverconfig import DEFAULT_USER, ConfigLook, ServerConfig, SettingRow

Values = Mapping[str, str]

PRIMARY: Final = "primary"


@dataclass(frozen=True, slots=True)
class Known:
    """A setting: its group, what it does, the default of Redis 7 and that of Valkey 8 where it is another."""

    name: str
    group: str
    does: str
    default: str | None = None
    valkey: str | None = None


@dataclass(frozen=True, slots=True)
class Risk:
    """Why a value is risky for a cache in one sentence, and the finding that says so where there is one."""

    sentence: str
    finding: str = ""


_BUFFERS = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
_SNAPSHOTS = "3600 1 300 100 60 10000"
_FREED = "frees a key in the background that"
_TABLE: Final = {
    "memory": (
        ("maxmemory", "bytes the data may take; 0: no limit", "0"),
        ("maxmemory-policy", "which keys go when memory is full", "noeviction"),
        ("maxmemory-samples", "keys compared to find one to evict", "5"),
        ("maxmemory-eviction-tenacity", "how long one eviction may hold up others (0-100)", "10"),
        ("maxmemory-clients", "bytes, or share, that all clients' buffers may take; 0: no limit", "0"),
        ("replica-ignore-maxmemory", "whether a replica leaves evicting to its primary", "yes"),
        ("lfu-decay-time", "minutes after which a key's count of uses is halved", "1"),
        ("lfu-log-factor", "how many uses it takes to count as hot", "10"),
        ("activedefrag", "whether it mends fragmented memory while it serves", "no"),
        ("active-expire-effort", "CPU spent on finding expired keys (1-10)", "1"),
    ),
    "freeing": (
        ("lazyfree-lazy-eviction", f"{_FREED} is evicted", "no", "yes"),
        ("lazyfree-lazy-expire", f"{_FREED} expired", "no", "yes"),
        ("lazyfree-lazy-server-del", f"{_FREED} is overwritten", "no", "yes"),
        ("lazyfree-lazy-user-del", f"{_FREED} DEL names", "no", "yes"),
        ("lazyfree-lazy-user-flush", "frees in the background what FLUSHALL drops", "no", "yes"),
        ("replica-lazy-flush", "the same for a replica that takes a new copy", "no", "yes"),
    ),
    "persistence": (
        ("save", "seconds and changes after which a snapshot is written", _SNAPSHOTS),
        ("stop-writes-on-bgsave-error", "whether a failed snapshot stops all writes", "yes"),
        ("appendonly", "whether each write goes to a file as well", "no"),
        ("appendfsync", "when that file reaches the disk", "everysec"),
        ("no-appendfsync-on-rewrite", "whether it waits while a snapshot is written", "no"),
        ("auto-aof-rewrite-percentage", "growth after which that file is written anew", "100"),
    ),
    "replication": (
        ("repl-backlog-size", "bytes of the stream kept for replicas that come back", "1048576", "10485760"),
        ("repl-backlog-ttl", "seconds it is kept without any replica", "3600"),
        ("repl-timeout", "seconds of silence after which a link counts as dead", "60"),
        ("repl-ping-replica-period", "seconds between two pings to replicas", "10"),
        ("repl-diskless-sync", "whether a copy goes over the network without a file", "yes"),
        ("repl-diskless-sync-delay", "seconds waited for more replicas that want a copy", "5"),
        ("repl-diskless-load", "how a replica loads a copy", "disabled"),
        ("min-replicas-to-write", "replicas below which writes are refused", "0"),
        ("min-replicas-max-lag", "seconds behind at which a replica counts no more", "10"),
        ("replica-read-only", "whether a replica refuses writes", "yes"),
        ("replica-serve-stale-data", "whether a replica answers while its link is down", "yes"),
    ),
    "watching": (
        ("latency-monitor-threshold", "milliseconds from which a stall is kept; 0: none", "0"),
        ("latency-tracking", "whether it keeps latency histograms", "yes"),
        ("slowlog-log-slower-than", "microseconds from which a command is logged; -1: none", "10000"),
        ("slowlog-max-len", "slow commands that are kept", "128"),
        ("commandlog-request-larger-than", "bytes from which a request is logged; -1: none", None, "1048576"),
        ("commandlog-reply-larger-than", "bytes from which a reply is logged; -1: none", None, "1048576"),
        ("commandlog-large-request-max-len", "large requests that are kept", None, "128"),
        ("commandlog-large-reply-max-len", "large replies that are kept", None, "128"),
        ("notify-keyspace-events", "which changes of keys are published", ""),
        ("cluster-slot-stats-enabled", "whether traffic is counted by slot", None, "no"),
    ),
    "connections": (
        ("maxclients", "connections it takes", "10000"),
        ("timeout", "seconds after which an idle client is hung up on; 0: never", "0"),
        ("tcp-keepalive", "seconds between two looks whether a client's machine is there", "300"),
        ("tcp-backlog", "connections that may wait to be taken", "511"),
        ("client-output-buffer-limit", "bytes of unread replies after which a client is dropped", _BUFFERS),
        ("client-query-buffer-limit", "bytes one client may send ahead", "1073741824"),
        ("proto-max-bulk-len", "bytes of the largest value", "536870912"),
        ("tracking-table-max-keys", "keys that client-side caches are told about", "1000000"),
    ),
    "threads": (
        ("io-threads", "threads that read requests and write replies", "1"),
        ("hz", "times a second it looks after expiry and clients", "10"),
        ("databases", "numbered databases", "16"),
        ("busy-reply-threshold", "milliseconds after which a script may be killed", "5000"),
    ),
    "access": (
        (DEFAULT_USER, "whether who gives no name needs a password", None),
        ("protected-mode", "whether strangers are refused while there is no password", "yes"),
        ("bind", "addresses it listens on", "* -::*"),
        ("enable-debug-command", "who may use DEBUG", "no"),
        ("enable-module-command", "who may load modules", "no"),
        ("enable-protected-configs", "who may set files and folders", "no"),
    ),
    "cluster": (
        ("cluster-enabled", "whether it is a node of a cluster", "no"),
        ("cluster-node-timeout", "milliseconds of silence after which a node is suspected", "15000"),
        ("cluster-require-full-coverage", "whether all stop while one slot has no primary", "yes"),
        ("cluster-allow-reads-when-down", "whether reads go on then", "no"),
        ("cluster-replica-validity-factor", "how far behind a replica may still take over", "10"),
        ("cluster-allow-replica-migration", "whether spare replicas go to primaries alone", "yes"),
    ),
}

CATALOG: Final = {name: Known(name, group, *rest) for group, rows in _TABLE.items() for name, *rest in rows}
ASKED: Final = tuple(name for name in CATALOG if name != DEFAULT_USER)
"""What CONFIG GET is asked for: no name of a secret is among them."""


def default_of(name: str, product: str, version: str) -> str | None:
    """What the makers of that server set; None where that is not known."""
    known = CATALOG[name]
    major = version.partition(".")[0]
    new = product == "Valkey" and major.isdigit() and int(major) >= 8
    return known.valkey if new and known.valkey is not None else known.default


def risk(name: str, values: Values, role: str = PRIMARY) -> Risk | None:
    """Why what a server has set there is risky for a cache; None where it is not, or not known."""
    rule = RULES.get(name)
    return rule(values[name], values, role) if rule is not None and name in values else None


def rows(look: ConfigLook) -> tuple[SettingRow, ...]:
    """Every setting that some server tells, as the catalog has them."""
    told = [(one, dict(one.values)) for one in look.servers]
    clustered = any(values.get("cluster-enabled") == "yes" for _, values in told)
    shown = (name for name, one in CATALOG.items() if clustered or one.group != "cluster")
    return tuple(row for name in shown if (row := _row(name, told)) is not None)


def _row(name: str, told: Iterable[tuple[ServerConfig, Values]]) -> SettingRow | None:
    mine = [(one, values) for one, values in told if name in values]
    if not mine:
        return None
    held: dict[str, list[str]] = {}
    for one, values in mine:
        held.setdefault(values[name], []).append(one.node)
    value = max(held, key=lambda text: len(held[text]))
    first = mine[0][0]
    default = default_of(name, first.product, first.version)
    known = CATALOG[name]
    row = SettingRow(
        name, known.group, known.does, value, default, default is not None and {default} != {*held}
    )
    if len(held) > 1:
        row = replace(row, differs=tuple((text, tuple(nodes)) for text, nodes in held.items()))
    judged = (risk(name, values, server.role) for server, values in mine)
    found = next((one for one in judged if one is not None), None)
    return row if found is None else replace(row, risk=found.sentence, finding=found.finding)


def _no_limit(value: str, _values: Values, role: str) -> Risk | None:
    if value != "0" or role != PRIMARY:
        return None
    return Risk("No memory limit: it grows until the host has none left", "cache.no-memory-limit")


def _noeviction(value: str, values: Values, role: str) -> Risk | None:
    if value != "noeviction" or role != PRIMARY or values.get("maxmemory", "0") == "0":
        return None
    return Risk("A full cache would refuse writes", "cache.noeviction")


def _few_samples(value: str, values: Values, _role: str) -> Risk | None:
    few = value.isdigit() and int(value) < 5 and values.get("maxmemory", "0") != "0"
    return Risk("With so few samples keys that are in use are evicted") if few else None


def _held_up(value: str, values: Values, _role: str) -> Risk | None:
    evicts = values.get("maxmemory", "0") != "0" and values.get("maxmemory-policy") != "noeviction"
    return (
        Risk("Everybody waits while a big key that is evicted is freed") if value == "no" and evicts else None
    )


def _stops_writes(value: str, values: Values, _role: str) -> Risk | None:
    risky = value == "yes" and values.get("save")
    return Risk("One failed snapshot, as on a full disk, refuses all writes") if risky else None


def _disk(value: str, values: Values, _role: str) -> Risk | None:
    risky = value == "always" and values.get("appendonly") == "yes"
    return Risk("Every write waits for the disk") if risky else None


def _short_backlog(value: str, _values: Values, _role: str) -> Risk | None:
    short = value.isdigit() and int(value) < 1 << 20
    return Risk("A replica that was away for a moment needs a whole new copy") if short else None


def _unread(value: str, _values: Values, _role: str) -> Risk | None:
    words = value.split()
    classes = {words[at]: words[at + 1 : at + 3] for at in range(0, len(words) - 2, 4)}
    open_ = sorted(name for name in ("slave", "replica", "pubsub") if classes.get(name) == ["0", "0"])
    named = {"slave": "replica", "replica": "replica", "pubsub": "subscriber"}
    if not open_:
        return None
    return Risk(f"A {' or '.join(named[name] for name in open_)} that reads too slowly takes all memory")


def _unless(good: str, sentence: str, finding: str = "") -> Callable[[str, Values, str], Risk | None]:
    return lambda value, _values, _role: None if value == good else Risk(sentence, finding)


def _when(bad: str, sentence: str, finding: str = "") -> Callable[[str, Values, str], Risk | None]:
    return lambda value, _values, _role: Risk(sentence, finding) if value == bad else None


def _open_to_all(value: str, values: Values, _role: str) -> Risk | None:
    risky = value == "no" and values.get(DEFAULT_USER) == "nopass"
    return Risk("Every machine that reaches its port is let in without a password") if risky else None


RULES: Final[Mapping[str, Callable[[str, Values, str], Risk | None]]] = {
    "maxmemory": _no_limit,
    "maxmemory-policy": _noeviction,
    "maxmemory-samples": _few_samples,
    "lazyfree-lazy-eviction": _held_up,
    "stop-writes-on-bgsave-error": _stops_writes,
    "appendfsync": _disk,
    "repl-backlog-size": _short_backlog,
    "min-replicas-to-write": _unless("0", "Writes are refused while so many replicas are not there"),
    "replica-read-only": _when("no", "What is written to a replica is lost with its next copy"),
    "latency-monitor-threshold": _when(
        "0", "The server does not notice its own stalls", "cache.no-latency-monitor"
    ),
    "latency-tracking": _when("no", "It keeps no histograms: nobody can say how long commands take"),
    "slowlog-log-slower-than": _when("-1", "The slow log is off: what holds it up leaves no trace"),
    "slowlog-max-len": _when("0", "The slow log keeps nothing"),
    "notify-keyspace-events": _unless("", "Every change of a key is published as well: writes cost more"),
    "tcp-keepalive": _when("0", "Clients whose machine died stay connected for good"),
    "client-output-buffer-limit": _unread,
    DEFAULT_USER: _when("nopass", "Anybody who reaches the server may do everything", "cache.no-password"),
    "protected-mode": _open_to_all,
    "enable-debug-command": _unless("no", "DEBUG can stop the server or end it"),
    "enable-module-command": _unless("no", "MODULE LOAD runs a stranger's code in the server"),
    "enable-protected-configs": _unless("no", "CONFIG SET can have it write files anywhere"),
    "cluster-require-full-coverage": _when("yes", "One slot without a primary stops the whole cluster"),
}
