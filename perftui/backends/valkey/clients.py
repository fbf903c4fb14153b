"""Who is connected: CLIENT LIST, seldom and bounded, and CLIENT KILL of one that is still the same.

Source: https://valkey.io/commands/client-list (fields and flags).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from perftui.backends.valkey import info
from perftui.backends.valkey.eachserver import EachServer
from perftui.backends.valkey.link import Link
from perftui.model.cacheclients import EVERY, MOST, Client, ClientLook
from perftui.model.errors import Unsupported

DEADLINE: Final = 3.0
LIST_BYTES: Final = 16 << 20
LONGEST: Final = 200  # characters of a name
TURN: Final = 500  # lines read before others have a turn of the loop


class ClientPowers(EachServer):
    """The powers ClientLister and ClientKiller."""

    listed: ClientLook | None = None

    async def clients(self) -> ClientLook:
        """Every server's clients; what was listed within the last ten seconds is told again.

        Raises:
            Refused, Unsupported: no server tells, for want of a right, or it has too many.
        """
        known = self.listed
        if known is not None and 0 <= time.time() - known.at < EVERY:
            return known
        told, silent = await self._ask_each(_listed, LIST_BYTES)
        every = sorted((one for _, some in told for one in some), key=lambda one: -one.memory_bytes)
        reasons = tuple((at, str(error)) for at, error in silent)
        self.listed = ClientLook(time.time(), tuple(every[:MOST]), len(every), reasons)
        return self.listed

    async def find_client(self, node: str, id_: int) -> Client | None:
        """One client of a server as it is now; None where it has gone.

        Raises:
            PlanRejected: there are several servers, and none of that name.
        """
        async with self._linked(node) as link:
            told = await link.one("CLIENT", "LIST", "ID", id_, deadline=DEADLINE, asked="CLIENT LIST")
        return next(iter(await _parsed(told, link.where)), None)

    async def kill_client(self, node: str, id_: int, address: str) -> bool:
        """End the connection with that id from that address; False where there is none.

        The server compares both itself: an id that began anew with it is another client's.
        """
        words = ("CLIENT", "KILL", "ID", id_, "ADDR", address)
        async with self._linked(node) as link:
            killed = int(await link.one(*words, deadline=DEADLINE, asked="CLIENT KILL")) > 0
        if killed and self.listed is not None:
            rest = tuple(one for one in self.listed.clients if (one.node, one.id) != (link.where, id_))
            self.listed = replace(self.listed, clients=rest, total=self.listed.total - 1)
        return killed


async def _listed(link: Link) -> tuple[Client, ...]:
    told = info.part(await link.one("INFO", "clients", deadline=DEADLINE))
    many = info.whole(told, "connected_clients")
    if many > MOST:
        raise Unsupported(f"{link.where} has {many:,} clients: a list of more than {MOST:,} would hold it up")
    reply = await link.one("CLIENT", "LIST", deadline=DEADLINE, asked="CLIENT LIST")
    return await _parsed(reply, link.where)


async def _parsed(reply: Any, where: str) -> tuple[Client, ...]:
    """Lines of CLIENT LIST; what is no client is left out."""
    found: list[Client] = []
    lines = reply.decode("utf-8", "backslashreplace").split("\n") if isinstance(reply, bytes) else []
    for count, text in enumerate(lines, 1):
        fields = dict(part.partition("=")[::2] for part in text.split(" "))
        if fields.get("id", "").isdecimal():
            found.append(_client(fields, where))
        if count % TURN == 0:
            await asyncio.sleep(0)
    return tuple(found)


def _client(fields: Mapping[str, str], where: str) -> Client:
    def text(name: str) -> str:
        return fields.get(name, "")[:LONGEST]

    def number(name: str, absent: int = 0) -> int:
        told = fields.get(name, "")[:20]
        return int(told) if told.removeprefix("-").isdecimal() else absent

    return Client(
        number("id"),
        where,
        text("addr"),
        text("name"),
        " ".join(filter(None, (text("lib-name"), text("lib-ver")))),
        text("user"),
        number("db"),
        float(number("age")),
        float(number("idle")),
        number("omem"),
        number("tot-mem"),
        text("flags"),
        text("cmd"),
        number("multi", -1),
        number("sub") + number("psub") + number("ssub"),
    )
