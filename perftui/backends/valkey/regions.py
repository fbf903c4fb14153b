"""Who a server follows: promotion of a replica whose primary is gone, and following again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from perftui.backends.valkey import info
from perftui.backends.valkey.link import verify
from perftui.model.cache import Replication
from perftui.model.errors import Lost
from perftui.model.regions import EPOCH_KEY, RAISE_EPOCH

if TYPE_CHECKING:
    from perftui.backends.valkey.link import Link

PATIENCE = 5.0


class RegionPowers:
    """The power `ReplicaPromoter`."""

    _work: Link

    async def replication(self) -> Replication:
        """Role, offsets and links as the server itself says now."""
        try:
            reply = await self._work.one("INFO", "replication", deadline=PATIENCE)
        except Lost as error:
            if not isinstance(error.__cause__, ConnectionError):
                raise
            reply = await self._work.one("INFO", "replication", deadline=PATIENCE)  # it began anew meanwhile
        text = reply.decode("utf-8", "replace").splitlines()
        return info.replication(dict(line.split(":", 1) for line in text if ":" in line))

    async def promote(self) -> float:
        """REPLICAOF NO ONE: it may be written from now on, and others see that it is the latest; seconds."""
        began = time.monotonic()
        asked = [("REPLICAOF", "NO", "ONE"), ("EVAL", RAISE_EPOCH, 1, EPOCH_KEY)]
        promoted, counted = await self._work.ask(asked, PATIENCE)
        took = time.monotonic() - began
        verify(promoted, "REPLICAOF", self._work.where)
        verify(counted, "EVAL", self._work.where)
        return took

    async def follow(self, host: str, port: int) -> None:
        """REPLICAOF host port: what it holds is replaced by what the other has."""
        await self._work.one("REPLICAOF", host, port, deadline=PATIENCE)

    async def reach_anew(self) -> None:
        """End its connection to its primary: it makes another one at once, and goes on where it was.

        Where the primary hangs, or cannot be reached, it does not come about: the link is down then, which it
        would else say after a minute of silence only.
        """
        await self._work.one("CLIENT", "KILL", "TYPE", "master", deadline=PATIENCE)
