"""Counters of a host at one instant, and the reading that two of them make."""

from __future__ import annotations

from dataclasses import dataclass, field

from perftui.model.resources import (
    CpuUse,
    DiskUse,
    GroupLimit,
    HostReading,
    MemoryUse,
    MountUse,
    NetUse,
    OwnCost,
    Pressure,
    TcpUse,
)

VIRTUAL_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
LOCAL_FS = {
    "ext2",
    "ext3",
    "ext4",
    "xfs",
    "btrfs",
    "zfs",
    "f2fs",
    "overlay",
    "vfat",
    "exfat",
    "jfs",
    "bcachefs",
}
"""File systems of a host's own devices: asking a network's can hang, others are no storage."""

Ticks = tuple[float, ...]
"""user nice system idle iowait irq softirq steal guest, in any one unit; user and nice hold guests' time."""


@dataclass(slots=True)
class GroupCounters:
    """Limits and counters of a control group; None: no limit. Sizes are bytes, times seconds."""

    version: int
    path: str
    cores: float | None = None
    memory: int | None = None
    used_s: float = 0.0
    periods: int = 0
    throttled: int = 0
    throttled_s: float = 0.0
    memory_used: int = 0
    events: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class TcpCounters:
    """What TCP counted since boot, and its sockets now."""

    out: int = 0
    retransmits: int = 0
    overflows: int = 0
    sockets: int = 0
    states: tuple[tuple[str, int], ...] | None = None


@dataclass(slots=True)
class Snapshot:
    """What the system counts since boot. `mono` is monotonic seconds, sizes are bytes.

    `disks`: reads, read bytes, read seconds, writes, write bytes, write seconds, busy seconds,
    weighted seconds. `nets`: rx bytes, packets, errors, drops, then tx the same.
    """

    mono: float
    cpu: Ticks
    cores: list[Ticks]
    memory: dict[str, int]
    load: tuple[float, float, float] = (0.0, 0.0, 0.0)
    disks: dict[str, tuple[float, ...]] = field(default_factory=dict)
    nets: dict[str, tuple[int, ...]] = field(default_factory=dict)
    mounts: tuple[MountUse, ...] = ()
    pressure: tuple[Pressure, ...] = ()
    links: dict[str, int] = field(default_factory=dict)
    switches: int = 0
    runnable: int = 0
    blocked: int = 0
    swapped_in: int = 0
    swapped_out: int = 0
    tcp: TcpCounters | None = None
    oom_kills: int | None = None
    uptime: float = 0.0
    group: GroupCounters | None = None
    contained: bool = False
    frequency_hz: float | None = None
    temperature_c: float | None = None
    files: tuple[int, int] | None = None
    own: tuple[float, int, int] | None = None  # seconds of processor, resident bytes, bytes written
    missing: tuple[str, ...] = ()


def compare(host: str, now: Snapshot, before: Snapshot | None) -> HostReading:
    """The reading of `now`, with rates since `before`; without one, rates are 0 and window is 0."""
    past = before or now
    window = now.mono - past.mono
    cores = zip(now.cores, past.cores, strict=False)
    tcp = _tcp(now, past, window)
    return HostReading(
        host=host,
        window=window,
        cpu=_cpu("all", now.cpu, past.cpu),
        cores=tuple(_cpu(str(i), a, b) for i, (a, b) in enumerate(cores)),
        load=now.load,
        memory=_memory(now, past, window),
        disks=_disks(now, past, window),
        mounts=now.mounts,
        nets=_nets(now, past, window),
        pressure=now.pressure,
        runnable=now.runnable,
        blocked=now.blocked,
        switches_per_s=_rate(now.switches, past.switches, window),
        retransmits_per_s=tcp.retransmits_per_s if tcp else 0.0,
        uptime=now.uptime,
        tcp=tcp,
        limit=_limit(now.group, past.group, window),
        contained=now.contained,
        frequency_hz=now.frequency_hz,
        temperature_c=now.temperature_c,
        files=now.files,
        own=_own(now, past, window),
        missing=now.missing,
    )


def _rate(now: float, before: float, window: float) -> float:
    return (now - before) / window if window > 0 and now >= before else 0.0


