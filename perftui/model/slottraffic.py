"""Keys and traffic of a cluster's hash slots, as its servers count them: a slot, a primary, the whole map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

GROUP: Final = 8
"""Slots of one cell of the map: what the widest screen has cells for."""

METRICS: Final = ("cpu", "bytes")
"""What traffic is counted in: time of commands, and bytes both ways."""

WHOLE: Final = 0.9
"""Part of a primary's slots from which those that were looked at twice speak for all."""


class SlotCount(NamedTuple):
    """What a primary says of one slot: its keys now, and counted until now seconds of its commands' CPU time
    and bytes that came in and went out (to replicas too). None: the server does not count that.
    """

    slot: int
    keys: int
    cpu_s: float | None = None
    bytes_: float | None = None


@dataclass(frozen=True, slots=True)
class SlotTraffic:
    """One slot between two looks: seconds of commands a second, bytes a second, and the parts that these are
    of all its primary's slots (ratios). None: not counted, not looked at twice, or the counter fell.

    `only` is the name of its key where it has a single one and is hot.
    """

    slot: int
    node: str
    keys: int
    cpu: float | None = None
    bytes_per_s: float | None = None
    cpu_share: float | None = None
    bytes_share: float | None = None
    only: bytes = b""

    @property
    def share(self) -> float:
        """The larger of its parts; 0 where neither is known."""
        return max(self.cpu_share or 0.0, self.bytes_share or 0.0)

    def of(self, metric: str) -> tuple[float | None, float | None]:
        """What it takes a second by `cpu` or `bytes`, and which part of its primary's that is."""
        return (self.cpu, self.cpu_share) if metric == "cpu" else (self.bytes_per_s, self.bytes_share)


@dataclass(frozen=True, slots=True)
class ShardTraffic:
    """A primary's slots together: `slots` it told of, `measured` of them by two looks.

    `top` are the slots with the largest parts of its traffic, `fullest` those with most keys. `why` says
    what cannot be read there.
    """

    node: str
    slots: int = 0
    keys: int = 0
    measured: int = 0
    cpu: float | None = None
    bytes_per_s: float | None = None
    top: tuple[SlotTraffic, ...] = ()
    fullest: tuple[SlotTraffic, ...] = ()
    why: str = ""

    def of(self, metric: str) -> float | None:
        """What all its slots take a second, by `cpu` or `bytes`."""
        return self.cpu if metric == "cpu" else self.bytes_per_s


@dataclass(frozen=True, slots=True)
class SlotFacts:
    """The primaries' slots. Their figures are over the time between the last two looks at each slot."""

    shards: tuple[ShardTraffic, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether two looks at nearly all slots can be compared, at each primary that tells all there is."""
        return all(shard.why or shard.measured >= WHOLE * shard.slots for shard in self.shards)

    @property
    def hottest(self) -> tuple[SlotTraffic, ...]:
        """The slots of all primaries with the largest parts of their primary's traffic, those first."""
        found = (one for shard in self.shards for one in shard.top)
        return tuple(sorted(found, key=lambda one: -one.share))

    @property
    def fullest(self) -> tuple[SlotTraffic, ...]:
        """Those with most keys first."""
        found = (one for shard in self.shards for one in shard.fullest)
        return tuple(sorted(found, key=lambda one: -one.keys))

    @property
    def why(self) -> str:
        """Why something cannot be read, of the first primary that has a reason."""
        return next((shard.why for shard in self.shards if shard.why), "")

    def shard(self, node: str) -> ShardTraffic | None:
        """The primary of that address, or None."""
        return next((shard for shard in self.shards if shard.node == node), None)


@dataclass(frozen=True, slots=True)
class SlotMap:
    """A whole look at `at` (epoch seconds): keys, seconds of commands a second and bytes a second.

    Each is summed over GROUP slots, in the order of these; -1 where nobody told, or it is not measured.
    """

    at: float
    facts: SlotFacts
    keys: tuple[int, ...]
    cpu: tuple[float, ...]
    bytes_per_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class HotSlot:
    """A slot with a large part of a busy primary's traffic, in all looks since `since` (epoch seconds).

    `metric` is what it is hot by; `load` is what its primary's slots take of that a second, `mean` the mean
    of all primaries, `loads` each primary's.
    """

    traffic: SlotTraffic
    metric: str
    since: float
    load: float
    mean: float
    loads: tuple[tuple[str, float], ...]
