"""Removal by tag from the console, as nodes of a real cache hear of it; also in a cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from perftui.backends.valkey import Valkey
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines.cache.purge import PurgeKeys
from perftui.engines.cache.tags import RemoveByTag, RestoreTag
from perftui.instrument.cache.face import Cache
from perftui.model.action import Progress
from perftui.model.errors import PartlyDone, PlanRejected
from perftui.model.options import ValkeyClusterOptions, ValkeyOptions
from perftui.model.tagtokens import tag_key
from tests.topologies import a_cluster
from tests.waiting import auntil

told: list[Progress] = []


@pytest.fixture
async def console(valkey: Any) -> AsyncIterator[Valkey]:
    made = Valkey("cache", ValkeyOptions(url=f"redis://127.0.0.1:{valkey.port}/0", password=valkey.password))
    await made._work.one("FLUSHALL", deadline=5)
    yield made
    await made.close()


class Shop:
    """A node, and what its loader was asked for."""

    def __init__(self, node: Cache) -> None:
        self.node = node
        self.loads: Counter[str] = Counter()

    async def get(self, key: str, *tags: str) -> int:
        async def load() -> int:
            self.loads[key] += 1
            return self.loads[key]

        value: int = await self.node.get_or_set(key, load, tags=tags, ttl="5m")
        return value

    async def gone(self, key: str) -> bool:
        return await self.node.get(key, default=None) is None


@pytest.fixture
async def shop(valkey: Any) -> AsyncIterator[Shop]:
    async with Cache("shop", l2=valkey.url) as node:
        yield Shop(node)


async def test_a_tag_is_removed_and_set_back(console: Valkey, shop: Shop) -> None:
    assert [await shop.get("a", "red"), await shop.get("b", "blue")] == [1, 1]
    remove = RemoveByTag(console, "cache", namespace="shop", tags=("red", "green"))
    plan = await remove.plan()
    assert plan.challenge == "red"
    assert any("not there, so no entry has them: green" in line for line in plan.affects)
    receipt = await remove.run(told.append)
    assert receipt.done == 1
    await auntil(lambda: shop.gone("a"))
    assert await shop.get("a", "red") == 2
    assert await shop.get("b", "blue") == 1
    back = await remove.undo(receipt)
    assert back.done == 1
    await auntil(lambda: shop.gone("a"))  # what was stored since is not current, and took the old one's place


async def test_undo_serves_what_nobody_loaded_since(console: Valkey, shop: Shop) -> None:
    assert await shop.get("a", "red") == 1
    remove = RemoveByTag(console, "cache", namespace="shop", tags=("red",))
    await remove.plan()
    receipt = await remove.run(told.append)
    await auntil(lambda: shop.gone("a"))
    await RestoreTag(console, "cache", id_=remove.undo_id).run(told.append)

    async def there() -> bool:
        return not await shop.gone("a")

    await auntil(there)
    assert (await shop.get("a", "red"), receipt.untouched) == (1, 0)


async def test_everything_takes_the_namespace_to_be_typed(console: Valkey, shop: Shop) -> None:
    await shop.get("a")
    remove = RemoveByTag(console, "cache", namespace="shop", tags=("*",), keep=0.0)
    plan = await remove.plan()
    assert (plan.challenge, plan.reversible) == ("shop", False)
    assert (await remove.run(told.append)).undo is None
    await auntil(lambda: shop.gone("a"))


async def test_a_tag_nobody_has_and_an_id_nobody_knows_are_refused(console: Valkey, shop: Shop) -> None:
    for tags in (("none",), ()):
        with pytest.raises(PlanRejected):
            await RemoveByTag(console, "cache", namespace="shop", tags=tags).plan()
    for id_ in ("", "abc"):
        with pytest.raises(PlanRejected):
            await RestoreTag(console, "cache", id_=id_).plan()
    await console._work.one("SET", "perftui:undo:bad", '{"namespace": 1, "tags": {"a": ["x"]}}', deadline=5)
    with pytest.raises(PlanRejected):
        await RestoreTag(console, "cache", id_="bad").plan()


async def test_what_was_removed_again_since_stays_removed(console: Valkey, shop: Shop) -> None:
    await shop.get("a", "red")
    remove = RemoveByTag(console, "cache", namespace="shop", tags=("red",))
    receipt = await remove.run(told.append)
    await shop.node.remove_by_tag("red")
    with pytest.raises(PartlyDone, match="removed again since"):
        await remove.undo(receipt)
    await console._work.one("LPUSH", tag_key("shop", "list"), "x", deadline=5)


async def test_entries_of_a_namespace_go_without_its_tags(console: Valkey, shop: Shop) -> None:
    for n in range(20):
        await shop.get(f"a{n}", "red")
    await console._work.one("SET", "shopping:1", "other", deadline=5)
    purge = PurgeKeys(console, "cache", namespace="shop")
    plan = await purge.plan()
    assert (plan.count, plan.challenge) == (20, r"shop:*")
    receipt = await purge.run(told.append)
    assert receipt.done == 20
    await auntil(lambda: shop.gone("a3"))
    assert await shop.get("a3", "red") == 2
    assert await console._work.one("EXISTS", "shopping:1", tag_key("shop", "red"), deadline=5) == 2
    with pytest.raises(PartlyDone, match="19 keys restored, 1 left"):
        await purge.undo(receipt)
    assert await shop.get("a4", "red") == 1
    assert await shop.get("a3", "red") == 2


async def test_a_name_with_glob_marks_is_that_name(console: Valkey) -> None:
    await console._work.ask([("SET", "a*b:x", 1), ("SET", "aab:x", 1), ("SET", "a*b:y", 1)], 5)
    purge = PurgeKeys(console, "cache", namespace="a*b", pattern="x*")
    assert (await purge.plan()).count == 1
    assert (await purge.run(told.append)).done == 1
    assert await console._work.one("EXISTS", "aab:x", "a*b:y", deadline=5) == 2


async def test_tags_of_a_cluster(server_folder: Any) -> None:
    cluster = a_cluster(server_folder)
    await cluster.start()
    member = cluster.masters[0]
    console = ValkeyCluster(
        "shards",
        ValkeyClusterOptions(url=f"redis+cluster://{member.host}:{member.port}", password=member.password),
    )
    try:
        async with Cache("shop", l2=cluster.url) as node:
            shop = Shop(node)
            for n in range(12):
                await shop.get(f"k{n}", f"t{n}")
            remove = RemoveByTag(console, "shards", namespace="shop", tags=tuple(f"t{n}" for n in range(12)))
            receipt = await remove.run(told.append)
            assert receipt.done == 12
            for n in range(12):
                await auntil(lambda n=n: shop.gone(f"k{n}"))
            assert (await remove.undo(receipt)).done == 12
    finally:
        await console.close()
        await cluster.stop()
