"""Runs of warm jobs in a real cluster: found by its nodes, and brought to their end when a master dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from perftui.analysis.slots import SLOTS, slot_of
from perftui.backends.valkey.cluster import ValkeyCluster
from perftui.engines.cache import warmrun
from perftui.engines.cache.warmrun import WarmRun
from perftui.instrument.cache import warming as warm
from perftui.instrument.cache.face import Cache
from perftui.instrument.cache.warming import Warming
from perftui.lab.cluster import Cluster
from perftui.model.action import Progress
from perftui.model.errors import BackendError
from perftui.model.options import ValkeyClusterOptions
from perftui.model.warmqueue import queue_key
from tests.conftest import need_valkey
from tests.rows import Rows
from tests.topologies import a_cluster
from tests.waiting import auntil, until

if TYPE_CHECKING:
    from perftui.lab.folders import Folder

KEYS = [f"k{n}" for n in range(200)]


@pytest.fixture
async def cluster(server_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    need_valkey()
    monkeypatch.setattr(warm, "BEAT", 0.05)
    monkeypatch.setattr(warmrun, "LOOK", 0.05)
    made = a_cluster(server_folder)
    await made.start()
    yield made
    await made.stop()


@pytest.mark.slow
async def test_a_run_is_done_also_when_the_master_of_its_queue_dies(cluster: Cluster) -> None:
    rows = Rows()
    places = ",".join(f"{one.host}:{one.port}" for one in cluster.masters)
    password = cluster.masters[0].password
    console = ValkeyCluster(
        "shards", ValkeyClusterOptions(url=f"redis+cluster://{places}", password=password)
    )
    seen: list[Progress] = []

    def run(number: str, rate: float, what: str = "set", keys: Sequence[str] = ()) -> WarmRun:
        where = {"namespace": "shop", "name": "start"}
        return WarmRun(console, "shards", **where, run=number, rate=rate, what=what, keys=keys)

    async with Cache("shop", l2=cluster.url, source=rows) as cache:
        assert await Warming(cache, KEYS, rate=None, asked_every=0.05).ready(1.0)
        named = await run("00000001", 1000.0, "keys", ["x", "y", "z"]).run(seen.append)
        assert named.done == 3
        await cache.remove_many(KEYS)
        running = asyncio.ensure_future(run("00000002", 50.0).run(seen.append))
        await until(lambda: rows.loads.total() >= 203 + 20, 20)
        await cluster.masters[slot_of(queue_key("shop", "start")) * 3 // SLOTS].kill()

        async def over() -> bool:
            with suppress(BackendError):
                await console.read()  # as its poller does: the map follows the failover
            return running.done()

        await auntil(over, 60)
        receipt = await running
        assert receipt.facts["failed"] == 0
        assert receipt.facts["loaded"] + receipt.facts["fresh"] == 200
    await console.close()
