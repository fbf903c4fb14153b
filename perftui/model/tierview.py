"""What caches of the library do, as their nodes publish it: rates of a node, of a namespace, of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from perftui.model.misscurve import MissCurve
from perftui.model.nodework import NodeWork
from perftui.model.predicted import Predicted
from perftui.model.purgequeue import PurgesWaiting
from perftui.model.reuse import Reuse
from perftui.model.tiers import DefaultTtl, EarlyLoads, LocalCopies, SharedLoads, TierStats
from perftui.model.warmused import Warmed


@dataclass(frozen=True, slots=True)
class TierTraffic:
    """What callers got, per second.

    `l1_hits` and `l2_hits` were fresh; `misses` found nothing fresh anywhere; `coalesced` waited for a look
    or a load that another caller of their process had begun, and these four are all requests. `stale` got an
    old value in place of a late or failed load. `evicted` left L1 for lack of room, `ended` because it was
    found past its end, `taken` because it was removed. `absent` to `away` are the misses by cause, of nodes
    that say it. `packed_in` and `packed_out` are bytes of values before and after they were packed for L2.
    """

    l1_hits: float = 0.0
    l2_hits: float = 0.0
    misses: float = 0.0
    coalesced: float = 0.0
    stale: float = 0.0
    evicted: float = 0.0
    absent: float = 0.0
    expired: float = 0.0
    removed: float = 0.0
    tag: float = 0.0
    away: float = 0.0
    packed_in: float = 0.0
    packed_out: float = 0.0
    ended: float = 0.0
    taken: float = 0.0

    @property
    def evictions(self) -> tuple[tuple[str, float], ...]:
        """What left L1 by cause, as the library names these."""
        return tuple(zip(EVICTIONS, (self.evicted, self.ended, self.taken), strict=True))

    @property
    def saved_ratio(self) -> float | None:
        """The part of the bytes that packing saved; None where nothing was written."""
        return 1 - self.packed_out / self.packed_in if self.packed_in > 0 else None

    @property
    def requests(self) -> float:
        """All that was asked for."""
        return self.l1_hits + self.l2_hits + self.misses + self.coalesced

    @property
    def hit_ratio(self) -> float | None:
        """What either tier had fresh, of all requests; None without any."""
        return share(self.l1_hits + self.l2_hits, self.requests)

    @property
    def l1_hit_ratio(self) -> float | None:
        """What memory had fresh, of all requests."""
        return share(self.l1_hits, self.requests)

    @property
    def stale_ratio(self) -> float | None:
        """What was served stale, of all requests."""
        return share(self.stale, self.requests)


CAUSES = ("absent", "expired", "removed", "tag", "away")
"""Why an entry was not there."""

EVICTIONS = ("capacity", "expiry", "explicit")
"""Why an entry left L1."""

COUNTERS = (
    *("hit.l1", "hit.l2", "miss", "coalesced", "stale", "evicted.capacity"),
    *(f"miss.{cause}" for cause in CAUSES),
    *("codec.bytes_in", "codec.bytes_out", "evicted.expiry", "evicted.explicit"),
)
"""The library's names of what TierTraffic holds, in the order of its fields."""


def between(before: TierStats, now: TierStats, seconds: float) -> TierTraffic | None:
    """What a node did between two records; None where they are one, or a counter fell."""
    gained = [now.of(name) - before.of(name) for name in COUNTERS]
    if seconds <= 0 or min(gained) < 0:
        return None
    return TierTraffic(*(n / seconds for n in gained))


def together(parts: Iterable[TierTraffic | None]) -> TierTraffic | None:
    """The sum of those that are known; None where none is."""
    known = [astuple(part) for part in parts if part is not None]
    return TierTraffic(*map(sum, zip(*known, strict=True))) if known else None


def share(part: float, whole: float) -> float | None:
    """A ratio; None of nothing."""
    return part / whole if whole > 0 else None


