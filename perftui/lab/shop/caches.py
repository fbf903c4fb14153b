"""Shop's caches: the library over the lab's Valkey, one for each prefix of keys."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from perftui.instrument.cache import MISS, SHARED, Cache, Skip
from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.store import open_store
from perftui.instrument.cache.wanted import Keys
from perftui.instrument.cache.warming import Warming
from perftui.lab.shop.metrics import Slot

LIVES = {"product": 1800.0, "page": 30.0, "search": 300.0}
HELD = {"product": 500, "page": 64, "search": 200}  # entries in a worker's memory: a tenth of all products
STALE_FOR = 3600.0
SHORT = 1.0  # seconds a page lives while there is a stampede
NO_COPY = Skip.L1_READ | Skip.L1_WRITE


class Caches:
    """One worker's caches by prefix, their keys `shop:PREFIX:NAME`; opened after the fork, in the loop."""

    def __init__(self, valkey: Mapping[str, Any], slot: Slot) -> None:
        self._valkey = valkey
        self._slot = slot
        self._by_prefix: dict[str, Cache] = {}
        self._l2: Store | None = None
        self._counted: Counter[str] = Counter()

    def open(self) -> None:
        """Make them; the first command connects."""
        at = self._valkey
        url = f"redis://:{quote(at['password'], safe='')}@{at['host']}:{at['port']}/0"
        self._l2 = open_store(url, label="shop")
        for prefix, life in LIVES.items():
            how = SHARED.but(ttl=life, fail_safe_max=STALE_FOR)
            self._by_prefix[prefix] = Cache(
                f"shop:{prefix}", l1=HELD[prefix], l2=self._l2, defaults=how, pages=True
            )

    def keep_warm(self, keys: Callable[[], Keys], load: Callable[..., Awaitable[Any]]) -> None:
        """Begin to warm these products, now and whenever a warm job says so."""
        cache = self._by_prefix["product"]
        Hot(cache)
        Warming(cache, keys, loader=load).start()

    async def close(self) -> None:
        """Count what was not counted yet, and let go."""
        self.sample()
        await asyncio.gather(*(cache.close() for cache in self._by_prefix.values()))
        if self._l2 is not None:
            await self._l2.close()

    async def get(
        self,
        prefix: str,
        name: str,
        load: Callable[..., Awaitable[Any]],
        *,
        tags: Iterable[str] = (),
        copy: bool = True,
    ) -> Any:
        """The value, loaded by one of all workers where none is fresh; without `copy` not from memory."""
        cache = self._by_prefix[prefix]
        how = cache.defaults if copy else cache.defaults.but(skip=NO_COPY)
        return await cache.get_or_set(name, load, tags=tags, options=how)

    async def get_alone(self, prefix: str, name: str, load: Callable[[], Awaitable[Any]]) -> Any:
        """The value as a service without the library has it: short-lived, and all who miss load at once."""
        cache = self._by_prefix[prefix]
        how = cache.defaults.but(ttl=SHORT, jitter=0.0, fail_safe=False, skip=NO_COPY)
        found = await cache.get(name, options=how)
        if found is MISS:
            found = await load()
            await cache.set(name, found, options=how)
        return found

    async def expire(self, prefix: str, names: Iterable[str]) -> None:
        """What is kept under these names is no longer true."""
        await asyncio.gather(*map(self._by_prefix[prefix].expire, names))

    async def warm(self, products: Iterable[Mapping[str, Any]]) -> None:
        """Products into L2, each for a life drawn up to the usual one: none end together."""
        cache = self._by_prefix["product"]
        how = cache.defaults.but(fail_safe=False, jitter=0.0, skip=Skip.L1_WRITE)

        def put(product: Mapping[str, Any]) -> Awaitable[None]:
            life = random.randint(1, int(LIVES["product"]))  # noqa: S311 - load, not secrets
            return cache.set(str(product["id"]), product, ttl=life, tags=product_tags(product), options=how)

        await asyncio.gather(*map(put, products))

    def sample(self) -> None:
        """Add what was looked up since the last time to the worker's figures."""
        for prefix, cache in self._by_prefix.items():
            counts = cache.counters.counts
            hits, misses = counts["hit.l1"] + counts["hit.l2"], counts["miss"] + counts["coalesced"]
            for name, count in ((f"hit:{prefix}", hits), (f"miss:{prefix}", misses)):
                self._slot.count(name, count - self._counted[name])
                self._counted[name] = count


def product_tags(product: Mapping[str, Any]) -> tuple[str, ...]:
    """What a product is removed by, besides its own key."""
    return (f"category-{product['category']}",)
