"""Runs of warm jobs that wait in L2: one node takes each, says how far it is, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from perftui.instrument.cache.hot import Hot
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.wanted import Wanted, parse
from perftui.instrument.cache.wiring import Wired
from perftui.model.errors import BackendError
from perftui.model.warmqueue import (
    FIELD,
    GROUP,
    KEPT,
    LARGEST,
    LARGEST_KEYS,
    LIFE,
    MOST_KEYS,
    SILENT,
    NoOrder,
    Order,
    Told,
    What,
    keys_key,
    pack_told,
    queue_key,
    told_key,
    unpack_order,
    unpack_told,
)

WITHIN: Final = 1.0  # seconds for an answer
TIDY: Final = "if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end"
Tags = Callable[[str], Iterable[str]]


class Taken(NamedTuple):
    """A run that this node has; `id` is its entry's."""

    id: bytes
    order: Order


class Orders:
    """What consoles order of one warm set; one node has a run at a time, and its own is said by its name.

    Raises:
        BackendError: of every method but `hold`: L2 does not answer.
    """

    def __init__(self, cache: Wired, name: str) -> None:
        self._cache = cache
        self._name = name
        self._queue = queue_key(cache.name, name)

    async def take(self) -> Taken | None:
        """The next run, or one whose node fell silent; None where nothing waits.

        A look at an empty queue is one command, makes no key, and is no miss in the server's counts.
        """
        if self._cache.store is None or not await self._ask("PEXPIRE", self._queue, KEPT):
            return None
        me = self._cache.node
        new = await self._ask("XREADGROUP", "GROUP", GROUP, me, "COUNT", 1, "STREAMS", self._queue, ">")
        entries = _first_stream(new)
        if not entries:
            idle = round(SILENT * 1000)
            answer = await self._ask("XAUTOCLAIM", self._queue, GROUP, me, idle, "0-0", "COUNT", 1)
            entries = answer[1] if isinstance(answer, list) and len(answer) > 1 else []
        if not entries:
            await self._ask("EVAL", TIDY, 1, self._queue)
        return await self._wanted(entries[0]) if entries and entries[0] else None

    async def keys(self, order: Order, tags: Tags | None) -> list[Wanted] | None:
        """The keys of a run; None: those of the set.

        Raises:
            ValueError: it names none that are there.
        """
        if order.what is What.SET:
            return None
        if order.what is What.TOP:
            return self._hottest(min(order.top, MOST_KEYS), tags)
        at = keys_key(self._cache.name, self._name, order.run)
        text = await self._ask("GETRANGE", at, 0, LARGEST_KEYS, key=at)
        if not text or len(text) > LARGEST_KEYS:
            raise ValueError("the keys of the run are gone")
        return parse(text, MOST_KEYS)

    async def hold(self, taken: Taken, told: Told) -> bool:
        """Say how far it is; False when it is no longer ours. An L2 that is away changes nothing."""
        me = self._cache.node
        try:
            pending = await self._ask("XPENDING", self._queue, GROUP, taken.id, taken.id, 1)
            if not pending or pending[0][1] != me.encode():
                return False
            claim = ("XCLAIM", self._queue, GROUP, me, 0, taken.id, "JUSTID")
            kept, _ = await asyncio.gather(self._ask(*claim), self._tell(taken.order, told))
        except BackendError:
            return True
        return bool(kept)  # an entry that was withdrawn is not claimed

    async def end(self, taken: Taken, told: Told) -> None:
        """Say the last word, and take it off the queue."""
        await self._tell(taken.order, told)
        await self._drop(taken.id)

    async def _wanted(self, entry: Any) -> Taken | None:
        """The run of an entry, unless it is none, came too late, or is over."""
        id_, fields = entry
        order = _order(fields)
        if order is not None and self._age(id_) < LIFE and not await self._is_over(order):
            return Taken(id_, order)
        await self._drop(id_)
        return None

    def _age(self, id_: bytes) -> float:
        store = self._cache.store
        return store.now() - int(id_.partition(b"-")[0]) / 1000 if store is not None else LIFE

    async def _is_over(self, order: Order) -> bool:
        at = told_key(self._cache.name, self._name, order.run)
        with contextlib.suppress(NoOrder):
            return unpack_told(await self._ask("GETRANGE", at, 0, LARGEST, key=at)).over
        return False

    def _hottest(self, most: int, tags: Tags | None) -> list[Wanted]:
        """With their tags as L1 has them; where it has not, as the warm set says, if it does."""
        hot = next((part for part in self._cache.parts if isinstance(part, Hot)), None)
        if hot is None:
            raise ValueError("this node does not count what is hot: Hot(cache) beside it does")
        known = {one.key: one for one in hot.known(most)}
        if tags is None:
            return list(known.values())
        return [known.get(key) or Wanted(key, tuple(tags(key))) for key, _ in hot.top(most)]

    async def _tell(self, order: Order, told: Told) -> None:
        at = told_key(self._cache.name, self._name, order.run)
        await self._ask("SET", at, pack_told(told), "PX", round(LIFE * 1000), key=at)

    async def _drop(self, id_: bytes) -> None:
        await asyncio.gather(self._ask("XACK", self._queue, GROUP, id_), self._ask("XDEL", self._queue, id_))

    async def _ask(self, *parts: bytes | str | float, key: bytes | None = None) -> Any:
        store: Store | None = self._cache.store
        if store is None:
            return None
        return await store.command(*parts, key=key or self._queue, within=WITHIN)


def _first_stream(answer: Any) -> Any:
    """The entries of the only stream: RESP3 answers with a map, RESP2 with pairs."""
    if isinstance(answer, dict):
        return next(iter(answer.values()), [])
    return answer[0][1] if answer else []


def _order(fields: Any) -> Order | None:
    """None where somebody else wrote into our stream."""
    found = dict(zip(fields[::2], fields[1::2], strict=False)) if fields else {}
    try:
        return unpack_order(found.get(FIELD, b""))
    except NoOrder:
        return None
