"""What a purge removes is queued for the edge too, where a cache has such a queue; one that waits is told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines.cache import edges
from perftui.engines.cache.findings import findings
from perftui.engines.cache.observe import observe
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.purgefile import PurgeToFile
from perftui.engines.cache.tags import RemoveByTag
from perftui.engines.cachecluster import ClusterEngine
from perftui.instrument.cache import Cache
from perftui.instrument.cache.edge import EdgeRelay
from perftui.instrument.cache.store import open_store
from perftui.model.action import Receipt
from perftui.model.finding import Severity
from perftui.model.health import Health, Link
from perftui.model.options import ValkeyClusterOptions, ValkeyOptions
from perftui.model.purgequeue import PREFIX, QUEUES, key_tag, many_tag, pack, whole_tag
from perftui.model.reading import Look
from perftui.runtime.rings import Rings
from tests.conftest import need_valkey
from tests.topologies import a_cluster

if TYPE_CHECKING:
    from perftui.lab.folders import Folder


@pytest.fixture
async def server(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


@pytest.fixture
async def shop(server: Valkey, valkey: Any) -> AsyncIterator[Cache]:
    """Three entries of a cache whose removals are queued, and three of one whose are not."""
    store = open_store(valkey.url)
    async with (
        Cache("shop", l2=store, publish=False, edge=EdgeRelay(store, "shop")) as shop,
        Cache("shop:other", l2=store, publish=False) as other,
    ):
        for n in range(3):
            await shop.set(f"k{n}", n, tags=["home"])
            await other.set(f"k{n}", n, tags=["home"])
        await shop.remove("gone")  # whoever removed once has a queue
        await emptied(server)
        yield shop
    await store.close()


async def emptied(server: Any) -> list[tuple[str, ...]]:
    """What is queued, which then it is no more."""
    look = await server.queued_purges(100)
    await server.unqueue([(purge.queue, purge.id) for purge in look.purges])
    return [purge.tags for purge in look.purges]


async def done(action: Any) -> Receipt:
    await action.plan()
    receipt: Receipt = await action.run(lambda _progress: None)
    return receipt


async def test_a_removal_by_tag_concerns_the_pages_that_have_it(server: Valkey, shop: Cache) -> None:
    action = RemoveByTag(server, "cache", namespace="shop", tags=["home"])
    plan = await action.plan()
    assert "pages at the edge made of them: queued for `perftui cdn relay`" in plan.affects
    receipt = await action.run(lambda _progress: None)
    assert "2 purges queued for the edge" in receipt.summary
    assert await emptied(server) == [("home", many_tag("shop"))]
    await done(RemoveByTag(server, "cache", namespace="shop", tags=["*"]))
    assert await emptied(server) == [(whole_tag("shop"),)]
    unheard = RemoveByTag(server, "cache", namespace="shop:other", tags=["home"])
    assert not [line for line in (await unheard.plan()).affects if "edge" in line]
    assert "edge" not in (await unheard.run(lambda _progress: None)).summary
    assert await emptied(server) == []


@pytest.mark.parametrize("to_file", [False, True])
async def test_purged_entries_are_told_by_name(
    server: Valkey, shop: Cache, to_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def purging(**what: Any) -> PurgeKeys:
        if to_file:
            return PurgeToFile(server, "cache", file=str(tmp_path / f"{len(what)}.keys"), **what)
        return PurgeKeys(server, "cache", **what)

    plan = await purging(keys=(b"shop:k1", b"shop:other:k1", b"plain")).plan()
    assert "pages at the edge made of shop: queued for `perftui cdn relay`" in plan.affects
    receipt = await done(purging(keys=(b"shop:k1", b"shop:other:k1", b"plain")))
    assert "queued for the edge" in receipt.summary
    (told,) = await emptied(server)
    # a name that begins like that of the cache is taken for its entry: more is purged than must be
    assert {key_tag("shop", "k1"), many_tag("shop")} <= set(told)
    monkeypatch.setattr(edges, "MOST", 1)
    await done(purging(pattern="*", namespace="shop"))
    assert await emptied(server) == [(whole_tag("shop"),)]


async def test_a_key_that_is_no_entry_though_it_begins_like_one_ends_no_purge(
    server: Valkey, shop: Cache
) -> None:
    await server._work.one("SET", b"shop:\xff\xfe", "foreign", deadline=2)
    receipt = await done(PurgeKeys(server, "cache", pattern="shop:*"))
    assert receipt.done >= 4
    (told,) = await emptied(server)
    assert {key_tag("shop", f"k{n}") for n in range(3)} <= set(told)
    assert not await server._work.one("EXISTS", b"shop:\xff\xfe", deadline=2)


async def test_of_two_caches_whose_names_fit_the_longer_ones_pages_are_told(
    server: Valkey, shop: Cache
) -> None:
    await server._work.one("ZADD", QUEUES, 1, PREFIX + b"shop:other", deadline=2)
    await done(PurgeKeys(server, "cache", keys=(b"shop:other:k1",)))
    assert await emptied(server) == [(key_tag("shop:other", "k1"), many_tag("shop:other"))]


async def test_where_nothing_can_be_queued_the_receipt_says_what_does_it(server: Valkey, shop: Cache) -> None:
    action = PurgeKeys(server, "cache", keys=(b"shop:k1",))
    await action.plan()
    await server._work.one("SET", PREFIX + b"shop", "no queue", deadline=2)
    receipt = await action.run(lambda _progress: None)
    assert receipt.done == 1
    assert f"`perftui cdn purge --tag {whole_tag('shop')}` does it" in receipt.summary


async def test_what_waits_for_a_minute_is_told(server: Valkey, shop: Cache) -> None:
    assert found(await server.read()) == []
    seconds, _ = await server._work.one("TIME", deadline=2)
    for ago, severity in ((90, Severity.WARNING), (900, Severity.CRITICAL)):
        queue = PREFIX + b"shop"
        await server._work.one("DEL", queue, deadline=2)
        old = f"{(int(seconds) - ago) * 1000}-1"
        await server._work.one("XADD", queue, old, "tags", pack(["home"]), deadline=2)
        server._tiers.asked = server._tiers.asked_purges = float("-inf")
        (finding,) = found(await server.read())
        assert (finding.id, finding.severity) == ("cache.edge-purges-wait", severity)
        assert finding.evidence[0].startswith("1 purge, the oldest for ")


async def test_looking_for_it_adds_nothing_to_the_hit_ratio(server: Valkey, shop: Cache) -> None:
    async def hits() -> tuple[int, int]:
        text = (await server._work.one("INFO", "stats", deadline=2)).decode()
        fields = dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)
        return int(fields["keyspace_hits"]), int(fields["keyspace_misses"])

    async def looked() -> None:
        before, own = await hits(), dict(server.own)
        server._tiers.asked = server._tiers.asked_purges = float("-inf")
        await server.read()
        gained = [now - then for now, then in zip(await hits(), before, strict=True)]
        assert [server.own[name] - own[name] for name in own] == gained

    await looked()
    await server.queue_purge("shop", ["home"])
    await looked()
    await server._work.one("DEL", QUEUES, deadline=2)
    await looked()


async def test_a_clusters_purges_are_queued_and_told(server_folder: Folder) -> None:
    need_valkey()
    cluster = a_cluster(server_folder)
    await cluster.start()
    places = ",".join(f"{m.host}:{m.port}" for m in cluster.masters)
    how = ValkeyClusterOptions(f"redis+cluster://{places}", password=cluster.masters[0].password)
    shards, store = ValkeyCluster("shards", how), open_store(cluster.url)
    async with Cache("shop", l2=store, publish=False, edge=EdgeRelay(store, "shop")) as cache:
        await cache.set("k", 1, tags=["home"])
        await cache.remove("gone")
        assert await emptied(shards) == [(key_tag("shop", "gone"), many_tag("shop"))]
        await done(RemoveByTag(shards, "shards", namespace="shop", tags=["home"]))
        await shards.read()
        assert late(await shards.read()) == []
        assert await emptied(shards) == [("home", many_tag("shop"))]
        await shards._work.one("DEL", PREFIX + b"shop", deadline=2)
        old = f"{(int(time.time()) - 90) * 1000}-1"
        await shards._work.one("XADD", PREFIX + b"shop", old, "tags", pack(["home"]), deadline=2)
        shards._tiers.asked = shards._tiers.asked_purges = float("-inf")
        (finding,) = late(await shards.read())
        assert finding.source == "shards"
    await store.close()
    await shards.close()
    await cluster.stop()


def found(reading: Any) -> list[Any]:
    """Findings about the edge of one look."""
    look = Look("cache", "valkey", reading, Health(Link.LIVE, reading.at))
    report = observe(reading.at, {"cache": look}, Rings())
    return [finding for finding in findings(report) if "edge" in finding.id]


def late(reading: Any) -> list[Any]:
    """The same of a cluster's."""
    engine = ClusterEngine()
    look = Look("shards", "valkey-cluster", reading, Health(Link.LIVE, reading.at))
    report = engine.observe(reading.at, {"shards": look}, Rings())
    return [finding for finding in engine.findings(report) if "edge" in finding.id]
