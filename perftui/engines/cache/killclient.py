"""Ending the connection of one client of a cache server, and only of the very one that was shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.engines.cache.restore import Report
from perftui.model.action import Plan, Receipt, Risk
from perftui.model.cacheclients import Client
from perftui.model.errors import PlanRejected
from perftui.model.serverports import ClientKiller


class KillClient:
    """CLIENT KILL by id and address together: an id alone may be another client's since a restart."""

    id: ClassVar[str] = "cache.kill-client"
    title: str = "Kill this client's connection"
    risk: Risk = Risk.DESTROYS
    deadline: float = 10.0

    def __init__(
        self, power: ClientKiller, source: str, *, client: int, address: str, node: str = ""
    ) -> None:
        self._power = power
        self._client, self._address, self._node = client, address, node
        self.params = {"client": client, "address": address, "node": node}
        self.target = f"{source} client {client} {inert(address, 60)}"

    async def plan(self) -> Plan:
        """Who it is, and what goes with its connection.

        Raises:
            PlanRejected: it has gone, its id is another's by now, or it is a console's own.
        """
        one: Client | None = await self._power.find_client(self._node, self._client)
        if one is None or one.address != self._address:
            raise PlanRejected(f"{self.target} has gone, or its id is another's by now: look again")
        if one.ours:
            raise PlanRejected(f"{self.target} is a connection of perftui itself: it would come back at once")
        name = inert(one.name, 60) or "a client without a name"
        held = f"{fmt.bytes_(one.memory_bytes)}, {fmt.bytes_(one.output_bytes)} of it not read yet"
        last = inert(one.command, 40) or "nothing"
        return Plan(
            summary=f"end the connection of {name} from {inert(one.address, 60)} to {inert(one.node, 60)}",
            affects=(
                f"user {inert(one.user, 40) or '?'}, {inert(one.library, 60) or 'library not told'}",
                f"connected for {fmt.duration(one.age_s)}, idle for {fmt.duration(one.idle_s)}, last {last}",
                f"it takes {held}",
            ),
            count=1,
            undo_note="a client that wants to comes back by itself",
            warnings=tuple(_lost(one)),
            challenge=str(one.id),
        )

    async def run(self, report: Report) -> Receipt:
        """End it.

        Raises:
            PlanRejected: it had gone meanwhile.
        """
        if not await self._power.kill_client(self._node, self._client, self._address):
            raise PlanRejected(f"{self.target} had gone: nothing was done")
        return Receipt(f"killed client {self._client} {inert(self._address, 60)}", done=1)

    async def undo(self, receipt: Receipt) -> Receipt:
        """There is no way back."""
        raise PlanRejected("A connection that was ended cannot be brought back from here")


def _lost(one: Client) -> Iterator[str]:
    """What goes with it."""
    if "S" in one.flags:
        yield "it is a replica: it comes back for what it missed, or for a whole new copy"
    if "M" in one.flags:
        yield "it is the primary this replica follows: it reaches it anew"
    if "x" in one.flags:
        yield f"a transaction of {fmt.many(max(0, one.queued), 'command')} is under way: none of it happens"
    if "b" in one.flags:
        yield "it waits for a key: whoever waits there gets an error"
    if "P" in one.flags:
        yield f"it hears {fmt.many(one.channels, 'channel')}: what is said until it is back is lost to it"
    yield "commands that were sent and not answered may have happened or not"
