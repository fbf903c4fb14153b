"""Purges of the cache library that wait in L2 for whoever can reach the edge; anybody may have written them.

`__purges:NAMESPACE` is a Stream of JSON lists of tags, `__purges` a sorted set of such streams' names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

QUEUES: Final = b"__purges"
PREFIX: Final = b"__purges:"
MOST_TAGS: Final = 1000  # of one entry
LARGEST: Final = 256 << 10  # bytes of one entry
QUEUED: Final = 10_000  # entries of a queue: beyond them the oldest go
AT_ONCE: Final = 500  # tags of an entry that is written here
LONGEST_TAG: Final = 128
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@=+\-]{1,128}")
_TAG: Final = re.compile(r"[!-+\--~]{1,128}")  # printable ASCII but space and comma: what a header can hold


@dataclass(frozen=True, slots=True)
class QueuedPurge:
    """An entry of a queue: `id` is the Stream's, `at` its epoch seconds."""

    queue: bytes
    id: str
    at: float
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PurgesLook:
    """What waits, oldest first, how many entries were none, and how many there are in all."""

    purges: tuple[QueuedPurge, ...] = ()
    unreadable: tuple[tuple[bytes, str], ...] = ()  # queue and id: to be taken off unread
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class PurgesWaiting:
    """A queue that is not empty: of which cache, how many entries, and for how many seconds the oldest."""

    namespace: str
    waiting: int
    oldest_s: float


@runtime_checkable
class PurgeQueue(Protocol):
    """A server in which purges wait for whoever can reach the edge."""

    async def queued_purges(self, limit: int) -> PurgesLook:
        """`limit` entries at most, oldest first."""
        ...

    async def unqueue(self, done: Sequence[tuple[bytes, str]]) -> int:
        """Take entries (queue, id) off; how many were there."""
        ...

    async def purge_queues(self) -> tuple[str, ...]:
        """Namespaces whose services queue purges there."""
        ...

    async def queue_purge(self, namespace: str, tags: Sequence[str]) -> int:
        """Add a purge of these tags, as edges know them; how many tags were added."""
        ...


def pack(tags: Sequence[str]) -> bytes:
    """An entry's text."""
    return json.dumps(list(tags), separators=(",", ":")).encode()


def unpack(data: bytes) -> tuple[str, ...]:
    """The tags; ValueError for anything else."""
    if len(data) > LARGEST:
        raise ValueError("too large")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("no JSON") from None
    if not isinstance(found, list) or not 0 < len(found) <= MOST_TAGS:
        raise ValueError("no list of tags")
    if not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in found):
        raise ValueError("no tag")
    return tuple(found)


def edge_tag(tag: str) -> str:
    """A tag as it is in headers: printable ASCII without space or comma, 128 characters at most."""
    if _PLAIN.fullmatch(tag):
        return tag
    from urllib.parse import quote

    plain = quote(tag.encode("utf-8", "surrogatepass"), safe="_.:/@=+-")
    if 0 < len(plain) <= LONGEST_TAG:
        return plain
    return "h:" + hashlib.blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def key_tag(namespace: str, key: str) -> str:
    """The tag of pages made of this entry."""
    return edge_tag(f"k:{namespace}:{key}")


def whole_tag(namespace: str) -> str:
    """The tag of all pages made of this namespace."""
    return edge_tag(f"n:{namespace}")


def many_tag(namespace: str) -> str:
    """The tag of pages made of so many entries that their tags fit no header: any removal concerns them."""
    return edge_tag(f"m:{namespace}")
