"""A host's counters out of a scrape under node_exporter's names, as a reading of our own makes them.

Names and labels: https://github.com/prometheus/node_exporter; another perftui agent's `/metrics` has the
same, as far as it tells them. A target that tells of several hosts (label `source`) is read for its first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from perftui.analysis.hostcounters import LOCAL_FS, VIRTUAL_DISKS, Snapshot, TcpCounters, Ticks, compare
from perftui.model.resources import HostReading, MountUse, Pressure

Labels = tuple[tuple[str, str], ...]
Samples = Mapping[str, Sequence[tuple[Labels, float]]]

CPU = "node_cpu_seconds_total"
PAGE = 4096  # bytes: vmstat counts pages and says not how large they are
MOST = 1024  # cores, devices, interfaces or file systems that are taken from one target
LARGEST = float(1 << 62)
MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
DISK = ("reads_completed_total", "read_bytes_total", "read_time_seconds_total")
DISK_WRITES = ("writes_completed_total", "written_bytes_total", "write_time_seconds_total")
DISK_TIME = ("io_time_seconds_total", "io_time_weighted_seconds_total")
FILESYSTEM = ("size_bytes", "avail_bytes", "free_bytes", "files", "files_free", "readonly")
NET = ("bytes_total", "packets_total", "errs_total", "drop_total")
MEMORY = {
    "total": "MemTotal_bytes",
    "available": "MemAvailable_bytes",
    "free": "MemFree_bytes",
    "cached": "Cached_bytes",
    "slab": "SReclaimable_bytes",
    "buffers": "Buffers_bytes",
    "shared": "Shmem_bytes",
    "dirty": "Dirty_bytes",
    "swap_total": "SwapTotal_bytes",
    "swap_free": "SwapFree_bytes",
}
WAITS = {
    "cpu": ("node_pressure_cpu_waiting_seconds_total", ""),
    "memory": ("node_pressure_memory_waiting_seconds_total", "node_pressure_memory_stalled_seconds_total"),
    "io": ("node_pressure_io_waiting_seconds_total", "node_pressure_io_stalled_seconds_total"),
}
TOLD = {
    "network errors": "node_network_receive_errs_total",
    "pressure": WAITS["cpu"][0],
    "connections": "node_netstat_Tcp_CurrEstab",
    "inodes": "node_filesystem_files",
    "descriptors": "node_filefd_allocated",
}
"""Figures that targets may leave out, and the metric that tells them."""


NAMES: tuple[str, ...] = (
    CPU,
    "node_cpu_guest_seconds_total",
    *(f"node_memory_{name}" for name in MEMORY.values()),
    *(f"node_memory_{name}" for name in ("Hugepagesize_bytes", "HugePages_Total", "HugePages_Free")),
    *(f"node_load{minutes}" for minutes in (1, 5, 15)),
    *(f"node_disk_{name}" for name in (*DISK, *DISK_WRITES, *DISK_TIME)),
    *(f"node_network_{way}_{name}" for way in ("receive", "transmit") for name in NET),
    "node_network_speed_bytes",
    *(f"node_filesystem_{name}" for name in FILESYSTEM),
    *(f"node_{name}" for name in ("context_switches_total", "procs_running", "procs_blocked")),
    *(f"node_vmstat_{name}" for name in ("pswpin", "pswpout", "oom_kill")),
    *(f"node_netstat_{name}" for name in ("Tcp_OutSegs", "Tcp_RetransSegs", "Tcp_CurrEstab")),
    *("node_netstat_TcpExt_ListenOverflows", "node_sockstat_sockets_used", "node_tcp_connection_states"),
    *("node_filefd_maximum", "node_filefd_allocated", "node_boot_time_seconds", "node_time_seconds"),
    *("node_uname_info", "node_cpu_scaling_frequency_hertz", "node_hwmon_temp_celsius"),
    *(name for pair in WAITS.values() for name in pair if name),
)
"""All that is read of a host: what to ask a server for that has scraped it."""


class NodeHost:
    """The host behind one target; rates cover the time between two scrapes."""

    def __init__(self) -> None:
        self._before: tuple[Snapshot, dict[str, float]] | None = None

    def reading(self, samples: Samples, at: float, mono: float, name: str) -> HostReading | None:
        """The host of a scrape at epoch `at`, None when the target tells of none.

        `name` is what it is called where it does not say.
        """
        if CPU not in samples:
            return None
        told = _Told(samples)
        now, waits = snapshot(told, at, mono), told.waits()
        before = self._before
        self._before = (now, waits)
        found = compare(told.hostname() or name, now, before[0] if before else None)
        if before is not None and found.window > 0:
            found = replace(found, pressure=_pressure(waits, before[1], found.window))
        return found


class _Told:
    """The samples of one host of a scrape."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        sources = {value for labels, _ in samples[CPU] for label, value in labels if label == "source"}
        self._source = min(sources, default="")

    def rows(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Labels and values of a metric, numbers only, of this host only."""
        for labels, value in self._samples.get(name, ()):
            by_name = dict(labels)
            if by_name.get("source", self._source) == self._source and math.isfinite(value):
                yield by_name, min(max(value, -LARGEST), LARGEST)

    def one(self, name: str, otherwise: float = 0.0) -> float:
        """The first value of a metric."""
        return next((value for _, value in self.rows(name)), otherwise)

    def by(self, label: str, name: str) -> dict[str, float]:
        """Values by one label, at most `MOST` of them."""
        found: dict[str, float] = {}
        for labels, value in self.rows(name):
            if label in labels and (labels[label] in found or len(found) < MOST):
                found[labels[label]] = value
        return found

    def hostname(self) -> str:
        """What the host calls itself, '' where it does not tell."""
        return next(
            (labels["nodename"] for labels, _ in self.rows("node_uname_info") if "nodename" in labels), ""
        )

    def has(self, name: str) -> bool:
        """Whether a metric is there at all."""
        return name in self._samples

    def waits(self) -> dict[str, float]:
        """Counters of seconds in which tasks waited, by metric."""
        names = [name for pair in WAITS.values() for name in pair if name and self.has(name)]
        return {name: self.one(name) for name in names}


def snapshot(told: _Told, at: float, mono: float) -> Snapshot:
    """The counters of a scrape in the shape that two of them are compared in."""
    cores = _cores(told)
    boot = told.one("node_boot_time_seconds")
    return Snapshot(
        mono=mono,
        cpu=tuple(map(sum, zip(*cores, strict=True))) if cores else (0.0,) * 9,
        cores=cores,
        memory=_memory(told),
        load=(told.one("node_load1"), told.one("node_load5"), told.one("node_load15")),
        disks=_disks(told),
        nets=_nets(told),
        mounts=_mounts(told),
        links={n: int(v * 8) for n, v in told.by("device", "node_network_speed_bytes").items() if v > 0},
        switches=int(told.one("node_context_switches_total")),
        runnable=int(told.one("node_procs_running")),
        blocked=int(told.one("node_procs_blocked")),
        swapped_in=int(told.one("node_vmstat_pswpin") * PAGE),
        swapped_out=int(told.one("node_vmstat_pswpout") * PAGE),
        tcp=_tcp(told),
        oom_kills=int(told.one("node_vmstat_oom_kill")) if told.has("node_vmstat_oom_kill") else None,
        uptime=max(0.0, told.one("node_time_seconds", at) - boot) if boot else 0.0,
        frequency_hz=max((v for _, v in told.rows("node_cpu_scaling_frequency_hertz")), default=None),
        temperature_c=max((v for _, v in told.rows("node_hwmon_temp_celsius")), default=None),
        files=_files(told),
        missing=tuple(figure for figure, name in TOLD.items() if not told.has(name)),
    )


def _cores(told: _Told) -> list[Ticks]:
    """Seconds by mode of each core in the order of their numbers."""
    found: dict[str, list[float]] = {}
    for labels, value in told.rows(CPU):
        core, mode = labels.get("cpu", ""), labels.get("mode", "")
        if mode in MODES and (core in found or len(found) < MOST):
            found.setdefault(core, [0.0] * 9)[MODES.index(mode)] = value
    for labels, value in told.rows("node_cpu_guest_seconds_total"):
        if labels.get("cpu") in found:
            found[labels["cpu"]][8] += value
    order = sorted(found, key=lambda name: (int(name) if name.isdecimal() and len(name) < 9 else MOST, name))
    return [tuple(found[name]) for name in order]


def _memory(told: _Told) -> dict[str, int]:
    found = {ours: max(0, int(told.one(f"node_memory_{name}"))) for ours, name in MEMORY.items()}
    found["cached"] += found.pop("slab")
    huge = told.one("node_memory_Hugepagesize_bytes")
    found["huge_total"] = int(told.one("node_memory_HugePages_Total") * huge)
    found["huge_free"] = int(told.one("node_memory_HugePages_Free") * huge)
    if not told.has("node_memory_MemAvailable_bytes"):
        found["available"] = found["free"] + found["cached"] + found["buffers"]
    return found


def _disks(told: _Told) -> dict[str, tuple[float, ...]]:
    columns = [told.by("device", f"node_disk_{name}") for name in (*DISK, *DISK_WRITES, *DISK_TIME)]
    devices = [name for name in columns[0] if not name.startswith(VIRTUAL_DISKS)]
    return {name: tuple(column.get(name, 0.0) for column in columns) for name in devices}


def _nets(told: _Told) -> dict[str, tuple[int, ...]]:
    columns = [
        told.by("device", f"node_network_{way}_{name}") for way in ("receive", "transmit") for name in NET
    ]
    return {name: tuple(int(column.get(name, 0)) for column in columns) for name in columns[0]}


def _mounts(told: _Told) -> tuple[MountUse, ...]:
    """Local file systems, each device once under its shortest path, as for this host."""
    found: dict[str, MountUse] = {}
    left, free, files, files_free, locked = (
        {_mount(labels): value for labels, value in told.rows(f"node_filesystem_{name}")}
        for name in FILESYSTEM[1:]
    )
    for labels, size in told.rows("node_filesystem_size_bytes"):
        device, fs, path = place = _mount(labels)
        known = found.get(device)
        if fs not in LOCAL_FS or size <= 0 or (known and len(known.path) <= len(path)) or len(found) >= MOST:
            continue
        available = int(left.get(place, 0))
        used = int(size - free.get(place, available))
        nodes = files.get(place, 0.0)
        inodes = 1 - files_free.get(place, nodes) / nodes if nodes > 0 else 0.0
        ro = bool(locked.get(place, 0))
        found[device] = MountUse(path, device, fs, int(size), available, used, inodes, ro, int(nodes))
    return tuple(sorted(found.values(), key=lambda m: m.path))


def _mount(labels: Mapping[str, str]) -> tuple[str, str, str]:
    return labels.get("device", ""), labels.get("fstype", ""), labels.get("mountpoint", "")


def _tcp(told: _Told) -> TcpCounters | None:
    if not told.has("node_netstat_Tcp_RetransSegs"):
        return None
    states = told.by("state", "node_tcp_connection_states")
    states.setdefault("established", told.one("node_netstat_Tcp_CurrEstab"))
    return TcpCounters(
        out=int(told.one("node_netstat_Tcp_OutSegs")),
        retransmits=int(told.one("node_netstat_Tcp_RetransSegs")),
        overflows=int(told.one("node_netstat_TcpExt_ListenOverflows")),
        sockets=int(told.one("node_sockstat_sockets_used")),
        states=tuple((name, int(count)) for name, count in sorted(states.items())),
    )


def _files(told: _Told) -> tuple[int, int] | None:
    most = told.one("node_filefd_maximum")
    return (int(told.one("node_filefd_allocated")), int(most)) if most else None


def _pressure(now: Mapping[str, float], before: Mapping[str, float], window: float) -> tuple[Pressure, ...]:
    """Shares of the time between two scrapes, from the counters (the averages are not exported)."""

    def share(name: str) -> float:
        return min(1.0, max(0.0, now.get(name, 0.0) - before.get(name, now.get(name, 0.0))) / window)

    return tuple(
        Pressure(what, share(some), share(full)) for what, (some, full) in WAITS.items() if some in now
    )
