"""A cluster of cache servers: who holds which hash slots, how each stands, and what happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perftui.model.cache import CacheReading, CommandSample
from perftui.model.health import Health
from perftui.model.slottraffic import HotSlot, SlotFacts
from perftui.model.tierview import TierFacts

SLOTS = 16_384

Range = tuple[int, int]
"""First and last slot, both included."""


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """One node: what the nodes' maps say of it, and its own reading while it answers (else `why`).

    `epoch` is its configuration epoch: of two that claim a slot the higher one holds it. `suspected_by`
    counts the nodes that get no answer from it (`fail?`), of all whose map was read; `failed`: a majority
    of primaries agreed on that. `moving` names slots under way, as `123>` (leaves) and `123<` (arrives).
    """

    id: str
    address: str
    role: str
    primary: str = ""
    epoch: int = 0
    slots: tuple[Range, ...] = ()
    suspected_by: int = 0
    failed: bool = False
    moving: tuple[str, ...] = ()
    reading: CacheReading | None = None
    why: str = ""

    @property
    def slot_count(self) -> int:
        """Slots it claims."""
        return sum(last - first + 1 for first, last in self.slots)

    @property
    def state(self) -> str:
        """`failed`, `suspected`, `silent` (to us alone) or `ok`."""
        if self.failed:
            return "failed"
        return "suspected" if self.suspected_by else "silent" if self.why or not self.answers else "ok"

    @property
    def answers(self) -> bool:
        """Whether it told of itself in this look; a sentinel has nothing more to tell."""
        return self.reading is not None or self.role == "sentinel"


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in which the heartbeat key of a primary could not be written; `until` None: it lasts.

    `slots` are that primary's when it began, `node` its address; instants are epoch seconds, of the first
    write that was not acknowledged (it began up to one heartbeat before) and of the next one that was;
    `missed` counts the writes between.
    """

    node: str
    slots: Range
    since: float
    until: float | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class ClusterReading:
    """One look at a whole cluster. `views` counts the nodes whose map was read.

    Of a group that sentinels watch the views are theirs, they are members too (`sentinel`), `quorum` of them
    call a primary down, and there are no slots: `slotted` is False. Of `regions` nobody votes: their
    epochs say how many promotions they know of, and one that is silent while another leads is `lost`.
    `tiers` has the nodes of the cache library that publish there, `slots` what primaries count of these,
    `watched` the last look at the command stream that was asked for.
    """

    epoch: int
    members: tuple[ClusterMember, ...]
    views: int
    outages: tuple[Outage, ...] = ()
    beating: bool = False
    slotted: bool = True
    quorum: int = 0
    regions: bool = False
    tiers: TierFacts | None = None
    slots: SlotFacts | None = None
    watched: CommandSample | None = None

    def member(self, id_: str) -> ClusterMember | None:
        """The node of that id or address, or None."""
        return next((m for m in self.members if id_ in {m.id, m.address}), None)

    @property
    def primaries(self) -> tuple[ClusterMember, ...]:
        """Nodes that hold slots, in the order of these; then primaries without any."""
        found = [m for m in self.members if m.role == "primary"]
        return tuple(sorted(found, key=lambda m: (m.slots or ((SLOTS, SLOTS),), m.address)))

    def total(self, name: str) -> float | None:
        """A figure of the primaries' readings summed; None where none of them has it."""
        told = [m.reading for m in self.members if m.role == "primary" and m.reading is not None]
        values = [value for value in (getattr(facts, name) for facts in told) if value is not None]
        return float(sum(values)) if values else None

    @property
    def hit_ratio(self) -> float | None:
        """Hits of all lookups at all primaries since the last look; None when there were none."""
        hits, misses = self.total("hits_per_s") or 0.0, self.total("misses_per_s") or 0.0
        return hits / (hits + misses) if hits + misses > 0 else None

    @property
    def grouped(self) -> tuple[ClusterMember, ...]:
        """Each primary with its replicas behind it, then replicas of nobody that is known, then sentinels."""
        rows = [m for primary in self.primaries for m in (primary, *self.replicas(primary.id))]
        return (*rows, *(m for m in self.members if m not in rows))

    def replicas(self, of: str) -> tuple[ClusterMember, ...]:
        """Replicas of the primary with that id."""
        return tuple(m for m in self.members if m.role == "replica" and m.primary == of)

    def lag(self, member: ClusterMember) -> int | None:
        """Bytes of the stream a replica is behind, as its primary says; None where it says nothing."""
        ahead = self.member(member.primary)
        if ahead is None or ahead.reading is None:
            return None
        links = ahead.reading.replication.replicas
        return next((link.lag_bytes for link in links if link.address == member.address), None)


def words(ranges: Sequence[Range]) -> str:
    """`0-5460, 5470`: slots as people write them."""
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """Something that happened to a node at `at` (epoch seconds of the look that showed it).

    `kind` is one of suspected, failed, back, promoted, demoted, joined, left, slots, outage.
    """

    at: float
    kind: str
    node: str
    text: str


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One cluster on the screen: its newest reading and what happened lately, newest first.

    `hit_ratio_1m`, `lookups_1m` and `served_ratio_1m` are over the last minute; `full_in_s` is the time to a
    full memory at the pace of the last five minutes, where every primary has a limit; `hot` are slots that
    have had a large part of a busy primary's traffic for long.
    """

    source: str
    health: Health
    reading: ClusterReading | None
    at: float = 0.0
    events: tuple[ClusterEvent, ...] = ()
    hit_ratio_1m: float | None = None
    lookups_1m: float = 0.0
    full_in_s: float | None = None
    hot: tuple[HotSlot, ...] = ()
    served_ratio_1m: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """All clusters as of `at` (epoch seconds)."""

    at: float
    clusters: tuple[ClusterView, ...]
