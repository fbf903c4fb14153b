"""One process of a contestant of `cache_stampede` and `cache_takeover`: many callers miss one key at once."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from benchmarks.contest import Question, answers, url

CALLERS = 50

Call = Callable[[str], Awaitable[bytes]]


class Loader:
    """Takes its time, and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.takes = 0.05
        self._lock = threading.Lock()

    def _value(self, key: str) -> bytes:
        with self._lock:
            self.calls += 1
        return key.encode()

    async def load(self, key: str) -> bytes:
        """For who runs in the loop."""
        value = self._value(key)
        await asyncio.sleep(self.takes)
        return value

    def load_now(self, key: str) -> bytes:
        """For who runs in threads."""
        value = self._value(key)
        time.sleep(self.takes)
        return value


async def ours(loader: Loader) -> Call:
    """One load over all processes; the lease's seconds are the word after the port, 5 without."""
    from perftui.instrument.cache import Cache, EntryOptions

    lease = float(sys.argv[3]) if len(sys.argv) > 3 else 5.0
    options = EntryOptions(ttl=60, shared_flight=True, lease=lease)
    cache = Cache("bench", l2=url())
    await cache.get("warm")
    return lambda key: cache.get_or_set(key, lambda: loader.load(key), options=options)


async def aiocache(loader: Loader) -> Call:
    """Aiocache's `cached`."""
    from aiocache import cached

    call: Call = cached(ttl=60, key_builder=_key, **_aiocache())(loader.load)
    await call(f"{sys.argv[1]}:warm")
    return call


async def aiocache_stampede(loader: Loader) -> Call:
    """Aiocache's `cached_stampede`, a lease of 5 s."""
    from aiocache import cached_stampede

    call: Call = cached_stampede(lease=5, ttl=60, key_builder=_key, **_aiocache())(loader.load)
    await call(f"{sys.argv[1]}:warm")
    return call


def _key(_function: object, key: str) -> str:
    return key


def _aiocache() -> dict[str, Any]:
    from urllib.parse import urlsplit

    from aiocache import RedisCache
    from aiocache.serializers import PickleSerializer

    at = urlsplit(url())
    return {
        "cache": RedisCache,
        "endpoint": at.hostname,
        "port": at.port,
        "password": at.password,
        "serializer": PickleSerializer(),
    }


async def cashews(loader: Loader) -> Call:
    """Cashews with `lock=True`."""
    from cashews import cache

    cache.setup(url())
    call: Call = cache(ttl="1m", key="bench:{key}", lock=True)(loader.load)
    await call(f"{sys.argv[1]}:warm")
    return call


async def cachebox(loader: Loader) -> Call:
    """Cachebox' `cached`, in each process."""
    import cachebox

    call: Call = cachebox.cached(cachebox.LRUCache(1000))(loader.load)
    return call


async def theine(loader: Loader) -> Call:
    """Theine's `Memoize`, in each process."""
    from theine import Memoize

    call: Call = Memoize(1000, timedelta(seconds=60))(loader.load)
    return call


async def moka(loader: Loader) -> Call:
    """moka-py's `cached` that waits for who loads, in each process."""
    import moka_py

    call: Call = moka_py.cached(maxsize=1000, ttl=60, wait_concurrent=True)(loader.load)
    return call


async def dogpile(loader: Loader) -> Call:
    """dogpile.cache on Redis with its distributed lock; it blocks, so in threads."""
    from urllib.parse import urlsplit

    from dogpile.cache import make_region

    at = urlsplit(url())
    region = make_region().configure(
        "dogpile.cache.redis",
        expiration_time=60,
        arguments={
            "host": at.hostname,
            "port": at.port,
            "password": at.password,
            "distributed_lock": True,
            "thread_local_lock": False,
            "lock_timeout": 5,
        },
    )
    pool, loop = ThreadPoolExecutor(CALLERS), asyncio.get_running_loop()

    def call(key: str) -> Awaitable[bytes]:
        return loop.run_in_executor(pool, region.get_or_create, key, lambda: loader.load_now(key))

    await call(f"{sys.argv[1]}:warm")
    return call


CONTESTANTS: dict[str, Callable[[Loader], Awaitable[Call]]] = {
    "ours": ours,
    "cashews, lock": cashews,
    "dogpile.cache": dogpile,
    "aiocache, cached_stampede": aiocache_stampede,
    "aiocache, cached": aiocache,
    "cachebox": cachebox,
    "theine": theine,
    "moka-py": moka,
}


async def main() -> None:
    """Answer until there are no more questions."""
    loader = Loader()
    call = await CONTESTANTS[sys.argv[1]](loader)

    async def answer(question: Question) -> dict[str, float]:
        """All callers at the instant `at`; how often it was loaded, and when the last of them had it."""
        loader.calls, loader.takes = 0, question["load"]
        await asyncio.sleep(max(0.0, question["at"] - time.monotonic()))
        found = await asyncio.gather(*(call(question["key"]) for _ in range(question["callers"])))
        ended = time.monotonic()
        assert set(found) == {question["key"].encode()}
        return {"calls": loader.calls, "ended": ended}

    await answers(answer)


if __name__ == "__main__":
    asyncio.run(main())
