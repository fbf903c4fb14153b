"""Settings of a cluster on the Advisor: who has another value, and one key that sets all."""

from __future__ import annotations

import asyncio

import pytest

from perftui.lab.cluster import Cluster
from tests.screens.cache.shards import Open, cluster, config, console
from tests.sizes import sizes
from tests.waiting import auntil

__all__ = ["cluster", "config", "console"]


async def policies(cluster: Cluster) -> set[str]:
    every = (*cluster.masters, *cluster.replicas)
    told = await asyncio.gather(*(one.ask("CONFIG", "GET", "maxmemory-policy") for one in every))
    return {bytes(text).decode() for reply in told for text in reply.values()}


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40)))
async def test_one_key_sets_every_server(console: Open, cluster: Cluster, size: tuple[int, int]) -> None:
    every = (*cluster.masters, *cluster.replicas)
    for one in every:
        await one.ask("CONFIG", "SET", "maxmemory", "256mb", "maxmemory-policy", "noeviction")
    await cluster.replicas[0].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    async with console("cache.advisor", size) as it:
        await it.sees("A full cache would refuse writes", within=30)
        await it.press("v", "v", "v")
        await it.sees("Settings of shards")
        await it.press("slash", *"policy", "enter")
        await it.sees(rf"allkeys-lfu at\s+127\.0\.0\.1:{cluster.replicas[0].port}")
        await it.press("A")
        await it.sees("now noeviction, then allkeys-lru")
        await it.press("y")
        await auntil(lambda: _all(cluster, {"allkeys-lru"}), 20)
        await it.sees("allkeys-lru at 6 servers")
        await it.press("u")
        await it.sees("maxmemory-policy")
        await it.press("y")
        await auntil(lambda: _all(cluster, {"noeviction", "allkeys-lfu"}), 20)


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_what_differs_is_found_and_evened_out(
    console: Open, cluster: Cluster, size: tuple[int, int]
) -> None:
    every = (*cluster.masters, *cluster.replicas)
    for one in every:
        await one.ask("CONFIG", "SET", "maxmemory", "256mb", "maxmemory-policy", "allkeys-lru")
    await cluster.replicas[0].ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    async with console("cache.advisor", size) as it:
        await it.sees("maxmemory-policy differs", within=30)
        await it.press("v", "v", "v")
        await it.sees("Settings of shards")
        await it.press("slash", *"policy", "enter")
        await it.sees(rf"allkeys-lfu at\s+127\.0\.0\.1:{cluster.replicas[0].port}")
        await it.press("A")
        await it.sees("now allkeys-lfu, then allkeys-lru")
        await it.press("y")
        await auntil(lambda: _all(cluster, {"allkeys-lru"}), 20)
        await it.sees("allkeys-lru +noeviction|allkeys-lru +[A-Za-z]")


async def _all(cluster: Cluster, wanted: set[str]) -> bool:
    return await policies(cluster) == wanted
