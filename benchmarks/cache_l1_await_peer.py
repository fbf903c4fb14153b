"""One contestant of `cache_l1_await`: fetches keys that are in memory, one after another."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.contest import Question, answers, url

KEYS = [f"key:{n}" for n in range(1000)]
VALUE = {"id": 7, "name": "a product", "text": "x" * 200}

Get = Callable[[str], Awaitable[Any]]


async def ours() -> Any:
    """Our cache with an L2 that tells of changes."""
    from perftui.instrument.cache import Cache

    cache = Cache("bench", l2=url())
    for key in KEYS:
        await cache.set(key, VALUE, ttl=3600)
    return cache


async def ours_get() -> Get:
    """`get`."""
    get: Get = (await ours()).get
    return get


async def ours_get_or_set() -> Get:
    """`get_or_set`, which has the loader at hand."""
    cache = await ours()

    async def load() -> Any:
        raise AssertionError("it was not in memory")

    return lambda key: cache.get_or_set(key, load)


async def cashews(*, client_side: bool) -> Get:
    """Cashews, with Redis and its copy here, or with memory alone."""
    from cashews import cache

    if client_side:
        cache.setup(url(), client_side=True)
    else:
        cache.setup("mem://", size=10_000)
    for key in KEYS:
        await cache.set(key, VALUE, expire=3600)
        await cache.get(key)
    get: Get = cache.get
    return get


async def aiocache() -> Get:
    """Aiocache's memory."""
    from aiocache import SimpleMemoryCache

    cache = SimpleMemoryCache()
    for key in KEYS:
        await cache.set(key, VALUE, ttl=3600)
    get: Get = cache.get
    return get


CONTESTANTS: dict[str, Callable[[], Awaitable[Get]]] = {
    "ours, get": ours_get,
    "ours, get_or_set": ours_get_or_set,
    "cashews, client side": lambda: cashews(client_side=True),
    "cashews, memory": lambda: cashews(client_side=False),
    "aiocache, memory": aiocache,
}


async def main() -> None:
    """Answer until there are no more questions."""
    get = await CONTESTANTS[sys.argv[1]]()

    async def answer(question: Question) -> dict[str, float]:
        calls = question["calls"]
        asked = [KEYS[n * 7 % len(KEYS)] for n in range(calls)]
        began = time.process_time()
        for key in asked:
            await get(key)
        spent = time.process_time() - began
        assert all([await get(key) for key in KEYS])
        return {"cpu": spent / calls * 1e6}

    await answers(answer)


if __name__ == "__main__":
    asyncio.run(main())
