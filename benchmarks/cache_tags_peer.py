"""One contestant of `cache_tags`: stores keys with one tag, removes them by it, and looks what is left."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from benchmarks.contest import Question, answers, url

AT_ONCE = 500
REST = 0.05  # seconds between the last store and the first look


class Tagged(NamedTuple):
    """A library's three calls."""

    set: Callable[[str, str], Awaitable[Any]]
    purge: Callable[[str], Awaitable[Any]]
    there: Callable[[str], Awaitable[bool]]


async def ours() -> Tagged:
    """Our cache."""
    from perftui.instrument.cache import MISS, Cache, EntryOptions

    # a busy machine may take more than half a second for an answer, and what L2 did not take is missing later
    cache = Cache("bench", l1=200_000, l2=url(), defaults=EntryOptions(l2_hard=30.0))

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
    for size in range(5):
        cache.register_tag(f"tag{size}", f"key{size}:{{n}}")

    async def there(key: str) -> bool:
        return await cache.get(key) is not None

    return Tagged(
        lambda key, tag: cache.set(key, "value", expire=600, tags=[tag]),
        cache.delete_tags,
        there,
    )


CONTESTANTS: dict[str, Callable[[], Awaitable[Tagged]]] = {"ours": ours, "cashews": cashews}


async def store(library: Tagged, keys: Sequence[str], tag: str) -> None:
    """All of them, 500 at once, and a rest."""
    for first in range(0, len(keys), AT_ONCE):
        await asyncio.gather(*(library.set(key, tag) for key in keys[first : first + AT_ONCE]))
    await asyncio.sleep(REST)


async def remove(library: Tagged, tag: str) -> float:
    """Milliseconds of the removal."""
    began = time.perf_counter()
    await library.purge(tag)
    return (time.perf_counter() - began) * 1000


async def looked(library: Tagged, keys: Sequence[str]) -> float:
    """The share that is there, of a hundred of them."""
    some = keys[:: max(1, len(keys) // 100)]
    return sum([await library.there(key) for key in some]) / len(some)


async def main() -> None:
    """Answer until there are no more questions."""
    library = await CONTESTANTS[sys.argv[1]]()

    async def answer(question: Question) -> dict[str, float]:
        size, do = question["size"], question["do"]
        if do == "remove":
            return {"ms": await remove(library, f"tag{size}")}
        keys = [f"key{size}:{n}" for n in range(question.get("first", 0), question["keys"])]
        if do == "store":
            await store(library, keys, f"tag{size}")
            return {}
        return {"there": await looked(library, keys)}

    await answers(answer)


if __name__ == "__main__":
    asyncio.run(main())
