"""A flush by somebody else on a real server: on the timeline, with the address it came from."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.link import Link, parse_url
from perftui.engines.cache import CacheEngine
from perftui.model.event import Event, Events
from perftui.model.health import Health
from perftui.model.health import Link as State
from perftui.model.reading import Look
from perftui.runtime.events import EventLog, Spans
from tests.backends.test_valkey import options
from tests.engines.cache.history import History

if TYPE_CHECKING:
    from perftui.lab.valkey import ValkeyServer


@pytest.fixture
async def stranger(valkey: ValkeyServer) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url), "stranger")
    before = (await link.one("CONFIG", "GET", "slowlog-log-slower-than", deadline=2))[1]
    await link.ask([("SLOWLOG", "RESET"), ("FLUSHALL",), *(("SET", f"k{n}", "v") for n in range(300))], 5)
    yield link
    await link.one("CONFIG", "SET", "slowlog-log-slower-than", before, deadline=2)
    await link.close()


@pytest.fixture
async def console(valkey: ValkeyServer) -> AsyncIterator[Valkey]:
    made = Valkey("cache", options(valkey))
    yield made
    await made.close()


async def told(console: Valkey) -> tuple[Event, ...]:
    """The timeline after a look, a minute after three hundred keys were there."""
    now, history = time.time(), History()
    history.put("cache", "keys", [300.0], now - 59)
    engine = CacheEngine()
    looks = {"cache": Look("cache", "valkey", await console.read(), Health(State.LIVE, now))}
    lines: list[Events] = []
    Spans(EventLog(lines.append)).observe(engine.findings(engine.observe(now, looks, history)), now)
    return lines[-1].events if lines else ()


@pytest.mark.parametrize("command", ["FLUSHALL", "flushdb"])
async def test_who_flushed_is_on_the_timeline(console: Valkey, stranger: Link, command: str) -> None:
    assert [e for e in await told(console) if e.ref == "cache.keys-vanished"] == []
    await stranger.one("CONFIG", "SET", "slowlog-log-slower-than", 0, deadline=2)
    address = (await stranger.one("CLIENT", "INFO", deadline=2)).split(b" addr=")[1].split()[0].decode()
    await stranger.one(command, deadline=2)
    (event,) = [e for e in await told(console) if e.ref == "cache.keys-vanished"]
    assert f"{command} by {address}" in event.detail
    assert event.detail.startswith("300 keys a minute ago, 0 now")


async def test_without_the_log_it_is_told_all_the_same(console: Valkey, stranger: Link) -> None:
    await stranger.one("CONFIG", "SET", "slowlog-log-slower-than", -1, deadline=2)
    await stranger.one("FLUSHALL", deadline=2)
    (event,) = [e for e in await told(console) if e.ref == "cache.keys-vanished"]
    assert "up for" in event.detail
    assert " by " not in event.detail
