"""The samples of a host reading: what history keeps of it."""

from __future__ import annotations

from functools import cache

from perftui.model.reading import Measure
from perftui.model.resources import DiskUse, HostReading, NetUse
from perftui.model.series import SeriesKey

CORES_SAMPLED = 128

Row = tuple[str, float, str, str, str]
"""Name, value, unit, label, label's value."""


@cache
def _key(source: str, name: str, label: str, value: str) -> SeriesKey:
    return SeriesKey(source, name, ((label, value),) if label else ())


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
    rows += [("process.rss_bytes", p.rss, "bytes", "process", f"{p.name} {p.pid}") for p in r.top]
    rows += [("fs.used_ratio", m.used_ratio, "ratio", "mount", m.path) for m in r.mounts]
    return rows


def _rates(r: HostReading) -> list[Row]:
    swap = r.memory.swap_in_per_s + r.memory.swap_out_per_s
    rows: list[Row] = [
        ("cpu.busy_ratio", r.cpu.busy, "ratio", "", ""),
        ("cpu.iowait_ratio", r.cpu.iowait, "ratio", "", ""),
        ("memory.swap_bytes_per_s", swap, "bytes/s", "", ""),
        ("tcp.retransmits_per_s", r.retransmits_per_s, "1/s", "", ""),
    ]
    rows += [("cpu.core_busy_ratio", c.busy, "ratio", "core", c.name) for c in r.cores[:CORES_SAMPLED]]
    rows += [row for disk in r.disks for row in _disk(disk)]
    rows += [row for net in r.nets for row in _net(net)]
    return rows


def _disk(d: DiskUse) -> list[Row]:
    return [
        ("disk.read_bytes_per_s", d.read_bytes_per_s, "bytes/s", "device", d.device),
        ("disk.write_bytes_per_s", d.write_bytes_per_s, "bytes/s", "device", d.device),
        ("disk.busy_ratio", d.busy, "ratio", "device", d.device),
    ]


def _net(n: NetUse) -> list[Row]:
    return [
        ("net.rx_bytes_per_s", n.rx_bytes_per_s, "bytes/s", "interface", n.interface),
        ("net.tx_bytes_per_s", n.tx_bytes_per_s, "bytes/s", "interface", n.interface),
    ]
