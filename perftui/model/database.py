"""PostgreSQL as values: what a server says, what was concluded, and plans as trees."""

from __future__ import annotations

from dataclasses import dataclass

WAIT_CLASSES = ("CPU", "IO", "Lock", "LWLock", "IPC", "Client", "Timeout", "Other")


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something this login or server cannot show, and the one line that would change it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Server:
    """Who answered. `version` is `server_version_num`; `started` epoch seconds."""

    version: int
    database: str
    user: str
    standby: bool
    started: float
    max_connections: int
    reserved: int
    cluster_name: str = ""

    @property
    def version_text(self) -> str:
        """The version as people write it: `18.6`."""
        return f"{self.version // 10000}.{self.version % 10000}"


@dataclass(frozen=True, slots=True)
class Totals:
    """The server's rates since the previous look; None until there are two looks to compare."""

    tps: float | None = None
    rollbacks_per_s: float | None = None
    hit_ratio: float | None = None
    temp_bytes_per_s: float | None = None
    wal_bytes_per_s: float | None = None
    deadlocks_per_s: float | None = None
    rows_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """Client sessions by state; `used` counts what `max_connections` counts."""

    used: int
    maximum: int
    active: int = 0
    idle: int = 0
    idle_in_transaction: int = 0
    waiting: int = 0

    @property
    def ratio(self) -> float:
        """Used share, 0-1."""
        return self.used / self.maximum if self.maximum else 0.0


@dataclass(frozen=True, slots=True)
class Session:
    """One server process. Ages are seconds, None where not running; `started` (of the session) and
    `query_started` are epoch seconds and identify it: a pid alone may be somebody else's later.
    """

    pid: int
    started: float
    user: str = ""
    database: str = ""
    app: str = ""
    client: str = ""
    kind: str = "client backend"
    state: str = ""
    wait_class: str = ""
    wait_event: str = ""
    query_started: float | None = None
    query_age: float | None = None
    xact_age: float | None = None
    state_age: float | None = None
    blocked_by: tuple[int, ...] = ()
    query_id: int | None = None
    query: str = ""
    own: bool = False

    @property
    def active(self) -> bool:
        """Whether it is executing a statement now."""
        return self.state in {"active", "fastpath function call"}

    @property
    def idle_in_transaction(self) -> bool:
        """Whether it holds a transaction open while doing nothing."""
        return self.state.startswith("idle in transaction")


@dataclass(frozen=True, slots=True)
class LockEdge:
    """A lock wanted (`granted` False, `waited` seconds) or held by a session others wait for."""

    pid: int
    kind: str
    mode: str
    target: str
    granted: bool
    waited: float | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A normalised statement over the last window (`Window.seconds`), from counter deltas.

    `share` is of all execution time, 0-1; `stddev_s` of single calls; ratios None without reads.
    """

    query_id: int
    user_id: int
    database_id: int
    text: str
    user: str
    database: str
    calls: int
    calls_per_s: float
    share: float
    busy: float  # seconds of execution per second
    mean_s: float
    stddev_s: float
    max_s: float
    rows_per_call: float
    hit_ratio: float | None
    temp_bytes_per_s: float
    wal_bytes_per_s: float
    read_bytes_per_s: float

    @property
    def key(self) -> str:
        """Row key: query, user and database."""
        return f"{self.query_id}:{self.user_id}:{self.database_id}"


@dataclass(frozen=True, slots=True)
class Workload:
    """All statements over `seconds`. `p95_s` is an estimate from means and deviations of the
    statements (`perftui.analysis.mixture`): the server keeps no percentiles. None: too few calls.
    """

    seconds: float
    calls_per_s: float
    mean_s: float | None
    p95_s: float | None
    busy: float
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A standby as its sender sees it. Lags are bytes and seconds behind; None: not known."""

    name: str
    client: str
    state: str
    sync: str
    sent_bytes: int | None
    write_bytes: int | None
    flush_bytes: int | None
    replay_bytes: int | None
    lag_s: float | None
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot and the WAL it keeps from being removed."""

    name: str
    kind: str
    active: bool
    retained_bytes: int | None
    status: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """A standby's own view: bytes received but not replayed, seconds behind, and from whom."""

    status: str
    sender: str
    behind_bytes: int | None
    lag_s: float | None
    paused: bool


