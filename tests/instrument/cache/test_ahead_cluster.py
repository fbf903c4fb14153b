"""Warming and the staleness meter on a real cluster whose master dies half-way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.slots import SLOTS, slot_of
from perftui.instrument.cache.context import MISS
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.names import canary_key, lease_key
from perftui.instrument.cache.staleness import Staleness
from perftui.instrument.cache.warming import Warming
from perftui.lab.cluster import Cluster
from tests.conftest import need_valkey
from tests.instrument.cache.test_shared import linked
from tests.instrument.cache.test_warming import Rows
from tests.topologies import a_cluster
from tests.waiting import until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

pytestmark = pytest.mark.slow
KEYS = [f"k{n}" for n in range(300)]


@pytest.fixture
async def cluster(server_folder: Folder) -> AsyncIterator[Cluster]:
    need_valkey()
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


async def test_a_failover_ends_neither_the_warming_nor_the_lease_of_it(cluster: Cluster) -> None:
    rows = Rows()
    async with (
        Cache("shop", l2=cluster.url, source=rows) as a,
        Cache("shop", l2=cluster.url, source=rows) as b,
    ):
        for cache in (a, b):
            await linked(cache)
        both = [Warming(cache, KEYS) for cache in (a, b)]
        for warming in both:
            warming.start()
        await until(lambda: rows.total >= 60)
        await cluster.masters[slot_of(lease_key("shop", "__warm:start")) * 3 // SLOTS].kill()
        for warming in both:
            assert await warming.ready(1.0)
        assert max(rows.loads.values()) <= 2  # what L2 did not have when the other went on
        assert sum(count == 1 for count in rows.loads.values()) >= 200
        await until(lambda: all(not c.stats().gauges["recovery.queue"] for c in (a, b)), 20)
        async with Cache("shop", l2=cluster.url) as new:
            late = [key for key in KEYS if await new.get(key) is MISS]
        assert len(late) <= 60  # a replica may lose what its primary had acknowledged


async def test_the_canary_outlives_its_server(cluster: Cluster) -> None:
    async with Cache("shop", l2=cluster.url) as a, Cache("shop", l2=cluster.url) as b:
        for cache in (a, b):
            await linked(cache)
        meters = [Staleness(cache, every=0.05) for cache in (a, b)]

        def heard() -> int:
            return sum(meter.delays.count for meter in meters)

        await until(lambda: heard() >= 10, 15)
        await cluster.masters[slot_of(canary_key("shop")) * 3 // SLOTS].kill()
        await until(lambda: not all(cache.hears for cache in (a, b)))
        before = heard()
        await until(lambda: heard() >= before + 10, 20)
        assert sum(meter.lost for meter in meters) == 0
