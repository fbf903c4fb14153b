"""One contestant of `cache_hung_l2`: fetches keys one after another, with a limit to what it waits."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.contest import Question, answers, url

KEYS = [f"key:{n}" for n in range(100)]
SOFT = 0.05

Get = Callable[[str], Awaitable[Any]]


async def stale() -> Any:
    """Our cache: every key is in L1 and L2, and its time is over in both."""
    from perftui.instrument.cache import MISS, Cache, EntryOptions

    options = EntryOptions(ttl=0.2, fail_safe=True, soft_timeout=SOFT, l2_soft=SOFT)
    cache = Cache("bench", l2=url(), defaults=options)
    for key in KEYS:
        await cache.set(key, "old")
    await asyncio.sleep(options.ttl or 0)
    assert await cache.get(KEYS[-1]) is MISS
    return cache


async def ours_get() -> Get:
    """`get(allow_stale=True)`: asks L2, and falls back on L1."""
    cache = await stale()
    return lambda key: cache.get(key, allow_stale=True)


async def ours_load() -> Get:
    """`get_or_set` with a loader that hangs."""
    cache = await stale()

    async def load() -> Any:
        await asyncio.sleep(60)

    return lambda key: cache.get_or_set(key, load)


async def ours_unguarded() -> Get:
    """The first, with the breaker reset before each call: what each of them costs that finds L2 hung."""
    cache = await stale()

    async def get(key: str) -> Any:
        cache._core.l2.breaker.reset()  # noqa: SLF001 - a service has no such wish
        return await cache.get(key, allow_stale=True)

    return get


async def cashews() -> Get:
    """Cashews as it comes."""
    from cashews import cache

    cache.setup(url())
    for key in KEYS:
        await cache.set(key, "old", expire=600)
    get: Get = cache.get
    return get


async def aiocache() -> Get:
    """Aiocache as it comes."""
    from urllib.parse import urlsplit

    from aiocache import RedisCache

    at = urlsplit(url())
    cache = RedisCache(endpoint=at.hostname, port=at.port, password=at.password)
    for key in KEYS:
        await cache.set(key, "old", ttl=600)
    get: Get = cache.get
    return get


async def redis_py() -> Get:
    """redis-py as it comes."""
    from redis.asyncio import Redis

    redis: Any = Redis.from_url(url())
    for key in KEYS:
        await redis.set(key, "old", ex=600)
    get: Get = redis.get
    return get


CONTESTANTS: dict[str, Callable[[], Awaitable[Get]]] = {
    "ours, get": ours_get,
    "ours, get_or_set, loader hung too": ours_load,
    "ours, get, without the breaker": ours_unguarded,
    "cashews": cashews,
    "aiocache": aiocache,
    "redis-py": redis_py,
}


async def main() -> None:
    """Answer: `ready`, and then what calls took, until all keys were asked for or `most` seconds are over."""
    get = await CONTESTANTS[sys.argv[1]]()

    async def answer(question: Question) -> dict[str, Any]:
        if question["do"] == "ready":
            return {}
        took: list[float] = []
        now = asyncio.get_running_loop().time
        served, until = 0, now() + question["most"]
        for key in KEYS:
            began = now()
            try:
                async with asyncio.timeout_at(until):
                    served += await get(key) in ("old", b"old")
            except Exception:  # noqa: BLE001 - whatever a peer says of a server that hangs
                served += 0
            took.append(now() - began)
            if now() >= until:
                break
        return {"took": took, "served": served, "cut": now() >= until}

    await answers(answer)


if __name__ == "__main__":
    asyncio.run(main())
