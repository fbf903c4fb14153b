"""Purges that services queued in this server for whoever can reach the edge; anybody may have done so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import hiredis

from perftui.backends.valkey.link import Link, verify
from perftui.model.purgequeue import LARGEST, PREFIX, QUEUES, PurgesLook, QueuedPurge, unpack

MOST_QUEUES = 200
PAGE = 100
DEADLINE = 3.0


class PurgeQueuePowers:
    """PurgeQueue over the working connection."""

    _work: Link

    async def queued_purges(self, limit: int) -> PurgesLook:
        """Entries of all queues, oldest first, `limit` at most.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        names = await self._told(("ZRANGE", QUEUES, 0, MOST_QUEUES - 1))
        queues = [name for name in names if name.startswith(PREFIX) and len(name) <= 1024]
        found: list[QueuedPurge] = []
        bad: list[tuple[bytes, str]] = []
        waiting = 0
        for queue in queues:
            length = await self._told(("XLEN", queue))
            waiting += length if isinstance(length, int) else 0
            if not length or len(found) + len(bad) >= limit:
                continue
            page = min(PAGE, limit - len(found) - len(bad))
            for name, fields in await self._told(("XRANGE", queue, "-", "+", "COUNT", page)):
                purge = _purge(queue, name.decode(), fields)
                if purge is None:
                    bad.append((queue, name.decode()))
                else:
                    found.append(purge)
        return PurgesLook(tuple(sorted(found, key=lambda p: p.at)), tuple(bad), waiting)

    async def unqueue(self, done: Sequence[tuple[bytes, str]]) -> int:
        """Take them off.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        replies = await self._work.ask([("XDEL", queue, name) for queue, name in done], DEADLINE)
        return sum(int(verify(reply, "XDEL", self._work.where)) for reply in replies)

    async def _told(self, command: tuple[bytes | str | int, ...]) -> Any:
        """The reply; nothing where a key of that name is something else."""
        (reply,) = await self._work.ask([command], DEADLINE)
        if isinstance(reply, hiredis.ReplyError) and str(reply).startswith("WRONGTYPE"):
            return []
        return verify(reply, str(command[0]), self._work.where)


def _purge(queue: bytes, name: str, fields: Sequence[bytes]) -> QueuedPurge | None:
    told = dict(zip(fields[::2], fields[1::2], strict=False))
    text = told.get(b"tags", b"")
    try:
        tags = unpack(text) if len(text) <= LARGEST else ()
    except ValueError:
        return None
    return QueuedPurge(queue, name, int(name.partition("-")[0]) / 1000, tags) if tags else None
