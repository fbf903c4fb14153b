"""What a cache server says about itself, as backends, engines and screens pass it on."""

from __future__ import annotations

from dataclasses import dataclass, field

from perftui.model.commandlog import LargeFacts
from perftui.model.health import Health
from perftui.model.prefixhits import PrefixHits
from perftui.model.queues import QueueView
from perftui.model.tierview import NamespaceView, TierFacts


@dataclass(frozen=True, slots=True)
class ReplicaLink:
    """One replica as its primary sees it; lag in bytes of the stream and seconds since its last ack."""

    address: str
    state: str
    lag_bytes: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class Replication:
    """Both sides of replication: `replicas` on a primary, the `primary…` fields on a replica.

    `offset` is the position in the replication stream in bytes, `stream` that stream's id, the same on
    both sides; `link_down_s` is None while the link is up. A primary that was promoted went on with
    `stream_before`; it keeps the last `backlog` bytes of its stream for replicas that come back.
    """

    role: str = "primary"
    offset: int = 0
    replicas: tuple[ReplicaLink, ...] = ()
    primary: str = ""
    link_up: bool = True
    last_io_s: float | None = None
    link_down_s: float | None = None
    syncing: bool = False
    stream: str = ""
    stream_before: str = ""
    backlog: int = 0


@dataclass(frozen=True, slots=True)
class HeldBytes:
    """What a server's memory holds beside its keys, in bytes.

    `clients` and `replicas` are the buffers of their connections (input, and output not yet sent), `backlog`
    the part of the stream kept for replicas that come back. All are part of the used memory; replicas'
    buffers and backlog are beyond what `maxmemory` counts.
    """

    clients: int
    replicas: int
    backlog: int


@dataclass(frozen=True, slots=True)
class Loose:
    """Resident bytes that jemalloc keeps and no value is in.

    `freed` are whole pages, which it can give back at once, with what it needs for itself; `fragments` lie
    between values.
    """

    freed: int
    fragments: int


