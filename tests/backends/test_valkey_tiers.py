"""What caches of the library publish, as rates in a look; the caches and the server are real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.analysis import reuse
from perftui.backends.valkey import Valkey, ValkeyOptions, nodes
from perftui.backends.valkey.link import Link, parse_url
from perftui.instrument.cache import Cache
from perftui.instrument.cache import stats as publishing
from perftui.instrument.cache.warming import Warming
from perftui.model.noderecord import pack
from perftui.model.reuse import Reuse
from perftui.model.tiers import TierStats
from perftui.model.tierview import TierFacts, TierNode
from tests.instrument.cache.clock import Hand
from tests.waiting import auntil


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "EVERY", 0.1)
    monkeypatch.setattr(nodes, "EVERY", 0.0)


@pytest.fixture
async def raw(valkey: Any) -> AsyncIterator[Link]:
    link = Link(parse_url(valkey.url))
    await link.one("FLUSHALL", deadline=5)
    yield link
    await link.close()


@pytest.fixture
async def server(valkey: Any, raw: Link) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    yield made
    await made.close()


async def tiers(server: Valkey) -> TierFacts:
    facts: TierFacts = (await server.read()).facts.tiers
    return facts


async def load() -> str:
    return "value"


async def test_nobody_publishes(server: Valkey) -> None:
    assert await tiers(server) == TierFacts()


async def test_a_cache_is_seen_with_what_it_does(server: Valkey, valkey: Any) -> None:
    url = f"redis://:{valkey.password}@127.0.0.1:{valkey.port}/0"
    async with Cache("shop", l1=1, l2=url) as cache, Cache("carts", l2=url):

        async def busy() -> TierNode | None:
            for key in ("a", "a", "a", "a", "b"):
                await cache.get_or_set(key, load)
            reading = await server.read()
            found = {node.namespace: node for node in reading.facts.tiers.nodes}
            assert set(found) <= {"shop", "carts"}
            shop = found.get("shop")
            ratio = [m.value for m in reading.samples if m.key.name == "l1_hit_ratio"]
            known = shop is not None and shop.traffic is not None and ratio and reading.facts.tiers.load_p95_s
            return shop if known and shop.traffic.l2_hits and shop.traffic.evicted else None

        shop = await auntil(busy)
        assert shop.traffic.l1_hits > shop.traffic.l2_hits > 0
        assert 0 < shop.traffic.l1_hit_ratio < shop.traffic.hit_ratio <= 1
        assert (shop.l1_entries, shop.linked, shop.breaker_open) == (1, True, False)
    assert await tiers(server) == TierFacts()


async def test_looking_for_nodes_changes_no_figure(server: Valkey, raw: Link) -> None:
    await raw.one("SET", "k", "v", deadline=5)
    await publish(raw, "x", TierStats("shop", "n", {"hit.l1": 1}))
    await raw.one("ZADD", "__nodes", "+inf", "__node:gone", deadline=5)
    await server.read()
    await raw.ask([("GET", "k")] * 30 + [("GET", "absent")] * 10, 5)
    assert (await server.read()).facts.hit_ratio == pytest.approx(0.75)
    for _ in range(3):
        facts = (await server.read()).facts
        assert (facts.hits_per_s, facts.misses_per_s) == (0, 0)


async def publish(raw: Link, name: str, stats: TierStats) -> None:
    seconds, micros = await raw.one("TIME", deadline=5)
    now = int(seconds) + int(micros) / 1e6
    key = f"__node:{name}"
    await raw.ask([("SET", key, pack(stats, now)), ("ZADD", "__nodes", now, key)], 5)


async def test_a_node_that_began_anew_has_no_rates_yet(server: Valkey, raw: Link) -> None:
    for hits, known in ((10, False), (40, True), (3, False), (5, True)):
        await publish(raw, "x", TierStats("shop", "n", {"hit.l1": hits}))
        (node,) = (await tiers(server)).nodes
        assert (node.traffic is not None) is known
        (again,) = (await tiers(server)).nodes
        assert again == node  # the same record says the same


async def test_what_is_no_record_is_counted(server: Valkey, raw: Link) -> None:
    await publish(raw, "x", TierStats("shop", "n"))
    await raw.ask([("SET", "__node:y", b"\x1b[2J"), ("ZADD", "__nodes", "+inf", "__node:y")], 5)
    facts = await tiers(server)
    assert (len(facts.nodes), facts.unreadable) == (1, 1)
    await raw.ask([("DEL", "__nodes"), ("SET", "__nodes", "x")], 5)
    assert await tiers(server) == TierFacts(unreadable=1)


async def test_when_keys_come_again_is_seen(server: Valkey, valkey: Any) -> None:
    hand = Hand()
    async with Cache("shop", l2=valkey.url, clock=hand) as cache, Cache("idle", l2=valkey.url):
        for _ in range(5):
            for n in range(30):
                await cache.get_or_set(f"k{n}", load)
            hand.go(2.5)
            cache.stats()
            hand.go(187.5)
        cache.stats()

        async def known() -> Reuse | None:
            return dict((await tiers(server)).reuse).get("shop")

        async def all_known() -> Reuse | None:
            told = await known()
            return told if told is not None and told.seen >= 120 else None

        found = await auntil(all_known)
        assert found is not None
        assert (found.seen, found.keys, found.nodes) == (120, 30, 1)
        assert reuse.quantile(found, 0.5, 60.0) == pytest.approx(190.0, rel=0.1)
        assert [name for name, _ in (await tiers(server)).reuse] == ["shop"]


async def test_warm_sets_and_curves_of_nodes_are_seen(server: Valkey, valkey: Any) -> None:
    async with Cache("shop", l1=100, l2=valkey.url) as a, Cache("shop", l1=100, l2=valkey.url) as b:
        for cache in (a, b):
            warming = Warming(cache, ["k1", "k2", "k3"], loader=load)
            await warming.ready(1.0)
            for n in range(400):
                await cache.get_or_set(f"k{n % 150}", load)

        async def known() -> TierFacts | None:
            facts = await tiers(server)
            both = [curve for _, curve in facts.curves if curve.nodes == 2]
            return facts if both and ("shop", "start", 3) in facts.warm else None

        facts = await auntil(known)
        assert facts is not None
        assert facts.warm == (("shop", "start", 3),)
        ((name, curve),) = facts.curves
        assert (name, curve.room) == ("shop", 200)
