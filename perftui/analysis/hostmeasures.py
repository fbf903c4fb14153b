"""The samples of a host reading: what history keeps of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from perftui.model.reading import Measure
from perftui.model.resources import DiskUse, HostReading, MountUse, NetUse, ProcessRow
from perftui.model.series import SeriesKey

CORES_SAMPLED = 128
PROCESS_FIGURES = {
    "process.cpu_ratio": ("cpu", "ratio"),
    "process.rss_bytes": ("rss", "bytes"),
    "process.pss_bytes": ("pss", "bytes"),
    "process.threads": ("threads", "1"),
    "process.fds": ("fds", "1"),
    "process.read_bytes_per_s": ("read_per_s", "bytes/s"),
    "process.write_bytes_per_s": ("write_per_s", "bytes/s"),
}
"""Series of a process → the field of its row and the unit."""

Row = tuple[str, float, str, str, str]
"""Name, value, unit, label, label's value."""


@cache
def _key(source: str, name: str, label: str, value: str) -> SeriesKey:
    return SeriesKey(source, name, ((label, value),) if label else ())


ABOUT = 1.0
"""Seconds to which a process' start is known: the kernel tells to the second when it booted."""


def process_label(name: str, pid: int) -> str:
    """The label of a process's series; a pid used again has it too: what is before its start is not its."""
    return f"{name} {pid}"


def process_measures(source: str, rows: Iterable[ProcessRow]) -> tuple[Measure, ...]:
    """The samples of processes that were looked at closely; what is not known is left out."""
    found: list[Measure] = []
    for row in rows:
        labels = (("process", process_label(row.name, row.pid)),)
        values = ((name, getattr(row, of), unit) for name, (of, unit) in PROCESS_FIGURES.items())
        found += [Measure(SeriesKey(source, n, labels), float(v), u) for n, v, u in values if v is not None]
    return tuple(found)


def measures(source: str, r: HostReading) -> tuple[Measure, ...]:
    """The samples of a reading; rates only once there is a window to take them over."""
    rows = _levels(r) + (_rates(r) if r.window else [])
    return tuple(Measure(_key(source, name, label, at), value, unit) for name, value, unit, label, at in rows)


def _levels(r: HostReading) -> list[Row]:
    rows: list[Row] = [
        ("memory.used_ratio", r.memory.used_ratio, "ratio", "", ""),
        ("memory.used_bytes", r.memory.used, "bytes", "", ""),
        ("memory.swap_ratio", r.memory.swap_ratio, "ratio", "", ""),
        ("load.1m", r.load[0], "1", "", ""),
    ]
    rows += [("pressure.some_ratio", p.some, "ratio", "resource", p.resource) for p in r.pressure]
    rows += [("pressure.full_ratio", p.full, "ratio", "resource", p.resource) for p in r.pressure if p.full]
    rows += [("process.rss_bytes", p.rss, "bytes", "process", process_label(p.name, p.pid)) for p in r.top]
    rows += [
        ("process.fd_ratio", p.fds / p.fd_limit, "ratio", "process", process_label(p.name, p.pid))
        for p in r.top
        if p.fds is not None and p.fd_limit
    ]
    rows += [row for mount in r.mounts for row in _mount(mount)]
    if r.memory.oom_kills is not None:
        rows.append(("memory.oom_kills", r.memory.oom_kills, "1", "", ""))
    if r.files is not None and r.files[1]:
        rows.append(("files.open_ratio", r.files[0] / r.files[1], "ratio", "", ""))
    if r.tcp is not None:
        rows += [("tcp.connections", count, "1", "state", state) for state, count in r.tcp.states or ()]
    if r.limit is not None and r.limit.memory_ratio is not None:
        rows.append(("limit.memory_ratio", r.limit.memory_ratio, "ratio", "", ""))
    if r.temperature_c is not None:
        rows.append(("cpu.temperature_c", r.temperature_c, "°C", "", ""))
    return rows


def _rates(r: HostReading) -> list[Row]:
    swap = r.memory.swap_in_per_s + r.memory.swap_out_per_s
    rows: list[Row] = [
        ("cpu.busy_ratio", r.cpu.busy, "ratio", "", ""),
        ("cpu.iowait_ratio", r.cpu.iowait, "ratio", "", ""),
        ("cpu.user_ratio", r.cpu.user + r.cpu.nice, "ratio", "", ""),
        ("cpu.system_ratio", r.cpu.system + r.cpu.irq + r.cpu.softirq, "ratio", "", ""),
        ("cpu.steal_ratio", r.cpu.steal, "ratio", "", ""),
        ("cpu.switches_per_s", r.switches_per_s, "1/s", "", ""),
        ("memory.swap_bytes_per_s", swap, "bytes/s", "", ""),
        ("tcp.retransmits_per_s", r.retransmits_per_s, "1/s", "", ""),
    ]
    if r.tcp is not None:
        rows.append(("tcp.retransmit_ratio", r.tcp.retransmit_ratio, "ratio", "", ""))
        rows.append(("tcp.overflows_per_s", r.tcp.overflows_per_s, "1/s", "", ""))
    if r.limit is not None and r.limit.cores:
        rows.append(("limit.cpu_ratio", r.limit.used_cores / r.limit.cores, "ratio", "", ""))
        rows.append(("limit.throttled_ratio", r.limit.throttled_ratio, "ratio", "", ""))
    if r.own is not None:
        rows.append(("own.cpu_ratio", r.own.cpu, "ratio", "", ""))
    rows += [("cpu.core_busy_ratio", c.busy, "ratio", "core", c.name) for c in r.cores[:CORES_SAMPLED]]
    rows += [row for disk in r.disks for row in _disk(disk)]
    rows += [row for net in r.nets for row in _net(net)]
    return rows


def _disk(d: DiskUse) -> list[Row]:
    return [
        ("disk.read_bytes_per_s", d.read_bytes_per_s, "bytes/s", "device", d.device),
        ("disk.write_bytes_per_s", d.write_bytes_per_s, "bytes/s", "device", d.device),
        ("disk.busy_ratio", d.busy, "ratio", "device", d.device),
        ("disk.reads_per_s", d.reads_per_s, "1/s", "device", d.device),
        ("disk.writes_per_s", d.writes_per_s, "1/s", "device", d.device),
        ("disk.read_wait_s", d.read_wait_s, "s", "device", d.device),
        ("disk.write_wait_s", d.write_wait_s, "s", "device", d.device),
        ("disk.queue", d.queue, "1", "device", d.device),
    ]


def _mount(m: MountUse) -> list[Row]:
    rows: list[Row] = [("fs.used_ratio", m.used_ratio, "ratio", "mount", m.path)]
    if m.inode_ratio:  # some file systems have no fixed number of them
        rows.append(("fs.inode_ratio", m.inode_ratio, "ratio", "mount", m.path))
    return [*rows, ("fs.read_only", float(m.read_only), "1", "mount", m.path)]


def _net(n: NetUse) -> list[Row]:
    return [
        ("net.rx_bytes_per_s", n.rx_bytes_per_s, "bytes/s", "interface", n.interface),
        ("net.tx_bytes_per_s", n.tx_bytes_per_s, "bytes/s", "interface", n.interface),
        ("net.errors_per_s", n.errors_per_s, "1/s", "interface", n.interface),
        ("net.drops_per_s", n.drops_per_s, "1/s", "interface", n.interface),
    ]
