"""A host's reading as node_exporter would tell it: its metrics' names, labels and values.

Our readings carry rates; counters are their integral since we first looked, and grow as theirs do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from perftui.model.alerts import Labels
from perftui.model.resources import CpuUse, DiskUse, HostReading, NetUse

CORES = 256
PAGE = 4096  # bytes: what vmstat counts in
_MODES = ("user", "nice", "system", "iowait", "irq", "softirq", "steal")


class NodeRow(NamedTuple):
    """One sample; `name` is the family's, to which a counter's samples add `_total`."""

    name: str
    kind: str
    labels: Labels
    value: float
    help: str

    @property
    def metric(self) -> str:
        """The name its sample has."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


class HostCounters:
    """Counters of one host, fed with each of its readings."""

    def __init__(self) -> None:
        self.values: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self.untyped: dict[str, float] = {}

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
        for one in r.pressure:
            self._grow(f"node_pressure_{one.resource}_waiting_seconds", (), one.some * r.window)
            if one.resource != "cpu":
                self._grow(f"node_pressure_{one.resource}_stalled_seconds", (), one.full * r.window)
        self._untyped("node_vmstat_pswpin", r.memory.swap_in_per_s / PAGE * r.window)
        self._untyped("node_vmstat_pswpout", r.memory.swap_out_per_s / PAGE * r.window)
        if r.tcp is not None:
            self._untyped("node_netstat_Tcp_RetransSegs", r.tcp.retransmits_per_s * r.window)
            self._untyped("node_netstat_Tcp_OutSegs", r.tcp.segments_out_per_s * r.window)
            self._untyped("node_netstat_TcpExt_ListenOverflows", r.tcp.overflows_per_s * r.window)

    def _untyped(self, name: str, more: float) -> None:
        """A count that exporters tell under a name without `_total`."""
        self.untyped[name] = self.untyped.get(name, 0.0) + max(0.0, more)

    def _grow(self, name: str, labels: Labels, more: float) -> None:
        self.values[name][labels] += max(0.0, more)

    def _cpu(self, core: CpuUse, window: float) -> None:
        shares = {mode: getattr(core, mode) for mode in _MODES}
        shares["idle"] = max(0.0, 1.0 - core.busy - core.iowait)
        for mode, share in shares.items():
            self._grow("node_cpu_seconds", (("cpu", core.name), ("mode", mode)), share * window)
        if core.guest:
            self._grow("node_cpu_guest_seconds", (("cpu", core.name), ("mode", "user")), core.guest * window)

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
            "node_disk_io_time_weighted_seconds": d.queue,
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
            "node_network_receive_errs": n.errors_per_s - n.tx_errors_per_s,
            "node_network_transmit_errs": n.tx_errors_per_s,
            "node_network_receive_drop": n.drops_per_s - n.tx_drops_per_s,
            "node_network_transmit_drop": n.tx_drops_per_s,
        }
        for name, rate in rows.items():
            self._grow(name, device, rate * window)


def node_rows(r: HostReading, counters: HostCounters, at: float) -> Iterator[NodeRow]:
    """All that is known of a host but its name."""
    for name, rows in counters.values.items():
        for labels, value in rows.items():
            yield NodeRow(name, "counter", labels, value, f"Since perftui first looked: {_words(name)}.")
    for name, value in _levels(r, counters, at).items():
        yield NodeRow(name, "gauge", (), value, f"{_words(name)}, as last read.")
    for state, count in (r.tcp.states or ()) if r.tcp is not None else ():
        which = (("state", state),)
        yield NodeRow("node_tcp_connection_states", "gauge", which, float(count), "TCP connections by state.")
    for net in r.nets:
        if net.link_bps:
            said, device = "Bytes a second that a link can do.", (("device", net.interface),)
            yield NodeRow("node_network_speed_bytes", "gauge", device, net.link_bps / 8, said)
    yield from _mounts(r)


def _levels(r: HostReading, counters: HostCounters, at: float) -> dict[str, float]:
    m = r.memory
    return {
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
        "node_time_seconds": at,
        **counters.untyped,
        **_told(r),
    }


def _told(r: HostReading) -> dict[str, float]:
    """What not every system tells."""
    found: dict[str, float] = {}
    if r.memory.oom_kills is not None:
        found["node_vmstat_oom_kill"] = r.memory.oom_kills
    if r.files is not None:
        found["node_filefd_allocated"], found["node_filefd_maximum"] = r.files
    if r.tcp is not None:
        found["node_sockstat_sockets_used"] = r.tcp.sockets
        found["node_netstat_Tcp_CurrEstab"] = dict(r.tcp.states or ()).get("established", 0)
    return found


def _mounts(r: HostReading) -> Iterator[NodeRow]:
    for mount in r.mounts:
        labels = (("device", mount.device), ("fstype", mount.fs), ("mountpoint", mount.path))
        rows = {"size_bytes": mount.total, "avail_bytes": mount.available, "readonly": mount.read_only}
        rows["free_bytes"] = mount.total - mount.used
        if mount.inodes:
            rows["files"] = mount.inodes
            rows["files_free"] = round(mount.inodes * (1 - mount.inode_ratio))
        for name, value in rows.items():
            said = f"File system: {_words(name)}."
            yield NodeRow(f"node_filesystem_{name}", "gauge", labels, float(value), said)


def _words(name: str) -> str:
    return name.removeprefix("node_").replace("_", " ")
