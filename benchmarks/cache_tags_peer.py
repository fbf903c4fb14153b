"""One contestant of `cache_tags`: stores keys with one tag, removes them by it, and looks what is left."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.contest import Question, answers, url

AT_ONCE = 500


class Tagged(NamedTuple):
    """A library's three calls."""

    set: Callable[[str, str], Awaitable[Any]]
    purge: Callable[[str], Awaitable[Any]]
    there: Callable[[str], Awaitable[bool]]


async def ours() -> Tagged:
    """Our cache."""
    from perftui.instrument.cache import MISS, Cache

    cache = Cache("bench", l1=200_000, l2=url())

    async def there(key: str) -> bool:
        return await cache.get(key) is not MISS

    return Tagged(
        lambda key, tag: cache.set(key, "value", ttl=600, tags=(tag,)),
        lambda tag: cache.remove_by_tag(tag, mode="remove"),
        there,
    )


async def cashews() -> Tagged:
    """Cashews on Redis."""
    from cashews import cache

    cache.setup(url())
    for size in range(4):
        cache.register_tag(f"tag{size}", f"key{size}:{{n}}")

    async def there(key: str) -> bool:
        return await cache.get(key) is not None

    return Tagged(
        lambda key, tag: cache.set(key, "value", expire=600, tags=[tag]),
        cache.delete_tags,
        there,
    )


CONTESTANTS: dict[str, Callable[[], Awaitable[Tagged]]] = {"ours": ours, "cashews": cashews}


async def purge(library: Tagged, keys: Sequence[str], tag: str) -> dict[str, float]:
    """Milliseconds of the removal, and how many of some keys are there before and after it."""
    for first in range(0, len(keys), AT_ONCE):
        await asyncio.gather(*(library.set(key, tag) for key in keys[first : first + AT_ONCE]))
    looked = keys[:: max(1, len(keys) // 100)]
    before = sum([await library.there(key) for key in looked])
    began = time.perf_counter()
    await library.purge(tag)
    took = time.perf_counter() - began
    left = sum([await library.there(key) for key in looked])
    return {"ms": took * 1000, "before": before / len(looked), "left": left}


async def main() -> None:
    """Answer until there are no more questions."""
    library = await CONTESTANTS[sys.argv[1]]()

    async def answer(question: Question) -> dict[str, float]:
        size = question["size"]
        keys = [f"key{size}:{n}" for n in range(question["keys"])]
        return await purge(library, keys, f"tag{size}")

    await answers(answer)


if __name__ == "__main__":
    asyncio.run(main())
