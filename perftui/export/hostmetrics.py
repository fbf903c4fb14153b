"""Hosts under node_exporter's names and labels, so that people's rules and dashboards work unchanged.

Our readings carry rates; counters are their integral since we first looked, and grow as theirs do.
"""

from __future__ import annotations

from collections import defaultdict

from perftui.export.families import Families, Labels
from perftui.model.resources import CpuUse, DiskUse, HostReading, NetUse

CORES = 256
_MODES = ("user", "nice", "system", "iowait", "irq", "softirq", "steal")


class HostCounters:
    """Counters of one host, fed with each of its readings."""

    def __init__(self) -> None:
        self.values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))

    def add(self, r: HostReading) -> None:
        """What came in the time since the reading before."""
        if r.window <= 0:
            return
        for core in r.cores[:CORES]:
            self._cpu(core, r.window)
        for disk in r.disks:
            self._disk(disk, r.window)
        for net in r.nets:
            self._net(net, r.window)
        self._grow("node_context_switches", (), r.switches_per_s * r.window)

    def _grow(self, name: str, labels: Labels, more: float) -> None:
        self.values[name][labels] += max(0.0, more)

    def _cpu(self, core: CpuUse, window: float) -> None:
        shares = {mode: getattr(core, mode) for mode in _MODES}
        shares["idle"] = max(0.0, 1.0 - core.busy - core.iowait)
        for mode, share in shares.items():
            self._grow("node_cpu_seconds", (("cpu", core.name), ("mode", mode)), share * window)

    def _disk(self, d: DiskUse, window: float) -> None:
        device = (("device", d.device),)
        rows = {
            "node_disk_reads_completed": d.reads_per_s,
            "node_disk_writes_completed": d.writes_per_s,
            "node_disk_read_bytes": d.read_bytes_per_s,
            "node_disk_written_bytes": d.write_bytes_per_s,
            "node_disk_read_time_seconds": d.read_wait_s * d.reads_per_s,
            "node_disk_write_time_seconds": d.write_wait_s * d.writes_per_s,
            "node_disk_io_time_seconds": d.busy,
        }
        for name, rate in rows.items():
            self._grow(name, device, rate * window)

    def _net(self, n: NetUse, window: float) -> None:
        device = (("device", n.interface),)
        rows = {
            "node_network_receive_bytes": n.rx_bytes_per_s,
            "node_network_transmit_bytes": n.tx_bytes_per_s,
            "node_network_receive_packets": n.rx_packets_per_s,
            "node_network_transmit_packets": n.tx_packets_per_s,
        }
        for name, rate in rows.items():
            self._grow(name, device, rate * window)


def put_host(found: Families, r: HostReading, counters: HostCounters, at: float, extra: Labels) -> None:
    """One host's families; `extra` tells hosts apart where there are several."""
    for name, rows in counters.values.items():
        for labels, value in rows.items():
            family = found.family(name, "counter", f"Since perftui first looked: {_words(name)}.")
            family.put((*labels, *extra), value)
    m = r.memory
    levels = {
        "node_memory_MemTotal_bytes": m.total,
        "node_memory_MemAvailable_bytes": m.available,
        "node_memory_MemFree_bytes": m.free,
        "node_memory_Cached_bytes": m.cached,
        "node_memory_Buffers_bytes": m.buffers,
        "node_memory_Shmem_bytes": m.shared,
        "node_memory_Dirty_bytes": m.dirty,
        "node_memory_SwapTotal_bytes": m.swap_total,
        "node_memory_SwapFree_bytes": m.swap_free,
        "node_load1": r.load[0],
        "node_load5": r.load[1],
        "node_load15": r.load[2],
        "node_procs_running": r.runnable,
        "node_procs_blocked": r.blocked,
        "node_boot_time_seconds": round(at - r.uptime),
    }
    for name, value in levels.items():
        found.family(name, "gauge", f"{_words(name)}, as last read.").put(extra, value)
    _put_mounts(found, r, extra)


def _put_mounts(found: Families, r: HostReading, extra: Labels) -> None:
    for mount in r.mounts:
        labels = (("device", mount.device), ("fstype", mount.fs), ("mountpoint", mount.path), *extra)
        rows = {"size_bytes": mount.total, "avail_bytes": mount.available, "readonly": mount.read_only}
        for name, value in rows.items():
            family = found.family(f"node_filesystem_{name}", "gauge", f"File system: {_words(name)}.")
            family.put(labels, float(value))


def _words(name: str) -> str:
    return name.removeprefix("node_").replace("_", " ")
