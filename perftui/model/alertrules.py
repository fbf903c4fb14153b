"""The rules that are in force from the first start; configuration changes, adds and switches off."""

from __future__ import annotations

from perftui.model.alerts import UP, Rule, Selector
from perftui.model.anomaly import SIGMAS
from perftui.model.finding import Severity

CRITICAL = Severity.CRITICAL
LOOKUPS = ("hits_per_s", "misses_per_s")
ASKED = 100 / 60  # lookups a second below which a cache is idle


def _of(kind: str, name: str) -> Selector:
    return Selector(name, kind=kind)


DEFAULTS: tuple[Rule, ...] = (
    Rule(
        "cpu-high",
        "CPU busy",
        _of("host", "cpu.busy_ratio"),
        ">",
        0.8,
        "ratio",
        how="avg",
        over=30,
        hold=300,
        keep=60,
    ),
    Rule(
        "cpu-critical",
        "CPU saturated",
        _of("host", "cpu.busy_ratio"),
        ">",
        0.95,
        "ratio",
        how="avg",
        over=30,
        hold=120,
        keep=60,
        severity=CRITICAL,
    ),
    Rule("memory-high", "Memory used", _of("host", "memory.used_ratio"), ">", 0.9, "ratio", hold=300),
    Rule("disk-full", "File system used", _of("host", "fs.used_ratio"), ">", 0.9, "ratio", hold=300),
    Rule(
        "cache-hit-low",
        "Cache hit ratio",
        _of("valkey", "hit_ratio"),
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
        "cache-memory-near-limit",
        "Cache memory of its limit",
        _of("valkey", "used_bytes"),
        ">",
        0.95,
        "ratio",
        per="max_bytes",
        hold=300,
    ),
    Rule("cache-evicting", "Cache evictions", _of("valkey", "evicted_per_s"), ">", 100, "1/s", hold=300),
    Rule(
        "service-slow",
        "Service p95",
        _of("scrape", "http.p95_s"),
        ">",
        0.5,
        "s",
        how="avg",
        over=60,
        hold=120,
        traffic=("http.requests_per_s",),
        traffic_above=1,
    ),
    Rule(
        "service-errors",
        "Service errors",
        _of("scrape", "http.error_ratio"),
        ">",
        0.01,
        "ratio",
        how="avg",
        over=30,
        hold=30,
        severity=CRITICAL,
        traffic=("http.requests_per_s",),
        traffic_above=1,
    ),
    Rule("db-slow", "Statements p95 (estimate)", _of("postgres", "p95_estimate_s"), ">", 0.1, "s", hold=300),
    Rule("db-blocked", "Sessions blocked", _of("postgres", "blocked"), ">", 5, hold=60),
    Rule("replica-lag", "Replica lag", _of("postgres", "lag_s"), ">", 10, "s", hold=60),
    Rule(
        "edge-hit-low",
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
        "anomaly",
        "Unusual for this series",
        Selector(SIGMAS),
        ">=",
        3.0,
        how="max",
        over=60,
        hold=60,
        keep=60,
        severity=Severity.INFO,
    ),
    Rule("backend-lost", "Link to the backend", Selector(UP), "<", 1, hold=60, severity=CRITICAL),
)
