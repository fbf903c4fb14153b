"""The Advisor tab on real servers: a finding with its evidence, mended by a key, and nodes that wait."""

from __future__ import annotations

from typing import Any

import pytest

from perftui.backends.valkey import nodes, waits
from perftui.backends.valkey.link import Link
from perftui.draw.rows import Size, plain
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.staleness import Staleness
from perftui.instrument.cache.writebehind import WriteBehind
from perftui.model.finding import Finding, Severity
from perftui.screens.cache.advisor import evidence_rows, finding_columns
from perftui.screens.cache.waiting import waiting_columns
from tests.screens.cache.conftest import Open
from tests.sizes import sizes
from tests.waiting import auntil, until


async def policy(raw: Link) -> bytes:
    value: bytes = (await raw.one("CONFIG", "GET", "maxmemory-policy", deadline=5))[1]
    return value


@pytest.mark.parametrize("size", sizes((80, 24), (160, 48)))
async def test_a_finding_is_mended_by_a_key(console: Open, raw: Link, size: tuple[int, int]) -> None:
    before = await policy(raw)
    await raw.one("CONFIG", "SET", "maxmemory-policy", "noeviction", deadline=5)
    try:
        async with console("cache.advisor", size) as it:
            await it.sees("A full cache would refuse writes")
            await it.press("slash", *"refuse", "enter")
            await it.sees("maxmemory-policy is noeviction")
            await it.sees("A: Set maxmemory-policy to allkeys-lru")
            await it.press("w")
            await it.press("A")
            await it.sees("now noeviction, then allkeys-lru")
            await it.press("y")
            await auntil(lambda: _is(raw, b"allkeys-lru"), 20)
            await it.sees("nothing matches|nothing to say", within=40)
            await it.press("A")
            await it.sees("there is nothing to mend")
            await it.sees("nothing waits for L2")
    finally:
        await raw.one("CONFIG", "SET", "maxmemory-policy", before, deadline=5)


async def _is(raw: Link, wanted: bytes) -> bool:
    return await policy(raw) == wanted


async def test_a_node_that_hears_nothing_is_told(
    console: Open, raw: Link, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    async with console("cache.advisor", (120, 40)) as it, Cache("shop", l2=url) as cache:
        await cache.set("k", 1)
        await until(lambda: cache.stats().gauges["linked"] == 1.0, 15)
        await raw.ask(
            [("ACL", "SETUSER", "default", "-client|tracking"), ("CLIENT", "KILL", "TYPE", "normal")], 5
        )
        try:
            await it.sees(f"shop +{cache.stats().node[:8]} .*◌ deaf", within=30)
        finally:
            await raw.one("ACL", "SETUSER", "default", "+@all", deadline=5)


@pytest.mark.slow
@pytest.mark.parametrize("tab", ["cache.advisor", "cache.warming"])
async def test_a_server_that_does_not_answer_is_not_called_well(
    console: Open, valkey: Any, raw: Link, tab: str
) -> None:
    async with console(tab, (120, 40)) as it:
        await it.sees("nothing to say|no process publishes")
        await valkey.pause()
        try:
            await it.sees("lost main", within=20)
            await it.sees("not known while .* does not answer")
            text = await it.text()
            assert "nothing to say" not in text
            assert "all hear what others change" not in text
        finally:
            await valkey.resume()
        await it.sees("nothing to say|no process publishes", within=30)


def test_evidence_is_inert_and_whole() -> None:
    finding = Finding(
        "cache.x", Severity.WARNING, "a\x1b", "t\x1b[31m", ("first \x07 thing", "second"), 3.0, "requests/s"
    )
    text = "\n".join(plain(evidence_rows(finding, Size(40, 10))))
    assert not set(text) & {"\x1b", "\x07"}
    assert "\\x1b[31m" in text
    assert "3 requests/s" in text
    assert "second" in text
    cells = {column.key: column.text(finding) for column in finding_columns()}
    assert (cells["severity"], cells["gain"], cells["effort"], cells["offer"]) == (
        "warn",
        "3 req/s",
        "minutes",
        "",
    )
    assert [column.key for column in waiting_columns()][:2] == ["namespace", "node"]


PRODUCTS = "for n = 0, 399 do redis.call('SET', 'product:' .. n, string.rep('x', 30000)) end"
"""Much more than what connections hold, whose buffers come and go."""


async def settled(raw: Link) -> int:
    """Bytes used once the replica has what was written; 0 before."""
    told = (await raw.one("INFO", "memory", deadline=5)).decode()
    figures = dict(text.split(":", 1) for text in told.split("\r\n") if ":" in text)
    busy = int(figures["mem_clients_slaves"]) + int(figures["mem_clients_normal"])
    return int(figures["used_memory"]) if busy < 1 << 20 else 0


async def test_what_holds_a_full_memory_is_looked_up_and_named(console: Open, raw: Link) -> None:
    kept = [await raw.one("CONFIG", "GET", name, deadline=5) for name in ("maxmemory", "maxmemory-policy")]
    await raw.one("EVAL", PRODUCTS, 0, deadline=10)
    now = await auntil(lambda: settled(raw), 20)
    await raw.one("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", deadline=5)
    await raw.one("CONFIG", "SET", "maxmemory", int(now * 1.15), deadline=5)
    try:
        async with console("cache.advisor", (160, 48)) as it:
            await it.sees("Memory near its limit", within=30)
            await it.press("slash", *"limit", "enter")
            await it.sees(r"product:\* holds \d\d", within=30)
            await it.sees(r"A: Purge product:\*")
            await it.press("A")
            await it.sees("move to quarantine 400 keys", within=30)
            await it.press("escape")
    finally:
        await raw.ask([("CONFIG", "SET", *pair) for pair in kept], 5)


@pytest.mark.slow
async def test_how_late_changes_are_heard_and_what_the_database_lacks(
    console: Open, raw: Link, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    monkeypatch.setattr(waits, "EVERY", 0.0)
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    behind = WriteBehind(Refusing())
    await behind.start()
    async with (
        console("cache.advisor", (120, 40)) as it,
        Cache("shop", l2=url, writes=behind) as a,
        Cache("shop", l2=url) as b,
    ):
        await it.press("v", "v", "v", "v")
        await it.sees(r"no node measures it: `Staleness\(cache\)`")
        meters = [Staleness(cache, every=0.05) for cache in (a, b)]
        await it.sees(r"shop +main +2 +\d+ +[\d.]+ m?µ?s +[\d.]+ .*s +[\d.]+ .*s +0", within=30)
        assert any(meter.writes for meter in meters)
        await it.press("v")
        await a.write("k", 1, how="behind")
        await it.sees(rf"shop +{a.stats().node[:8]} +0 +[01] +[01] .*hears", within=30)
        await it.sees(rf"shop +{a.stats().node[:8]} +0 +0 +1 ", within=30)


class Refusing:
    """A database that takes nothing."""

    async def write(self, items: Any) -> None:
        raise OSError("the database is away")
