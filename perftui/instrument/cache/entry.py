"""One entry as a process holds it; plain slots, for thousands of them are looked at each second."""

from __future__ import annotations

from typing import Any

NEVER = float("inf")
NO_STAMP = bytes(16)


class Entry:
    """A value of L1 with its life; instants are monotonic seconds.

    `fresh_until` is the logical end, `kept_until` the physical one (fail-safe keeps a stale value until
    then). `stamp` orders writes of a key: 16 bytes, big-endian, compared as bytes. `tags` are (name,
    expire token, remove token) as they were when its load began. `epoch` is the namespace's count of tag
    changes at which these were last found to be current. `ttl` is the whole logical life, `load_s` how
    long the loader took. `uses` and `place` belong to the eviction policy.
    """

    __slots__ = (
        "epoch",
        "etag",
        "fresh_until",
        "kept_until",
        "last_modified",
        "load_s",
        "place",
        "size",
        "stamp",
        "tags",
        "ttl",
        "uses",
        "value",
    )

    def __init__(
        self,
        value: Any,
        fresh_until: float = NEVER,
        kept_until: float = NEVER,
        *,
        stamp: bytes = NO_STAMP,
        tags: tuple[tuple[str, bytes, bytes], ...] = (),
        epoch: int = 0,
        ttl: float = NEVER,
        load_s: float = 0.0,
        size: int = 0,
        etag: str = "",
        last_modified: float = 0.0,
    ) -> None:
        self.value = value
        self.fresh_until = fresh_until
        self.kept_until = kept_until
        self.stamp = stamp
        self.tags = tags
        self.epoch = epoch
        self.ttl = ttl
        self.load_s = load_s
        self.size = size
        self.etag = etag
        self.last_modified = last_modified
        self.uses = 0
        self.place = 0
