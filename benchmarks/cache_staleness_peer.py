"""One process of `cache_staleness`: writes numbers to a key, or reads it and says what it saw when."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from benchmarks.contest import Question, answers, url


class Node(NamedTuple):
    """A cache in this process; `raw` is what a key is called in the server."""

    set: Callable[[str, int], Awaitable[Any]]
    get: Callable[[str], Awaitable[Any]]
    raw: Callable[[str], str]


async def ours() -> Node:
    """Our cache."""
    from perftui.instrument.cache import Cache
    from perftui.instrument.cache.names import value_key

    cache = Cache("bench", l2=url())
    await cache.get("warm")
    return Node(
        lambda key, value: cache.set(key, value, ttl=600),
        cache.get,
        lambda key: value_key("bench", key).decode(),
    )


async def cashews() -> Node:
    """Cashews with its copy in this process."""
    from cashews import cache

    cache.setup(url(), client_side=True)
    await cache.set("warm", 1, expire=600)
    return Node(lambda key, value: cache.set(key, value, expire=600), cache.get, lambda key: f"cashews:{key}")


CONTESTANTS: dict[str, Callable[[], Awaitable[Node]]] = {"ours": ours, "cashews, client side": cashews}


class Process:
    """Answers `write` and `watch`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def answer(self, question: Question) -> Any:
        """What was done."""
        key, last = question["key"], question["last"]
        if question["do"] == "raw":
            return [self._node.raw(key), await self.prepare(key, last)]
        work = self.write if question["do"] == "write" else self.watch
        return await work(key, last, question["pause"])

    async def prepare(self, key: str, last: int) -> list[str]:
        """Store the numbers under other keys; what these are called."""
        for n in range(1, last + 1):
            await self._node.set(f"{key}:{n}", n)
        return [self._node.raw(f"{key}:{n}") for n in range(1, last + 1)]

    async def write(self, key: str, last: int, pause: float) -> list[float]:
        """Set 1 to `last`; when each call had returned, in seconds that all processes share."""
        ends = []
        for n in range(1, last + 1):
            await self._node.set(key, n)
            ends.append(time.monotonic())
            await asyncio.sleep(pause)
        return ends

    async def watch(self, key: str, last: int, pause: float) -> list[tuple[float, int]]:
        """Read each millisecond until the last is there, or late; when each began, its number, -1: none."""
        until = time.monotonic() + 2 * last * pause + 3.0
        seen: list[tuple[float, int]] = []
        while time.monotonic() < until and not (seen and seen[-1][1] == last):
            began = time.monotonic()
            found = await self._node.get(key)
            seen.append((began, found if isinstance(found, int) else -1))
            await asyncio.sleep(0.001)
        return seen


async def main() -> None:
    """Answer until there are no more questions."""
    await answers(Process(await CONTESTANTS[sys.argv[1]]()).answer)


if __name__ == "__main__":
    asyncio.run(main())