def _cpu(name: str, now: Ticks, before: Ticks) -> CpuUse:
    """Shares of the ticks between; a counter that fell (iowait may) counts as still."""
    spent = [max(0.0, a - b) for a, b in zip(now, before, strict=True)]
    whole = sum(spent[:8])  # guests' time stands in user and nice already
    if whole <= 0:
        return CpuUse(name, 0.0)
    user, nice, system, idle, iowait, irq, softirq, steal = (part / whole for part in spent[:8])
    guest = sum(spent[8:]) / whole
    return CpuUse(name, max(0.0, 1 - idle - iowait), user, nice, system, iowait, irq, softirq, steal, guest)


def _tcp(now: Snapshot, past: Snapshot, window: float) -> TcpUse | None:
    if now.tcp is None:
        return None
    old = past.tcp or now.tcp
    return TcpUse(
        retransmits_per_s=_rate(now.tcp.retransmits, old.retransmits, window),
        segments_out_per_s=_rate(now.tcp.out, old.out, window),
        overflows_per_s=_rate(now.tcp.overflows, old.overflows, window),
        sockets=now.tcp.sockets,
        states=now.tcp.states,
    )


def _limit(now: GroupCounters | None, past: GroupCounters | None, window: float) -> GroupLimit | None:
    if now is None:
        return None
    old = past if past is not None and past.path == now.path else now
    periods = now.periods - old.periods
    return GroupLimit(
        version=now.version,
        path=now.path,
        cores=now.cores,
        used_cores=_rate(now.used_s, old.used_s, window),
        throttled_ratio=min(1.0, max(0, now.throttled - old.throttled) / periods) if periods > 0 else 0.0,
        throttled_s=_rate(now.throttled_s, old.throttled_s, window),
        memory=now.memory,
        memory_used=now.memory_used,
        events=now.events,
    )


def _own(now: Snapshot, past: Snapshot, window: float) -> OwnCost | None:
    if now.own is None:
        return None
    seconds, rss, written = now.own
    old_s, _, old_written = past.own or now.own
    return OwnCost(_rate(seconds, old_s, window), rss, _rate(written, old_written, window))


def _memory(now: Snapshot, past: Snapshot, window: float) -> MemoryUse:
    known = now.memory
    return MemoryUse(
        total=known.get("total", 0),
        available=known.get("available", 0),
        free=known.get("free", 0),
        cached=known.get("cached", 0),
        buffers=known.get("buffers", 0),
        shared=known.get("shared", 0),
        dirty=known.get("dirty", 0),
        swap_total=known.get("swap_total", 0),
        swap_free=known.get("swap_free", 0),
        swap_in_per_s=_rate(now.swapped_in, past.swapped_in, window),
        swap_out_per_s=_rate(now.swapped_out, past.swapped_out, window),
        oom_kills=now.oom_kills,
        huge_total=known.get("huge_total", 0),
        huge_free=known.get("huge_free", 0),
    )


def _disks(now: Snapshot, past: Snapshot, window: float) -> tuple[DiskUse, ...]:
    rows = []
    for device, counts in now.disks.items():
        before = past.disks.get(device)
        if before is None:
            continue
        gained = [a - b for a, b in zip(counts, before, strict=True)]
        if window > 0 and min(gained) >= 0:
            rows.append(_disk(device, gained, window))
    return tuple(rows)


def _disk(device: str, gained: list[float], window: float) -> DiskUse:
    reads, read_bytes, read_s, writes, write_bytes, write_s, busy_s, queued_s = gained
    return DiskUse(
        device=device,
        reads_per_s=reads / window,
        writes_per_s=writes / window,
        read_bytes_per_s=read_bytes / window,
        write_bytes_per_s=write_bytes / window,
        read_wait_s=read_s / reads if reads else 0.0,
        write_wait_s=write_s / writes if writes else 0.0,
        queue=queued_s / window,
        busy=min(1.0, busy_s / window),
    )


def _nets(now: Snapshot, past: Snapshot, window: float) -> tuple[NetUse, ...]:
    """Interfaces known at both instants; one whose counters fell is left out: a gap, no giant rate."""
    rows = []
    for name, counts in now.nets.items():
        before = past.nets.get(name)
        if before is None:
            continue
        gained = [a - b for a, b in zip(counts, before, strict=True)]
        if window > 0 and min(gained) >= 0:
            rx, rx_n, rx_bad, rx_drop, tx, tx_n, tx_bad, tx_drop = (part / window for part in gained)
            bad, drop, link = rx_bad + tx_bad, rx_drop + tx_drop, now.links.get(name, 0)
            rows.append(NetUse(name, rx, tx, rx_n, tx_n, bad, drop, link, tx_bad, tx_drop))
    return tuple(rows)
