"""What `perftui cache doctor` says of a TTL that is too short and of a full memory; servers and caches are real."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from perftui.backends.valkey import nodes
from perftui.backends.valkey.link import Link, parse_url
from perftui.cli import main
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.model.tiers import EntryOptions
from tests.instrument.cache.clock import Hand
from tests.waiting import until

Out = pytest.CaptureFixture[str]


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    kept = [await link.one("CONFIG", "GET", name, deadline=5) for name in ("maxmemory", "maxmemory-policy")]
    await link.ask([("FLUSHALL",), ("SLOWLOG", "RESET")], 10)
    yield link
    await link.ask([("FLUSHALL",), *(("CONFIG", "SET", *pair) for pair in kept)], 5)
    await link.close()


async def cache(config: str, *words: str) -> int:
    return await asyncio.to_thread(main, ["cache", words[0], "--config", config, *words[1:]])


def passed(instant: float) -> bool:
    return time.monotonic() > instant


async def value() -> str:
    return "value"


class Service:
    """A cache whose keys come again each 190 s of a clock that is turned faster, and have ended by then."""

    def __init__(self, cache: Cache, hand: Hand, raw: Link) -> None:
        self.cache, self.hand, self.raw = cache, hand, raw
        self.rounds = 0

    async def run(self) -> None:
        while True:
            for n in range(30):
                await self.cache.get_or_set(f"k{n}", value)
            self.hand.go(2.5)
            self.cache.stats()
            await self.raw.ask([("UNLINK", f"shop:k{n}") for n in range(30)], 5)  # it keeps real time
            self.hand.go(187.5)
            self.rounds += 1
            await until(partial(passed, time.monotonic() + 0.02))


async def test_a_ttl_shorter_than_the_re_use_is_named_and_mended(
    config: str, raw: Link, valkey: Any, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.2)
    monkeypatch.setattr(nodes, "EVERY", 0.0)
    hand = Hand()
    minute = EntryOptions(ttl=60.0)
    async with Cache("shop", l2=valkey.url, clock=hand, defaults=minute) as shop:
        service = Service(shop, hand, raw)
        busy = asyncio.create_task(service.run())
        await until(lambda: service.rounds > 8, 20)
        hand.go(20)
        assert await cache(config, "doctor", "--json") == 1
        (found,) = (f for f in json.loads(capsys.readouterr().out) if f["id"] == "cache.hit-ratio-low")
        assert await cache(config, "doctor") == 1
        text = capsys.readouterr().out
        assert await cache(config, "ttl", "shop") == 0
        told = capsys.readouterr().err
        busy.cancel()
        await asyncio.wait([busy])
    (blamed,) = (line for line in found["evidence"] if "re-use (" in line)
    assert blamed.startswith("100% of the ")
    assert "were of shop:*, whose TTL (1 m) is shorter than their median re-use (3 m " in blamed
    assert found["action"] == "cache.set-ttl"
    assert found["action_params"] == {"namespace": "shop", "ttl": "300s"}
    assert found["gain"] > 0
    assert found["gain_unit"] == "requests/s"
    assert any("a TTL of 5 m covers three of four" in line for line in found["evidence"])
    assert blamed.partition("loads that")[2] in text
    assert "mends it: Set the TTL of shop to 5 m (cache.set-ttl)" in text
    assert "what is loaded comes again after 3 m " in told


async def test_a_full_memory_names_what_holds_it(config: str, raw: Link, capsys: Out) -> None:
    await raw.ask([("SET", f"page:{n}", b"x" * 2000) for n in range(300)], 10)
    await raw.ask([("SET", f"cart:{n}", b"x" * 100) for n in range(100)], 10)
    used = await raw.one("INFO", "memory", deadline=5)
    now = int(next(line for line in used.split(b"\r\n") if line.startswith(b"used_memory:"))[12:])
    await raw.one("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", deadline=5)
    await raw.one("CONFIG", "SET", "maxmemory", int(now * 1.15), deadline=5)
    assert await cache(config, "doctor", "--json") == 1
    (found,) = (f for f in json.loads(capsys.readouterr().out) if f["id"] == "cache.memory-near-limit")
    assert (found["action"], found["action_params"]) == ("cache.purge", {"pattern": "page:*"})
    assert found["evidence"][-1].startswith("page:* holds 9")
    assert await cache(config, "purge", found["action_params"]["pattern"], "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["count"] == 300
