"""One entry as a process holds it: few plain slots, for there may be a million of them."""

from __future__ import annotations

import math
from typing import Any, Final

NEVER = float("inf")
NO_STAMP = bytes(16)
STEPS: Final = 16  # of a load's time between one power of two and the next: so that entries share it
_PLACES: Final = 2  # bits
_STAMP: Final = 40  # the bit of `order` at which a stamp begins: below are 38 of the size
_LOW: Final = (1 << _STAMP) - 1
LARGEST: Final = _LOW >> _PLACES  # bytes of a size

Facts = tuple[tuple[tuple[str, bytes, bytes], ...], float, float, str, float]


class Entry:
    """A value of L1 with its life; instants are monotonic seconds.

    `fresh_until` is the logical end here, `kept_until` the physical one (fail-safe keeps a stale value until
    then); `ends` is the value's own end, later than `fresh_until` where L1 has a shorter ttl. `stamp` orders
    writes of a key: 16 bytes, big-endian, compared as bytes. `tags` are (name, expire token, remove token) as
    they were when its load began. `epoch` is the namespace's count of tag changes at which these were last
    found to be current. `ttl` is the whole logical life, `load_s` how long the loader took. `uses` and
    `place` belong to the eviction policy.

    What many entries have alike is one tuple for all of them (`facts`: tags, ttl, load_s, etag and
    last_modified), and stamp, size and place are one integer (`order`): 96 bytes, 48 and a float.
    """

    __slots__ = ("ends", "epoch", "facts", "fresh_until", "kept_until", "order", "uses", "value")

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
        self.fresh_until = self.ends = fresh_until
        self.kept_until = kept_until
        self.epoch = epoch
        self.facts: Facts = (tags, ttl, load_s, etag, last_modified)
        self.order = int.from_bytes(stamp) << _STAMP | size << _PLACES
        self.uses = 0

    def loaded(self, load_s: float, etag: str, last_modified: float) -> None:
        """What its load says of it; the time it took to a sixteenth of the power of two below."""
        part, power = math.frexp(load_s)
        took = math.ldexp(round(part * 2 * STEPS) / (2 * STEPS), power)
        self.facts = (*self.facts[:2], took, etag, last_modified)

    def end(self, now: float) -> None:
        """Let it be stale from now on, if it was not before."""
        self.fresh_until = min(self.fresh_until, now)
        self.ends = min(self.ends, now)

    def settle(self, size: int, place: int) -> None:
        """Its size, and its place in the eviction policy (0 to 3)."""
        self.order = self.order >> _STAMP << _STAMP | size << _PLACES | place

    @property
    def stamp(self) -> bytes:
        """The order of its write."""
        return (self.order >> _STAMP).to_bytes(16)

    @property
    def size(self) -> int:
        """Bytes, as far as they are known; else 0."""
        return (self.order & _LOW) >> _PLACES

    @size.setter
    def size(self, size: int) -> None:
        self.settle(size, self.place)

    @property
    def place(self) -> int:
        """Where the eviction policy has it."""
        return self.order & 3

    @property
    def tags(self) -> tuple[tuple[str, bytes, bytes], ...]:
        """Name, expire token and remove token of each."""
        return self.facts[0]

    @property
    def ttl(self) -> float:
        """Seconds of the whole logical life."""
        return self.facts[1]

    @property
    def load_s(self) -> float:
        """Seconds of its load; 0 when it was not loaded."""
        return self.facts[2]

    @property
    def etag(self) -> str:
        """The mark its source gave it, or nothing."""
        return self.facts[3]

    @property
    def last_modified(self) -> float:
        """Epoch seconds at which its source changed it; 0: not known."""
        return self.facts[4]
