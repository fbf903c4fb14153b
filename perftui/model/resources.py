"""What hosts say of themselves: processor, memory, disks, network, processes, pressure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perftui.model.endpoint import ApiView
from perftui.model.health import Health
from perftui.model.queues import QueueView


@dataclass(frozen=True, slots=True)
class CpuUse:
    """Shares (0-1) of one core, or of all, since the last read; `name` is `all` or the core's number.

    `user` includes guests' time once (`guest` says how much of it), `busy` is everything but idle and iowait.
    """

    name: str
    busy: float
    user: float = 0.0
    nice: float = 0.0
    system: float = 0.0
    iowait: float = 0.0
    irq: float = 0.0
    softirq: float = 0.0
    steal: float = 0.0
    guest: float = 0.0


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes; `used` is total - available, `cached` page cache with reclaimable slab.

    Rates are bytes a second since the last read; `oom_kills` counts since boot, None when unknown.
    """

    total: int
    available: int
    free: int = 0
    cached: int = 0
    buffers: int = 0
    shared: int = 0
    dirty: int = 0
    swap_total: int = 0
    swap_free: int = 0
    swap_in_per_s: float = 0.0
    swap_out_per_s: float = 0.0
    oom_kills: int | None = None
    huge_total: int = 0
    huge_free: int = 0

    @property
    def used(self) -> int:
        """Bytes that could not be had without swapping."""
        return self.total - self.available

    @property
    def used_ratio(self) -> float:
        """Used share of all memory."""
        return self.used / self.total if self.total else 0.0

    @property
    def swap_ratio(self) -> float:
        """Used share of swap; 0 where there is none."""
        return (self.swap_total - self.swap_free) / self.swap_total if self.swap_total else 0.0


@dataclass(frozen=True, slots=True)
class DiskUse:
    """One device: operations and bytes a second, mean waits in seconds, share of time busy."""

    device: str
    reads_per_s: float
    writes_per_s: float
    read_bytes_per_s: float
    write_bytes_per_s: float
    read_wait_s: float
    write_wait_s: float
    queue: float
    busy: float


@dataclass(frozen=True, slots=True)
class MountUse:
    """One mounted file system, in bytes as an ordinary user sees them."""

    path: str
    device: str
    fs: str
    total: int
    available: int
    used: int
    inode_ratio: float = 0.0
    read_only: bool = False
    inodes: int = 0  # how many there are; 0: no fixed number

    @property
    def used_ratio(self) -> float:
        """Used share of what users can use, as `df` counts it."""
        whole = self.used + self.available
        return self.used / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class NetUse:
    """One interface, a second; `link_bps` is bits a second, 0 when unknown.

    Errors and drops count both ways, `tx_` those of sending among them.
    """

    interface: str
    rx_bytes_per_s: float
    tx_bytes_per_s: float
    rx_packets_per_s: float
    tx_packets_per_s: float
    errors_per_s: float
    drops_per_s: float
    link_bps: int = 0
    tx_errors_per_s: float = 0.0
    tx_drops_per_s: float = 0.0

    @property
    def link_ratio(self) -> float | None:
        """The busier direction's share of the link, None where its speed is unknown."""
        busier = max(self.rx_bytes_per_s, self.tx_bytes_per_s)
        return busier * 8 / self.link_bps if self.link_bps else None

    @property
    def loopback(self) -> bool:
        """Traffic that never leaves the host."""
        return self.interface.startswith("lo")


@dataclass(frozen=True, slots=True)
class Pressure:
    """Share of the last 10 s in which some (all) tasks waited for a resource; `cpu memory io`."""

    resource: str
    some: float
    full: float


@dataclass(frozen=True, slots=True)
class TcpUse:
    """TCP of a host; `states` by name (`established`, `time_wait`, …), None when not counted.

    `overflows_per_s` are connections a full listen queue turned away, `sockets` those of every kind.
    """

    retransmits_per_s: float
    segments_out_per_s: float
    overflows_per_s: float
    sockets: int
    states: tuple[tuple[str, int], ...] | None = None

    @property
    def retransmit_ratio(self) -> float:
        """Segments sent again of those sent."""
        return self.retransmits_per_s / self.segments_out_per_s if self.segments_out_per_s else 0.0


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """What a control group allows and what of it is used: a container's real size.

    `cores` is the processor quota in cores, `memory` bytes; None: no limit. `throttled_ratio` is the
    share of periods in which the quota ran out, `throttled_s` the seconds of waiting a second.
    """

    version: int
    path: str
    cores: float | None
    used_cores: float
    throttled_ratio: float
    throttled_s: float
    memory: int | None
    memory_used: int
    events: tuple[tuple[str, int], ...] = ()

    @property
    def cpu_ratio(self) -> float | None:
        """Use of the quota, None without one."""
        return self.used_cores / self.cores if self.cores else None

    @property
    def memory_ratio(self) -> float | None:
        """Use of the memory limit, None without one."""
        return self.memory_used / self.memory if self.memory else None


