"""Settings of cache servers: defaults by product, what is risky for a cache, and who has another value."""

from __future__ import annotations

import pytest

from perftui.analysis.cachesettings import ASKED, CATALOG, RULES, default_of, risk, rows
from perftui.draw.settingtext import shown, who_has
from perftui.model.serverconfig import DEFAULT_USER, ConfigLook, ServerConfig


def server(node: str = "a:1", role: str = "primary", product: str = "Valkey", **values: str) -> ServerConfig:
    told = tuple((name.replace("_", "-"), value) for name, value in values.items())
    return ServerConfig(node, role, product, "9.1.2" if product == "Valkey" else "7.0.15", told)


def test_no_secret_is_ever_asked_for() -> None:
    assert not [name for name in ASKED if any(word in name for word in ("pass", "auth", "key-file"))]
    assert set(RULES) <= set(CATALOG)


def test_defaults_are_those_of_the_product_and_version() -> None:
    assert default_of("lazyfree-lazy-eviction", "Redis", "7.0.15") == "no"
    assert default_of("lazyfree-lazy-eviction", "Valkey", "9.1.2") == "yes"
    assert default_of("lazyfree-lazy-eviction", "Valkey", "7.2.5") == "no"
    assert default_of("commandlog-reply-larger-than", "Redis", "7.0.15") is None
    assert default_of(DEFAULT_USER, "Valkey", "?") is None


@pytest.mark.parametrize(
    ("name", "values", "finding"),
    [
        ("maxmemory", {"maxmemory": "0"}, "cache.no-memory-limit"),
        ("maxmemory-policy", {"maxmemory": "1", "maxmemory-policy": "noeviction"}, "cache.noeviction"),
        ("latency-monitor-threshold", {"latency-monitor-threshold": "0"}, "cache.no-latency-monitor"),
        (DEFAULT_USER, {DEFAULT_USER: "nopass"}, "cache.no-password"),
        ("maxmemory-samples", {"maxmemory": "1", "maxmemory-samples": "3"}, ""),
        (
            "lazyfree-lazy-eviction",
            {"maxmemory": "1", "maxmemory-policy": "allkeys-lru", "lazyfree-lazy-eviction": "no"},
            "",
        ),
        ("stop-writes-on-bgsave-error", {"save": "3600 1", "stop-writes-on-bgsave-error": "yes"}, ""),
        ("appendfsync", {"appendonly": "yes", "appendfsync": "always"}, ""),
        ("repl-backlog-size", {"repl-backlog-size": "16384"}, ""),
        ("client-output-buffer-limit", {"client-output-buffer-limit": "slave 0 0 0 pubsub 1 1 1"}, ""),
        ("min-replicas-to-write", {"min-replicas-to-write": "1"}, ""),
        ("protected-mode", {"protected-mode": "no", DEFAULT_USER: "nopass"}, ""),
        ("enable-debug-command", {"enable-debug-command": "local"}, ""),
    ],
)
def test_what_is_risky_says_why(name: str, values: dict[str, str], finding: str) -> None:
    found = risk(name, values)
    assert found is not None
    assert found.finding == finding
    assert found.sentence[0].isupper()
    assert not found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("name", "values", "role"),
    [
        ("maxmemory", {"maxmemory": "0"}, "replica"),
        ("maxmemory-policy", {"maxmemory": "0", "maxmemory-policy": "noeviction"}, "primary"),
        ("maxmemory", {}, "primary"),
        ("stop-writes-on-bgsave-error", {"save": "", "stop-writes-on-bgsave-error": "yes"}, "primary"),
        ("appendfsync", {"appendonly": "no", "appendfsync": "always"}, "primary"),
        ("client-output-buffer-limit", {"client-output-buffer-limit": "odd"}, "primary"),
        ("protected-mode", {"protected-mode": "no", DEFAULT_USER: "password"}, "primary"),
        ("hz", {"hz": "10"}, "primary"),
    ],
)
def test_what_is_not_risky_is_not_called_so(name: str, values: dict[str, str], role: str) -> None:
    assert risk(name, values, role) is None


def test_what_differs_says_who_has_what() -> None:
    look = ConfigLook(
        1.0,
        (
            server("a:1", maxmemory="1073741824", hz="10"),
            server("b:2", maxmemory="1073741824", hz="10"),
            server("c:3", maxmemory="0", hz="10"),
        ),
    )
    told = {row.name: row for row in rows(look)}
    assert told["maxmemory"].value == "1073741824"
    assert told["maxmemory"].finding == "cache.no-memory-limit"
    assert who_has(told["maxmemory"]) == "1.00 GiB at a:1, b:2; 0 at c:3"
    assert (told["hz"].differs, told["hz"].changed) == ((), False)
    assert "cluster-node-timeout" not in told


def test_clusters_have_settings_of_their_own() -> None:
    one = server(cluster_enabled="yes", cluster_require_full_coverage="yes")
    _, row = rows(ConfigLook(1.0, (one,)))
    assert row.risk == "One slot without a primary stops the whole cluster"


def test_values_are_inert_and_cut() -> None:
    assert shown("bind", "\x1b[31m" + "x" * 500).isprintable()
    assert len(shown("bind", "x" * 500)) <= 120
    assert shown("notify-keyspace-events", "") == '""'
    assert shown("maxmemory", "0") == "0"
