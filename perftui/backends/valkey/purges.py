"""Purges that services queued in this server for whoever can reach the edge; anybody may have done so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import hiredis

from perftui.backends.valkey.link import verify
from perftui.model.purgequeue import (
    AT_ONCE,
    LARGEST,
    PREFIX,
    QUEUED,
    QUEUES,
    PurgesLook,
    PurgesWaiting,
    QueuedPurge,
    pack,
    unpack,
)

MOST_QUEUES = 200
PAGE = 100
DEADLINE = 3.0
LONGEST_NAME = 1024


class PurgeQueuePowers:
    """PurgeQueue over the working connection."""

    _work: Any  # a Link, or a whole cluster as one

    async def queued_purges(self, limit: int) -> PurgesLook:
        """Entries of all queues, oldest first, `limit` at most.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        queues = await self._queues()
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

    async def purge_queues(self) -> tuple[str, ...]:
        """Namespaces whose services queue purges there."""
        return tuple(_namespace(queue) for queue in await self._queues())

    async def queue_purge(self, namespace: str, tags: Sequence[str]) -> int:
        """Add a purge of these tags; how many tags were added.

        Raises:
            BackendError: the server does not answer, or forbids it.
        """
        queue = PREFIX + namespace.encode("utf-8", "surrogatepass")
        for at in range(0, len(tags), AT_ONCE):
            words = ("XADD", queue, "MAXLEN", "~", QUEUED, "*", "tags", pack(tags[at : at + AT_ONCE]))
            await self._work.one(*words, deadline=DEADLINE)
        return len(tags)

    async def _queues(self) -> list[bytes]:
        return _ours(await self._told(("ZRANGE", QUEUES, 0, MOST_QUEUES - 1)))

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


async def waiting(link: Any, now: float, within: float) -> tuple[tuple[PurgesWaiting, ...], list[Any]]:
    """Queues that are not empty, by the server's clock, and the answers, for who counts lookups."""
    names, *_ = looked = await link.ask([("ZRANGE", QUEUES, 0, MOST_QUEUES - 1)], within)
    queues = _ours(names) if isinstance(names, list) else []
    if not queues:
        return (), looked
    commands: list[tuple[bytes | str | int, ...]] = [("XLEN", queue) for queue in queues]
    commands += [("XRANGE", queue, "-", "+", "COUNT", 1) for queue in queues]
    replies = await link.ask(commands, within)
    found = []
    for queue, count, first in zip(queues, replies, replies[len(queues) :], strict=False):
        if isinstance(count, int) and count and isinstance(first, list) and first:
            at = int(first[0][0].partition(b"-")[0]) / 1000
            found.append(PurgesWaiting(_namespace(queue), count, max(0.0, now - at)))
    return tuple(found), [*looked, *(True for reply in replies if not isinstance(reply, Exception))]


def _ours(names: Iterable[bytes]) -> list[bytes]:
    return [name for name in names if name.startswith(PREFIX) and len(name) <= LONGEST_NAME]


def _namespace(queue: bytes) -> str:
    return queue[len(PREFIX) :].decode("utf-8", "replace")
