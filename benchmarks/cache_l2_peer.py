"""One contestant of `cache_l2`: so many callers read for so many seconds."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.contest import answers

CALLERS = (64, 1)
WITHIN = 0.5

Get = Callable[[str], Awaitable[Any]]


async def ours(port: int, password: str) -> Get:
    """`SingleStore.get` with its deadline."""
    from perftui.instrument.cache.store import open_store

    store = open_store(f"redis://:{password}@127.0.0.1:{port}")
    get = store.get
    return lambda key: get(key.encode(), within=WITHIN)


async def redis_py(port: int, password: str) -> Get:
    """redis-py's asyncio client with hiredis and a pool."""
    import redis.asyncio

    get: Get = redis.asyncio.Redis(port=port, password=password).get
    return get


async def glide(port: int, password: str) -> Get:
    """valkey-glide."""
    from glide import GlideClient, GlideClientConfiguration, NodeAddress, ServerCredentials

    login = ServerCredentials(password=password)
    config = GlideClientConfiguration([NodeAddress("127.0.0.1", port)], credentials=login)
    client = await GlideClient.create(config)
    get: Get = client.get
    return get


async def cashews(port: int, password: str) -> Get:
    """Cashews on Redis, values as they are."""
    from cashews import cache

    cache.setup(f"redis://:{password}@127.0.0.1:{port}", client_side=False)
    for n in range(1000):
        await cache.set(f"key:{n}", b"v" * 1024)
    get: Get = cache.get
    return get


async def aiocache(port: int, password: str) -> Get:
    """Aiocache's RedisCache, values as they are."""
    from aiocache import RedisCache
    from aiocache.serializers import NullSerializer

    cache = RedisCache(endpoint="127.0.0.1", port=port, password=password, serializer=NullSerializer())
    get: Get = cache.get
    return get


CONTESTANTS: dict[str, tuple[Callable[[int, str], Awaitable[Get]], bool]] = {
    "ours": (ours, False),
    "ours, uvloop": (ours, True),
    "redis-py": (redis_py, False),
    "redis-py, uvloop": (redis_py, True),
    "valkey-glide": (glide, False),
    "cashews": (cashews, False),
    "aiocache": (aiocache, False),
}


async def reads(get: Get, callers: int, seconds: float) -> dict[str, float]:
    """Reads a second and CPU microseconds a read, of this process with its threads."""
    until, done = time.perf_counter() + seconds, 0

    async def caller(first: int) -> None:
        nonlocal done
        n = first
        while time.perf_counter() < until:
            found = await get(f"key:{n % 1000}")
            assert found is not None
            n += 7
            done += 1

    began, spent = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller(n) for n in range(callers)))
    return {
        "rate": done / (time.perf_counter() - began),
        "cpu": (time.process_time() - spent) / done * 1e6,
    }


async def main(name: str, port: int) -> None:
    """Answer until there are no more lines."""
    get = await CONTESTANTS[name][0](port, os.environ["CACHE_PASSWORD"])
    await answers(lambda question: reads(get, question["callers"], question["seconds"]))


if __name__ == "__main__":
    which, at = sys.argv[1], int(sys.argv[2])
    if CONTESTANTS[which][1]:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(which, at))
    else:
        asyncio.run(main(which, at))
