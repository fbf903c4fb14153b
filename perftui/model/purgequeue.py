"""Purges of the cache library that wait in L2 for whoever can reach the edge; anybody may have written them.

`__purges:NAMESPACE` is a Stream of JSON lists of tags, `__purges` a sorted set of such streams' names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

QUEUES: Final = b"__purges"
PREFIX: Final = b"__purges:"
MOST_TAGS: Final = 1000  # of one entry
LARGEST: Final = 256 << 10  # bytes of one entry
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
