"""Shipped rules about caches on what real servers and nodes tell: each is true when it should be, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.analysis.alertexpr import selected, vector
from perftui.backends.valkey import Valkey
from perftui.backends.valkey.link import Link
from perftui.instrument.cache import Cache, stats
from perftui.instrument.cache.memory import Memory
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import Rule
from perftui.model.series import SeriesKey
from tests.backends.test_valkey import fill, raw, server
from tests.waiting import auntil

__all__ = ["raw", "server"]

RULES = {rule.name: rule for rule in DEFAULTS}
MIB = 1 << 20


def true_of(rule: Rule, told: dict[SeriesKey, float]) -> list[float]:
    keys = selected(rule, told, {"cache": "valkey"})
    return [one.value for one in vector(rule, keys, lambda key, *_: [told[key]] if key in told else [], 0.0)]


async def told(server: Valkey) -> dict[SeriesKey, float]:
    return {sample.key: sample.value for sample in (await server.read()).samples}


async def true_now(server: Valkey, rule: str) -> bool:
    return bool(true_of(RULES[rule], await told(server)))


@pytest.fixture
async def bounded(raw: Link) -> AsyncIterator[Link]:
    """A server of 20 MB that keeps what it has."""
    before = await raw.one("CONFIG", "GET", "maxmemory", "maxmemory-policy", deadline=5)
    await raw.ask([("CONFIG", "SET", "maxmemory", str(20 * MIB)), _policy("noeviction")], 5)
    yield raw
    await raw.one("CONFIG", "SET", *before, deadline=5)


def _policy(name: str) -> tuple[str, ...]:
    return ("CONFIG", "SET", "maxmemory-policy", name)


async def grown(raw: Link, server: Valkey, share: float) -> None:
    """Until so much of the limit is used."""
    n = 0
    while (await server.read()).facts.memory_ratio < share:
        await fill(raw, 10, f"grown:{n}:{{}}", b"v" * 20_000)
        n += 1


async def test_memory_of_its_limit(server: Valkey, bounded: Link) -> None:
    high, critical = "CacheMemoryNearLimit", "CacheMemoryNearLimitCritical"
    assert (RULES[high].threshold, RULES[high].hold, RULES[critical].threshold) == (0.8, 300, 0.95)
    await grown(bounded, server, 0.5)
    assert not await true_now(server, high)
    await grown(bounded, server, 0.82)
    assert await true_now(server, high)
    assert not await true_now(server, critical)
    await grown(bounded, server, 0.96)
    assert await true_now(server, critical)
    await bounded.ask([_policy("allkeys-lru")], 5)
    assert await true_now(server, high)
    assert not await true_now(server, critical), "it lives there by design"
    await bounded.one("FLUSHALL", deadline=5)
    await auntil(lambda: _not(true_now(server, high)))


async def _not(asked: Any) -> bool:
    return not await asked


async def test_l1_of_its_bound(
    server: Valkey, raw: Link, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "EVERY", 0.05)
    rule = RULES["CacheL1NearBound"]
    async with (
        Cache("shop", l1=Memory(10_000, 100_000), l2=valkey.url) as small,
        Cache("roomy", l1=Memory(10_000, 100 * MIB), l2=valkey.url) as roomy,
        Cache("unbounded", l2=valkey.url) as unbounded,
    ):
        n = 0

        async def told_true() -> bool:
            nonlocal n
            for cache in (small, roomy, unbounded):
                for _ in range(20):
                    await cache.set(f"k{(n := n + 1)}", "x" * 2_000)
            return bool(true_of(rule, await told(server)))

        await auntil(told_true)
        figures = await told(server)
        labels = (("namespace", "shop"),)
        assert figures[SeriesKey("cache", "l1_bound_bytes", labels)] == 100_000
        (found,) = vector(
            rule, selected(rule, figures, {"cache": "valkey"}), lambda key, *_: [figures[key]], 0.0
        )
        assert dict(found.labels)["namespace"] == "shop"
        assert 0.95 < found.value <= 1
        assert SeriesKey("cache", "l1_bound_bytes", (("namespace", "unbounded"),)) not in figures
        await auntil(lambda: _not(true_now(server, "CacheL1NearBound")))  # full, and nothing has to go


@pytest.mark.parametrize(
    ("rule", "figures", "fires"),
    [
        ("CacheClientBuffers", {"client_buffer_bytes": 20 * MIB, "used_bytes": 100 * MIB}, True),
        ("CacheClientBuffers", {"client_buffer_bytes": 9 * MIB, "used_bytes": 20 * MIB}, False),
        ("CacheClientBuffers", {"client_buffer_bytes": 20 * MIB, "used_bytes": 400 * MIB}, False),
        ("CacheReplicaBuffers", {"replica_buffer_bytes": 20 * MIB, "used_bytes": 100 * MIB}, True),
        ("CacheReplicaBuffers", {"client_buffer_bytes": 20 * MIB, "used_bytes": 100 * MIB}, False),
        ("CacheReplicaBehind", {"lag_bytes": 9 * MIB, "backlog_limit_bytes": 10 * MIB}, True),
        ("CacheReplicaBehind", {"lag_bytes": 7 * MIB, "backlog_limit_bytes": 10 * MIB}, False),
        ("CacheReplicaBehind", {"backlog_limit_bytes": 10 * MIB}, False),
    ],
)
def test_buffers_and_the_backlog(rule: str, figures: dict[str, float], fires: bool) -> None:
    assert bool(true_of(RULES[rule], {SeriesKey("cache", n): v for n, v in figures.items()})) is fires


async def test_the_series_they_are_about_are_told(server: Valkey, raw: Link) -> None:
    await server.read()
    names = {key.name for key in await told(server)}
    assert {"client_buffer_bytes", "replica_buffer_bytes", "backlog_limit_bytes", "used_bytes"} <= names


async def test_a_client_that_reads_nothing(server: Valkey, raw: Link, valkey: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", valkey.port)
    try:
        await raw.one("SET", "large", b"x" * 1_000_000, deadline=5)
        assert not await true_now(server, "CacheClientBuffers")
        writer.write(b"AUTH " + valkey.password.encode() + b"\r\n" + b"GET large\r\n" * 40)
        await writer.drain()
        await auntil(lambda: true_now(server, "CacheClientBuffers"))
        assert reader is not None
    finally:
        writer.close()
