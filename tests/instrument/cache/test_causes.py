"""Misses by cause, on a real server: never there, past its life, removed, of a removed tag, or not told."""

from __future__ import annotations

from typing import Any

from perftui.analysis.namespacedetail import detail
from perftui.instrument.cache import Cache
from perftui.model.noderecord import NodeRecord, NodesLook
from perftui.model.tiers import EntryOptions
from perftui.model.tierview import between
from tests.waiting import auntil

SAFE = EntryOptions(ttl=60.0, fail_safe=True)


def causes(cache: Cache) -> dict[str, int]:
    names = ("absent", "expired", "removed", "tag", "away")
    return {name: n for name in names if (n := cache.stats().of(f"miss.{name}"))}


async def test_each_cause_is_counted_once_by_get_and_by_a_load(valkey: Any) -> None:
    async with Cache("causes", l1=100, l2=valkey.url, defaults=SAFE) as cache:

        async def load() -> str:
            return "x"

        await cache.get("never")
        assert causes(cache) == {"absent": 1}
        await cache.get_or_set("never", load)
        assert causes(cache) == {"absent": 2}
        await cache.expire("never")
        await cache.get("never")
        assert causes(cache) == {"absent": 2, "expired": 1}
        await cache.get_or_set("never", load)
        assert causes(cache) == {"absent": 2, "expired": 2}
        await cache.remove("never")
        await cache.get("never")
        assert causes(cache)["removed"] == 1
        await cache.set("page", "x", tags=["t"])
        await cache.remove_by_tag("t")
        await cache.get("page")
        assert causes(cache)["tag"] == 1
        assert sum(causes(cache).values()) == cache.stats().of("miss")


async def test_memory_alone_and_a_server_that_is_away(valkey: Any, valkey_replica: Any) -> None:
    async with Cache("alone", l1=100) as cache:
        await cache.get("nothing")
        assert causes(cache) == {"absent": 1}
    async with Cache("away", l1=100, l2=valkey_replica.url, defaults=SAFE) as cache:
        await cache.get("nothing")
        await valkey_replica.pause()
        try:

            async def silent() -> bool:
                await cache.get("other")
                return bool(causes(cache).get("away"))

            await auntil(silent, 20)
        finally:
            await valkey_replica.resume()


async def test_records_of_nodes_are_told_together(valkey: Any) -> None:
    async with Cache("both", l1=2, l2=valkey.url) as one, Cache("both", l1=50, l2=valkey.url) as two:
        for n in range(20):
            await one.set(f"k{n}", "words " * 500)
        await two.get("k3")
        await two.get("nothing")
        stats = [one.stats(), two.stats()]
        records = tuple(NodeRecord(each, 1.0) for each in stats)
        found = detail(NodesLook(records), "both")
        assert found.nodes == 2
        assert dict(found.evicted)["capacity"] >= 10
        assert found.ratio is not None
        assert found.ratio > 2
        assert dict(found.latencies)["l2.get"][0] > 0
        assert detail(NodesLook(records), "another").nodes == 0
        rates = between(type(stats[0])("both", "n", {}), stats[0], 2.0)
        assert rates is not None
        assert rates.saved_ratio is not None
        assert rates.saved_ratio > 0.5