@dataclass(frozen=True, slots=True)
class OwnCost:
    """What perftui itself costs: cores, resident bytes, bytes it writes a second."""

    cpu: float
    rss: int
    written_per_s: float


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process; identity is (pid, started). None means not readable, or not known yet.

    `unit` is its systemd unit or container. Descriptors and bytes of storage are those of the busiest only.

    `cpu` counts cores (1.0 is one core busy) since the look before; sizes are bytes, `started`
    epoch seconds. `language` is a guess from the program and what it maps: python, node, java, …
    `grew` is how far `rss` stands above its lowest of the last ten minutes, `grew_s` ago, as far as it is
    the process's own: shared memory and files it touched do not count. `pss` is resident memory with what
    is shared divided among those who share it, told of one looked at by itself.
    """

    pid: int
    parent: int
    name: str
    command: str
    user: str
    state: str
    language: str
    cpu: float | None
    rss: int
    threads: int
    started: float
    nice: int = 0
    grew: int = 0
    grew_s: float = 0.0
    unit: str = ""
    fds: int | None = None
    fd_limit: int | None = None
    read_per_s: float | None = None
    write_per_s: float | None = None
    pss: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessLook:
    """A look at one process, (pid, started); `row` is None when that very process has ended."""

    pid: int
    started: float
    row: ProcessRow | None


@dataclass(frozen=True, slots=True)
class NiceRules:
    """What a login may do to nice values: the lowest it may set on its own processes (20: it may only raise).

    `by_session` says whether the kernel first shares processor time out among sessions (autogroup).
    """

    lowest: int
    by_session: bool = False


@dataclass(frozen=True, slots=True)
class HostReading:
    """One look at a host. Rates cover the time since the look before (`window` seconds, 0: first).

    `top` are the processes that use most processor and most memory, looked up now and then.
    """

    host: str
    window: float
    cpu: CpuUse
    cores: tuple[CpuUse, ...]
    load: tuple[float, float, float]
    memory: MemoryUse
    disks: tuple[DiskUse, ...] = ()
    mounts: tuple[MountUse, ...] = ()
    nets: tuple[NetUse, ...] = ()
    pressure: tuple[Pressure, ...] = ()
    runnable: int = 0
    blocked: int = 0
    switches_per_s: float = 0.0
    retransmits_per_s: float = 0.0
    uptime: float = 0.0
    top: tuple[ProcessRow, ...] = ()
    tcp: TcpUse | None = None
    limit: GroupLimit | None = None
    contained: bool = False  # the view of a container, not of its host
    frequency_hz: float | None = None
    temperature_c: float | None = None
    files: tuple[int, int] | None = None  # descriptors open on the whole host, and the most it allows
    own: OwnCost | None = None
    missing: tuple[str, ...] = ()  # what this system does not tell: names of figures


@dataclass(frozen=True, slots=True)
class ProcessList:
    """Processes of one host, busiest first; `total` counts also those not listed.

    `missing` are fields of rows that this system does not tell of any process, each with the reason.
    """

    host: str
    at: float
    rows: tuple[ProcessRow, ...]
    total: int
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Growth:
    """Something that grew over `seconds`: a process's memory or a file system's use, in bytes.

    `per_s` is the Theil-Sen slope, `low` and `high` its 95% interval; `limit` what it may reach
    (0: none known).
    """

    kind: str  # process, mount
    name: str
    now: float
    per_s: float
    low: float
    high: float
    seconds: float
    limit: float = 0.0

    @property
    def until_full(self) -> float | None:
        """Seconds until the limit at this pace, None without one."""
        return (self.limit - self.now) / self.per_s if self.limit and self.per_s > 0 else None


@dataclass(frozen=True, slots=True)
class Sustained:
    """Means over the last half minute, None where fewer than five samples tell.

    `cpu_lasting` is over two minutes, None before the history is that long.
    `ranges` are the least and the most that each core was busy.
    """

    cpu: float | None = None
    cores: tuple[float | None, ...] = ()
    swap_bytes_per_s: float | None = None
    disks: tuple[tuple[str, float | None], ...] = ()
    iowait: float | None = None
    retransmit_ratio: float | None = None
    throttled_ratio: float | None = None
    cpu_lasting: float | None = None
    ranges: tuple[tuple[float, float] | None, ...] = ()


@dataclass(frozen=True, slots=True)
class HostView:
    """A host in the report: its newest look, what it sustains, what grows, OOM kills since we look."""

    source: str
    at: float
    reading: HostReading
    sustained: Sustained = Sustained()
    growing: tuple[Growth, ...] = ()
    new_oom_kills: int = 0


@dataclass(frozen=True, slots=True)
class HostRank:
    """A host in the list of them all, worst first.

    `trouble` grows with what is wrong: from 4 it is lost, from 1 to 3 it has findings, the rest is
    the fullest of processor, memory, file systems and disks (0-1). `why` says it in words. `at` is its
    newest reading (epoch seconds), 0 when there was none.
    """

    source: str
    host: str
    trouble: float
    why: str
    link: str
    at: float
    cpu: float | None = None
    memory: float | None = None
    load: float | None = None
    disk: float | None = None


@dataclass(frozen=True, slots=True)
class ResourcesReport:
    """Hosts, the applications' requests, errors and durations, and the queues of message brokers.

    Each is by its backend's name; `queues` leaves out those in key-value servers: caches' reports have them.
    `silent` are targets that never answered yet: what they are cannot be told. `told` is how those stand
    that are behind a list, by their sources.
    """

    hosts: tuple[HostView, ...] = ()
    apis: tuple[ApiView, ...] = ()
    queues: tuple[QueueView, ...] = ()
    silent: tuple[str, ...] = ()
    told: tuple[tuple[str, Health], ...] = ()

    def standing(self, links: Mapping[str, Health]) -> dict[str, Health]:
        """Health by source, of those behind lists too; `links` is that of backends."""
        return {**links, **dict(self.told)}

    def host(self, source: str) -> HostView | None:
        """The host behind a backend."""
        return next((view for view in self.hosts if view.source == source), None)
