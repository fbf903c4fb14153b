"""Orders of a console to the nodes of a namespace of the cache library, left in this server for them."""

from __future__ import annotations

from typing import Any, Final

import hiredis

from perftui.backends.valkey.link import verify
from perftui.model.nodeorders import LIFE, THERE, Order, orders_key, pack_order

DEADLINE: Final = 3.0


class OrderPowers:
    """OrderGiver, with NodePowers, over the working connection."""

    _work: Any  # a Link, or a whole cluster as one

    async def order_nodes(self, namespace: str, order: Order) -> None:
        """Let every node find it for LIFE seconds; older orders, and what else is there and none, go.

        Raises:
            BackendError: the server does not answer, forbids it, or has no memory left.
        """
        key = orders_key(namespace)
        seconds, micros = await self._work.one("TIME", deadline=DEADLINE)
        now = int(seconds) + int(micros) / 1e6
        commands: list[tuple[bytes | str | int, ...]] = [
            ("ZADD", key, f"{now:.3f}", pack_order(order), 0, THERE),
            ("ZREMRANGEBYSCORE", key, "(0", f"{now - LIFE:.3f}"),
            ("PEXPIRE", key, round(LIFE * 1000)),
        ]
        replies = await self._work.ask(commands, DEADLINE)
        if isinstance(replies[0], hiredis.ReplyError) and str(replies[0]).startswith("WRONGTYPE"):
            await self._work.one("UNLINK", key, deadline=DEADLINE)
            replies = await self._work.ask(commands, DEADLINE)
        for command, reply in zip(commands, replies, strict=True):
            verify(reply, str(command[0]), self._work.where)