@dataclass(frozen=True, slots=True)
class RelayLink:
    """What a node hears of another region, `peer`: changes it is behind, seconds the oldest of them waits.

    `silent_s` counts since the other region last answered; `lost` is how often all was dropped because what
    followed was not there any more.
    """

    peer: str
    behind: float = 0.0
    lag_s: float = 0.0
    silent_s: float = 0.0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class TierNode:
    """One cache of one process. `at` is when it published, in the server's epoch seconds.

    `traffic` is None before its second record; `waiting` are changes that L2, other nodes or the edge lack
    yet; without `linked` it hears nothing of what others change; with `breaker_open` it leaves L2 alone.
    `relays` are those in which it reads, one node of a region at a time.
    `waiting_s` is the age of the oldest of these; `writes` wait for the database, the oldest for `writes_s`;
    `raw_bytes` of values became `packed_bytes` since it began; `codecs` has the values packed by each codec,
    most first. `predicted` is its predictive warming, where it has one; `ttl` the life of entries that are
    given none, where it says so; `shared` whether its loads are those of other processes too, where they
    could be. `warmed` is what became of the keys that its runs of warm jobs loaded.
    `l1_bound` is the bytes that its L1 may hold, 0 where they are not bounded.
    `l1`: whether it keeps anything in its own memory at all; `local` how many entries that may be, of nodes
    that say it: these can be given an L1. `early` is whether it loads before the end, where it says so.
    `dead` writes failed too often, and `dead_shared` in a journal that all its nodes see.
    `work` is what it has under way and waiting, of nodes that say it; these obey orders.
    """

    namespace: str
    node: str
    at: float
    traffic: TierTraffic | None = None
    l1_entries: float = 0.0
    l1_bytes: float = 0.0
    waiting: float = 0.0
    linked: bool = True
    breaker_open: bool = False
    relays: tuple[RelayLink, ...] = ()
    waiting_s: float = 0.0
    writes: float = 0.0
    writes_s: float = 0.0
    raw_bytes: float = 0.0
    packed_bytes: float = 0.0
    predicted: Predicted | None = None
    ttl: DefaultTtl | None = None
    shared: SharedLoads | None = None
    l1: bool = True
    dead: float = 0.0
    dead_shared: float = 0.0
    work: NodeWork | None = None
    codecs: tuple[tuple[str, int], ...] = ()
    warmed: tuple[Warmed, ...] = ()
    local: LocalCopies | None = None
    l1_bound: float = 0.0
    early: EarlyLoads | None = None


@dataclass(frozen=True, slots=True)
class ClientLatency:
    """What callers at nodes waited for, over the last one or two minutes: `l2.get`, `l2.set`, or `load`.

    From the nodes' mergeable sketches, within 1 %; `per_s` is how many there were. `buckets` are (upper bound
    in seconds, a power of two of microseconds; how many a second) of the last few seconds alone.
    """

    name: str
    per_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    p999_s: float
    buckets: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """How long a change of a namespace takes to be heard by its other nodes, of those that measure it.

    `count` canaries of the last one or two minutes (before that much was seen: since these nodes began) with
    their quantiles; `max_s` and `lost` since these nodes began.
    """

    namespace: str
    nodes: int
    count: int = 0
    p50_s: float | None = None
    p99_s: float | None = None
    max_s: float = 0.0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class TierFacts:
    """The nodes that publish in a server, and how many records could not be read.

    `load_p95_s` has the loads of each namespace that counted some, over all its nodes since they began. With
    `more` there were more nodes than are read. `reuse` and `curves` are of namespaces whose nodes tell enough
    (a curve is merged of a few of them); `warm` has (namespace, set, keys) of each set that a node warms;
    `purges` are queues of purges for the edge that are not empty; `client` is what callers waited for, where
    there is a minute to tell of; `heard` has namespaces whose nodes measure when changes are heard.
    """

    nodes: tuple[TierNode, ...] = ()
    load_p95_s: tuple[tuple[str, float], ...] = ()
    unreadable: int = 0
    more: bool = False
    reuse: tuple[tuple[str, Reuse], ...] = ()
    curves: tuple[tuple[str, MissCurve], ...] = ()
    warm: tuple[tuple[str, str, int], ...] = ()
    purges: tuple[PurgesWaiting, ...] = ()
    client: tuple[ClientLatency, ...] = ()
    heard: tuple[Heard, ...] = ()

    @property
    def traffic(self) -> TierTraffic | None:
        """Of all nodes."""
        return together(node.traffic for node in self.nodes)


@dataclass(frozen=True, slots=True)
class NamespaceView:
    """A namespace over all its nodes.

    `ttls` are the default TTLs in force at those that say them, `own_ttls` by their options, the shortest
    first, each once. `shared` has whether loads are shared at those that say it, each once. `codec` is the
    one that packed most values since they began (`raw`: none was packed), `saved_ratio` the part of the bytes
    that packing saved: of what is written now, else since they began; None where nothing was.
    `l1_bound` is the bytes that L1 may hold over all nodes, 0 where one of them has no such bound.
    `local` has what L1 may hold at nodes that say it, each once; `early` whether they load before the end.
    """

    namespace: str
    nodes: int
    traffic: TierTraffic | None
    load_p95_s: float | None
    l1_bytes: float
    ttls: tuple[float, ...] = ()
    own_ttls: tuple[float, ...] = ()
    shared: tuple[SharedLoads, ...] = ()
    codec: str | None = None
    saved_ratio: float | None = None
    local: tuple[LocalCopies, ...] = ()
    early: tuple[EarlyLoads, ...] = ()
    l1_bound: float = 0.0
