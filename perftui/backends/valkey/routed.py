"""A whole cluster as one working connection: every command goes to who holds its key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from perftui.backends.valkey.link import Link, verify

KEYLESS = {"TIME"}
# What a server counts as a hit or a miss, of what is asked here.
LOOKUPS = {"ZRANGEBYSCORE", "GETRANGE", "ZRANGE", "XLEN", "XRANGE"}
LATER = {"XGROUP": 2, "EVAL": 3}  # where the key stands, if not after the name


class Routed:
    """What powers of one server need of its connection. The one key of a command says where it goes.

    `count` hears of each lookup's key and whether it was there.
    """

    def __init__(
        self,
        name: str,
        link_of: Callable[[bytes], Awaitable[Link]],
        count: Callable[[bytes, bool], None] = lambda _key, _found: None,
    ) -> None:
        self.where = name
        self._link_of, self._count = link_of, count

    async def ask(self, commands: Sequence[Sequence[Any]], deadline: float) -> list[Any]:
        """Replies in the order of the commands, error replies as values; one round trip of each primary.

        Raises:
            BackendError: one of them does not answer, or nobody holds a key's slot.
        """
        parts: dict[int, tuple[Link, list[int]]] = {}
        for number, command in enumerate(commands):
            link = await self._link_of(_key(command))
            parts.setdefault(id(link), (link, []))[1].append(number)
        asked = [link.ask([tuple(commands[n]) for n in mine], deadline) for link, mine in parts.values()]
        replies: list[Any] = [None] * len(commands)
        for (_, mine), told in zip(parts.values(), await asyncio.gather(*asked), strict=True):
            for number, reply in zip(mine, told, strict=True):
                replies[number] = reply
                if commands[number][0] in LOOKUPS:
                    self._count(_key(commands[number]), bool(reply))
        return replies

    async def one(self, *command: bytes | str | float, deadline: float) -> Any:
        """One command's reply; an error reply is raised in the house's words."""
        (reply,) = await self.ask([command], deadline)
        return verify(reply, str(command[0]), self.where)


def _key(command: Sequence[Any]) -> bytes:
    if command[0] in KEYLESS:
        return b""
    key = command[LATER.get(command[0], 1)]
    return key if isinstance(key, bytes) else str(key).encode()
