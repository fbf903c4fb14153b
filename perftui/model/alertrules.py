"""The rules that are in force from the first start; configuration changes, adds and switches off."""

from __future__ import annotations

from perftui.model.alerts import UP, Rule, Selector
from perftui.model.anomaly import LEAST, SIGMAS
from perftui.model.finding import Severity

CRITICAL = Severity.CRITICAL
LOOKUPS = ("hits_per_s", "misses_per_s")
ASKED = 100 / 60  # lookups a second below which a cache is idle


def _of(kind: str, name: str) -> Selector:
    return Selector(name, kind=kind)


DEFAULTS: tuple[Rule, ...] = (
    Rule(
        "HostCpuHigh",
        "CPU busy",
        _of("", "cpu.busy_ratio"),
        ">",
        0.8,
        "ratio",
        how="avg",
        over=30,
        hold=300,
        keep=60,
    ),
    Rule(
        "HostCpuCritical",
        "CPU saturated",
        _of("", "cpu.busy_ratio"),
        ">",
        0.95,
        "ratio",
        how="avg",
        over=30,
        hold=120,
        keep=60,
        severity=CRITICAL,
    ),
    Rule("HostMemoryHigh", "Memory used", _of("", "memory.used_ratio"), ">", 0.85, "ratio", hold=300),
    Rule("DiskFull", "File system used", _of("", "fs.used_ratio"), ">", 0.9, "ratio", hold=300),
    Rule(
        "CacheHitRatioLow",
        "Cache hit ratio",
        _of("valkey", "served_ratio"),
        "<",
        0.9,
        "ratio",
        how="avg",
        over=60,
        hold=300,
        traffic=LOOKUPS,
        traffic_above=ASKED,
    ),
    Rule(
        "CacheMemoryNearLimit",
        "Cache memory of its limit",
        _of("valkey", "used_bytes"),
        ">",
        0.95,
        "ratio",
        per="max_bytes",
        hold=300,
    ),
    Rule("CacheEvicting", "Cache evictions", _of("valkey", "evicted_per_s"), ">", 100, "1/s", hold=300),
    Rule(
        "HttpP99Slow",
        "Service p99",
        _of("scrape", "http.p99_s"),
        ">",
        1.0,
        "s",
        hold=30,
        traffic=("http.requests_per_s",),
        traffic_above=1,
    ),
    Rule(
        "HttpErrorRatioHigh",
        "Service errors",
        _of("scrape", "http.error_ratio"),
        ">",
        0.05,
        "ratio",
        hold=60,
        severity=CRITICAL,
        traffic=("http.requests_per_s",),
        traffic_above=1,
    ),
    Rule(
        "DbConnectionsHigh",
        "Connections of the limit",
        _of("postgres", "connections"),
        ">",
        0.9,
        "ratio",
        per="max_connections",
        severity=CRITICAL,
    ),
    Rule("DbSlow", "Statements p95 (estimate)", _of("postgres", "p95_estimate_s"), ">", 0.1, "s", hold=300),
    Rule("DbBlocked", "Sessions blocked", _of("postgres", "blocked"), ">", 5, hold=60),
    Rule("ReplicaLag", "Replica lag", _of("postgres", "lag_s"), ">", 10, "s", hold=60),
    Rule(
        "EdgeHitRatioLow",
        "Edge hit ratio",
        Selector("hit_ratio", kind="varnish"),
        "<",
        0.5,
        "ratio",
        how="avg",
        over=60,
        hold=600,
        traffic=("requests_per_s",),
        traffic_above=10,
    ),
    Rule(
        "AnomalyDetected",
        "Unusual for this series",
        Selector(SIGMAS),
        ">=",
        LEAST,  # 0 is told below the series' own threshold, which marks of people can lower to this
        how="max",
        over=60,
        hold=60,
        keep=60,
        severity=Severity.INFO,
    ),
    Rule("BackendLost", "Link to the backend", Selector(UP), "<", 1, hold=60, severity=CRITICAL),
)

SUDDEN: tuple[str, ...] = (
    "api.error-rate-high",
    "api.slow",
    "api.traffic-surge",
    "cache.hot-key",
    "cache.keys-vanished",
    "cache.replica-cut-off",
    "cache.slot-hot",
    "cdn.errors",
    "cdn.origin-sick",
    "cluster.node-failed",
    "db.connections-leaking",
    "db.lock-storm",
    "db.missing-index",
    "db.n-plus-one",
    "db.replica-lost",
    "db.replica-paused",
    "host.core-saturated",
    "host.oom-kill",
    "host.swapping",
    "process.core-bound",
    "process.memory-grew",
    "scaling.crashing",
    "scaling.silent",
)
"""Findings that tell of something gone wrong just now: they alert before they are critical."""