@dataclass(frozen=True, slots=True)
class TableUse:
    """How one table of the connected database is read; rates since the previous look."""

    name: str
    rows: int
    size_bytes: int
    seq_scans_per_s: float
    seq_rows_per_s: float
    index_scans_per_s: float
    dead_ratio: float

    @property
    def rows_per_scan(self) -> float:
        """Rows a sequential scan walked on average."""
        return self.seq_rows_per_s / self.seq_scans_per_s if self.seq_scans_per_s else 0.0


@dataclass(frozen=True, slots=True)
class DatabaseReading:
    """Everything one look at one server brought home."""

    server: Server
    totals: Totals
    connections: Connections
    sessions: tuple[Session, ...]
    sessions_cut: int  # how many more there were
    waits: tuple[tuple[str, int], ...]
    locks: tuple[LockEdge, ...]
    replicas: tuple[ReplicaState, ...]
    slots: tuple[Slot, ...]
    receiver: Receiver | None
    workload: Workload | None
    tables: tuple[TableUse, ...]
    limits: tuple[Limitation, ...]


@dataclass(frozen=True, slots=True)
class WaitNode:
    """A session in the wait-for forest; `blocks` counts all waiting behind it, `also` are further
    blockers it waits for besides the one it hangs under, `cycle` marks a deadlock in the making.
    """

    pid: int
    depth: int
    blocks: int
    also: tuple[int, ...] = ()
    cycle: bool = False


@dataclass(frozen=True, slots=True)
class ServerReport:
    """One server with the conclusions drawn from its last look; `at` epoch seconds."""

    source: str
    at: float
    reading: DatabaseReading
    waiting: tuple[WaitNode, ...]
    lost_replicas: tuple[tuple[str, float], ...] = ()  # name, when last seen
    cold_for: float = 0.0  # seconds for which its hit ratio has been low

    @property
    def standby(self) -> bool:
        """Whether it replays somebody else's log."""
        return self.reading.server.standby

    def session(self, pid: int) -> Session | None:
        """The session of `pid`, if this look saw it."""
        return next((s for s in self.reading.sessions if s.pid == pid), None)


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """All servers, primaries first."""

    servers: tuple[ServerReport, ...]

    @property
    def primary(self) -> ServerReport | None:
        """The server the screens speak about: the first primary, else the first server."""
        return self.servers[0] if self.servers else None

    def server(self, source: str) -> ServerReport | None:
        """The report of `source`, if it was read."""
        return next((s for s in self.servers if s.source == source), None)


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One node of a plan. Times are seconds over all loops, rows totals over all loops; `cost` is the
    planner's for one run, `own_cost` for all runs the planner expects; `own_*` exclude the children;
    actual figures are None unless it was executed.
    """

    depth: int
    kind: str
    target: str
    detail: tuple[str, ...]
    relationship: str
    rows_est: float
    cost: float
    own_cost: float
    loops: float = 1.0
    rows: float | None = None
    time_s: float | None = None
    own_time_s: float | None = None
    removed: float = 0.0
    buffers_hit: int = 0
    buffers_read: int = 0
    temp_blocks: int = 0
    share: float = 0.0  # of own time where executed, of own cost otherwise

    @property
    def error(self) -> float | None:
        """Estimate error max(e/a, a/e) per loop, >= 1; None unless executed."""
        if self.rows is None or self.loops <= 0:
            return None
        actual, wanted = max(1.0, self.rows / self.loops), max(1.0, self.rows_est)
        return max(actual / wanted, wanted / actual)


@dataclass(frozen=True, slots=True)
class Advice:
    """One remark on a plan: node index, what is wrong with numbers, what would help."""

    node: int
    title: str
    evidence: str
    remedy: str


@dataclass(frozen=True, slots=True)
class PlanTree:
    """A plan as a list in drawing order (pre-order, `depth` tells the parent)."""

    nodes: tuple[PlanNode, ...]
    planning_s: float | None = None
    execution_s: float | None = None
    settings: tuple[tuple[str, str], ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def executed(self) -> bool:
        """Whether it holds measured figures."""
        return bool(self.nodes) and self.nodes[0].rows is not None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to one EXPLAIN. `generic`: planned for unknown parameters; `took` seconds."""

    source: str
    statement: str
    plan: PlanTree
    generic: bool
    analyzed: bool
    took: float
    raw: str