@dataclass(frozen=True, slots=True)
class CommandCost:
    """What one command cost since the last look; `share` is its part of all command time (ratio)."""

    name: str
    calls_per_s: float
    seconds_per_call: float
    share: float
    failed_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SlowCommand:
    """One line of the slow log; `text` is inert and its secrets are masked, `at` is epoch seconds.

    `node` is whose log it is, where there are several.
    """

    id: int
    at: float
    took_s: float
    text: str
    client: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class CommandLatency:
    """Server-side latency of one class of commands (`read`, `write`, `other`) since the last look.

    Quantiles are interpolated in the server's power-of-two buckets; `buckets` are
    (upper bound in seconds, commands a second).
    """

    name: str
    per_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    buckets: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class CacheReading:
    """One look at one cache server. Rates are None until there is a second look to compare with.

    `watched` and `space` are what was last seen of its command stream and of its keys, where somebody looked;
    `space` has the largest prefixes alone, in bytes.
    `loose` is None where the allocator does not say.
    `address` is where it was asked, host:port; of a node among several its member has that.
    `queues` are those that lie in it, as of the last look at them.
    """

    product: str
    version: str
    mode: str
    uptime_s: float
    used_bytes: int
    rss_bytes: int
    peak_bytes: int
    max_bytes: int
    policy: str
    allocator: str
    clients: int
    blocked_clients: int
    max_clients: int
    keys: int
    expiring_keys: int
    replication: Replication
    ops_per_s: float | None = None
    hits_per_s: float | None = None
    misses_per_s: float | None = None
    evicted_per_s: float | None = None
    expired_per_s: float | None = None
    in_bytes_per_s: float | None = None
    out_bytes_per_s: float | None = None
    cpu_ratio: float | None = None
    commands: tuple[CommandCost, ...] = ()
    latency: tuple[CommandLatency, ...] = ()
    slow: tuple[SlowCommand, ...] = ()
    slow_threshold_s: float | None = None
    limits: tuple[tuple[str, str], ...] = ()
    watched: CommandSample | None = None
    space: Keyspace | None = None
    tiers: TierFacts | None = None
    settings: tuple[tuple[str, str], ...] = ()
    address: str = ""
    held: HeldBytes | None = None
    large: LargeFacts | None = None
    loose: Loose | None = None
    queues: tuple[QueueView, ...] = ()

    @property
    def rss_ratio(self) -> float | None:
        """Resident of used memory: well above 1 is fragmentation, below 1 the system has swapped some out."""
        return self.rss_bytes / self.used_bytes if self.used_bytes and self.rss_bytes else None

    @property
    def hit_ratio(self) -> float | None:
        """Hits of all lookups since the last look; None when there were none."""
        lookups = (self.hits_per_s or 0.0) + (self.misses_per_s or 0.0)
        return (self.hits_per_s or 0.0) / lookups if lookups > 0 else None

    @property
    def served_ratio(self) -> float | None:
        """What was answered without a load, of all lookups here and in the memory of nodes above it.

        Their memory takes the lookups of what is asked for often: what is left for the server hits less.
        """
        if self.hits_per_s is None or self.misses_per_s is None:
            return None
        traffic = self.tiers.traffic if self.tiers is not None else None
        if traffic is None:
            return self.hit_ratio
        # One load of the library looks here twice: before it has the lease for it, and after.
        other_misses = max(0.0, self.misses_per_s - 2 * traffic.misses)
        other_hits = max(0.0, self.hits_per_s - traffic.l2_hits)
        served = traffic.requests - traffic.misses + other_hits
        lookups = served + traffic.misses + other_misses
        return served / lookups if lookups > 0 else None

    @property
    def memory_ratio(self) -> float | None:
        """Used of allowed memory; None without a limit."""
        return self.used_bytes / self.max_bytes if self.max_bytes else None

    def limit(self, panel: str) -> str:
        """Why `panel` cannot be read here, or ''."""
        return dict(self.limits).get(panel, "")


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key, its name true to the byte; None, '' where the server did not say (`ttl_s`: it stays)."""

    key: bytes
    kind: str
    ttl_s: float | None = None
    bytes_: int | None = None
    freq: int | None = None
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """One page of a scan. `cursor` 0 means the end was reached, `scanned` is the share gone through."""

    pattern: bytes
    rows: tuple[KeyInfo, ...]
    start: int
    cursor: int
    scanned: float
    total: int


@dataclass(frozen=True, slots=True)
class PrefixShare:
    """A prefix' part of keys and bytes with the half-width of its 95 % interval (0 when counted)."""

    prefix: bytes
    keys: int
    key_share: float
    key_error: float
    bytes_: int
    byte_share: float
    byte_error: float


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The keyspace by prefix, from `sampled` of `total` keys; `exact` when every key was counted."""

    at: float
    base: bytes
    total: int
    sampled: int
    exact: bool
    pages: int
    prefixes: tuple[PrefixShare, ...]
    biggest: tuple[KeyInfo, ...]


@dataclass(frozen=True, slots=True)
class HotKey:
    """A key's part of the watched commands; `error` is the half-width of its 95 % interval.

    `writes` counts the commands that wrote it, `writers` the connections they came from, `loads` those that
    put a whole value there (SET and its kin): a list, a set or a hash that many add to is not loaded.
    `ttl_s` is how long the last of these lives; None: for good, or not told.
    """

    key: bytes
    count: int
    share: float
    error: float
    writes: int = 0
    writers: int = 0
    loads: int = 0
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class CommandSample:
    """A short burst of the command stream: which keys were asked for, and by which commands.

    `parts` are, of several servers, the address of each with its part of all their commands a second.
    `hits` are by prefix, most read first; `hits_limit` says why reads could not be judged, or ''.
    """

    at: float
    took_s: float
    commands: int
    keys: tuple[HotKey, ...]
    names: tuple[tuple[str, int], ...]
    parts: tuple[tuple[str, float], ...] = ()
    hits: tuple[PrefixHits, ...] = ()
    hits_limit: str = ""


@dataclass(frozen=True, slots=True)
class KeySurvey:
    """What a pattern matches: exact when `scanned` is 1, else `count` is extrapolated."""

    pattern: bytes
    count: int
    scanned: float
    sample: tuple[KeyInfo, ...]
    bytes_: int
    bytes_error: int
    total: int
    role: str
    policy: str
    name_bytes: int = 0


@dataclass(slots=True)
class KeyTally:
    """Running count of a change to many keys, kept true also when the change is cut short.

    `failed` counts what went wrong (its first sentences are `errors`), `kept` keys that were left because a
    newer one stands in their place (the first names are `held`), `same` those that stood there with the very
    value; `changed` are names of keys that are not what was dumped any more, `nodes` counts `done` by server.
    """

    done: int = 0
    absent: int = 0
    failed: int = 0
    kept: int = 0
    same: int = 0
    unsure: int = 0
    errors: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    changed: list[bytes] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=dict)

    def did(self, node: str) -> None:
        """Count one that a server did."""
        self.done += 1
        self.nodes[node] = self.nodes.get(node, 0) + 1

    def hold(self, name: str) -> None:
        """Count one that was left; only the first twenty names are kept."""
        self.kept += 1
        if len(self.held) < 20:
            self.held.append(name)

    def fail(self, sentence: str) -> None:
        """Count one failure; only the first twenty sentences are kept."""
        self.failed += 1
        if len(self.errors) < 20:
            self.errors.append(sentence)


@dataclass(frozen=True, slots=True)
class CacheNode:
    """One server on the Cache screen: its newest reading (None until the first) and what history adds.

    `hit_ratio_1m`, `lookups_1m`, `served_ratio_1m` are over the last minute; `full_in_s` is the time to a
    full memory at the pace of the last five minutes; `lag_bytes`, `lag_s` are the worst replica's on a
    primary, its own on a replica; `replicas_seen` is the most replicas it had since the console started;
    `replicas_known` the addresses of the newest of these; `namespaces` are those of the cache library whose
    nodes publish there.

    `leader` is, of a replica that follows another one, the address of the primary that is one now, as others
    tell; `strays` are the sources of the replicas whose leader this primary is.
    """

    source: str
    health: Health
    reading: CacheReading | None
    at: float = 0.0
    hit_ratio_1m: float | None = None
    lookups_1m: float = 0.0
    served_ratio_1m: float | None = None
    keys_1m_ago: float | None = None
    full_in_s: float | None = None
    lag_bytes: int | None = None
    lag_s: float | None = None
    replicas_seen: int = 0
    namespaces: tuple[NamespaceView, ...] = ()
    replicas_known: tuple[str, ...] = ()
    leader: str = ""
    strays: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """`primary`, `replica`; of servers told as one `cluster`, `group`; `` before the first reading."""
        return self.reading.replication.role if self.reading else ""


@dataclass(frozen=True, slots=True)
class CacheReport:
    """All cache servers, primaries first, as of `at` (epoch seconds)."""

    at: float
    nodes: tuple[CacheNode, ...]

    @property
    def primary(self) -> CacheNode | None:
        """The node the screen leads with: the first primary with a reading, else the first node."""
        known = [n for n in self.nodes if n.reading]
        return next((n for n in known if n.role == "primary"), next(iter(known or self.nodes), None))

    def node(self, source: str) -> CacheNode | None:
        """The node of that name, or None."""
        return next((n for n in self.nodes if n.source == source), None)
