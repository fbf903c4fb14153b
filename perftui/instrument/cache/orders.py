"""What this node has under way, as it tells the console, and what a console orders about it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Final

from perftui.instrument.cache.ahead import cancelled, loading
from perftui.instrument.cache.core import Core
from perftui.instrument.cache.flight import Flights
from perftui.instrument.cache.groupcommit import TROUBLE
from perftui.instrument.cache.ports import Store
from perftui.instrument.cache.resp import Answered
from perftui.model.errors import BackendError
from perftui.model.nodeorders import LARGEST, LIFE, MOST, THERE, Order, What, orders_key, unpack_order
from perftui.model.nodework import (
    LONG,
    MOST_OBEYED,
    WRITE,
    LongLoad,
    NodeWork,
    Obeyed,
    Unread,
    WaitingItem,
    mark_of,
)
from perftui.model.nodework import MOST as MOST_TOLD

if TYPE_CHECKING:
    from perftui.instrument.cache.writebehind import WriteBehind

log = logging.getLogger(__name__)

WITHIN: Final = 1.0  # seconds for an answer
UNREAD_FOR: Final = 600.0  # seconds for which a value that could not be read is told of
SLACK: Final = 0.5  # seconds that two clocks may differ without a load being taken for a later one
# What others may have put there is not sent here, however large it is.
GIVEN: Final = """
local found = {}
local orders = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #orders, 2 do
  if #orders[i] <= tonumber(ARGV[4]) then
    found[#found + 1] = orders[i]
    found[#found + 1] = orders[i + 1]
  end
end
return found"""


class Orders:
    """Obeys each order once, as L2 has it when the node looks, and remembers what came of it.

    `writes` gives the write-behind there is now.
    """

    def __init__(self, core: Core, flights: Flights, writes: Callable[[], WriteBehind | None]) -> None:
        self._core = core
        self._flights = flights
        self._writes = writes
        self._seen: deque[str] = deque(maxlen=4 * MOST)  # longer than any of them is to be had
        self._obeyed: deque[Obeyed] = deque(maxlen=MOST_OBEYED)
        self._odd = False

    def work(self) -> NodeWork:
        """The oldest of what runs and waits, and the orders obeyed last."""
        core, writes = self._core, self._writes()
        now = core.now()
        long = [(key, age) for key, age in loading(self._flights, now).items() if age >= LONG]
        loads = tuple(LongLoad(key, mark_of(key), age) for key, age in long[:MOST_TOLD])
        queued = chain(core.recovery.items()[:MOST_TOLD], core.notices.items()[:MOST_TOLD])
        items = sorted(queued, key=lambda item: item.queued_at)[:MOST_TOLD]
        waiting = [WaitingItem(item.what, item.key, max(0.0, now - item.queued_at)) for item in items]
        error = ""
        if writes is not None:
            oldest = writes.oldest(MOST_TOLD)
            waiting = [*(WaitingItem(WRITE, key, age) for key, age in oldest), *waiting]
            if writes.waiting or writes.dead_own or writes.dead_shared:
                error = writes.counts.last_error
        newest = [] if core.l2 is None else list(reversed(core.l2.unread.items()))
        unread = tuple(Unread(key, why, now - at) for key, (why, at) in newest if now - at < UNREAD_FOR)
        return NodeWork(loads, len(long), tuple(waiting), error, tuple(self._obeyed), unread)

    async def look(self) -> None:
        """Count dead letters anew, and obey what is ordered. An L2 that does not answer orders nothing.

        A key of another type in the place of orders is counted as `orders.refused`, once.
        """
        writes, l2 = self._writes(), self._core.l2
        if writes is not None:
            with suppress(*TROUBLE):
                await writes.count_dead()
        if l2 is None:
            return
        try:
            given = await self._given(l2.store)
        except BackendError as error:
            if isinstance(error, Answered) and error.code == "WRONGTYPE":
                if not self._odd:
                    self._core.counters.count("orders.refused")
                self._odd = True
            return
        except (TypeError, ValueError):  # from something in between that is no such server
            return
        self._odd = False
        for order, since in given:
            if order.id not in self._seen:
                self._seen.append(order.id)
                self._obey(order, since)

    async def _given(self, store: Store) -> list[tuple[Order, float]]:
        """The orders there are, the newest first, and seconds since each was given.

        Where there are none a look is one command, makes no key and is no miss.
        """
        key = orders_key(self._core.namespace)
        if await store.command("ZADD", key, "XX", "INCR", "0", THERE, key=key, within=WITHIN) is None:
            return []
        now = store.now()
        within = f"{now + LIFE:.3f}", f"({now - LIFE:.3f}"
        members = await store.command("EVAL", GIVEN, 1, key, *within, MOST, LARGEST, key=key, within=WITHIN)
        told = members if isinstance(members, list) else []
        found = [(unpack_order(one), now - float(at)) for one, at in zip(told[::2], told[1::2], strict=True)]
        return [(order, since) for order, since in found if order is not None]

    def _obey(self, order: Order, since: float) -> None:
        """A load that began after it was ordered is another one."""
        if order.what is What.RETRY:
            self._core.spawn(self._retry(order))
            return
        running = loading(self._flights, self._core.now()).items()
        keys = [key for key, age in running if mark_of(key) == order.mark and age + SLACK >= since]
        for key in keys:
            log.warning("cache %s: a console had the load of %r cancelled", self._core.namespace, key)
            self._core.counters.count("load.cancelled")
            cancelled(self._flights, key)
        self._obeyed.append(Obeyed(order.id, len(keys)))

    async def _retry(self, order: Order) -> None:
        """Beside the look: of many letters it takes longer than a record lives."""
        writes = self._writes()
        tried, error = 0, ""
        if writes is not None:
            try:
                tried = await writes.retry()
                await writes.count_dead()
            except TROUBLE as trouble:
                error = str(trouble)
        self._obeyed.append(Obeyed(order.id, tried, error))
