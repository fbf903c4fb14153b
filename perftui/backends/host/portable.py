"""Reads a host through psutil where there is no /proc: macOS and the BSDs."""

from __future__ import annotations

import os
import time
from typing import Any

from perftui.analysis.hostcounters import Snapshot, Ticks
from perftui.model.errors import Unsupported
from perftui.model.resources import MountUse

MISSING = ("pressure", "connections", "inodes", "descriptors", "limits of the container")
"""Figures that only /proc and /sys tell."""


class PsutilSource:
    """Snapshots by psutil; what a system does not count stays 0."""

    def __init__(self) -> None:
        try:
            import psutil
        except ImportError as error:
            raise Unsupported("no /proc and no psutil here: pip install psutil") from error
        self.psutil: Any = psutil

    def close(self) -> None:
        """Nothing is held open."""

    def take(self) -> Snapshot:
        """Read all counters once."""
        ps = self.psutil
        memory, swap = ps.virtual_memory(), ps.swap_memory()
        return Snapshot(
            mono=time.monotonic(),
            cpu=ticks(ps.cpu_times()),
            cores=[ticks(core) for core in ps.cpu_times(percpu=True)],
            memory=memory_bytes(memory, swap),
            load=os.getloadavg(),
            disks={name: disk(d) for name, d in (ps.disk_io_counters(perdisk=True) or {}).items()},
            nets={name: net(n) for name, n in ps.net_io_counters(pernic=True).items()},
            mounts=self._mounts(),
            links={n: s.speed * 1_000_000 for n, s in ps.net_if_stats().items() if s.speed > 0},
            switches=ps.cpu_stats().ctx_switches,
            swapped_in=swap.sin,
            swapped_out=swap.sout,
            uptime=time.time() - ps.boot_time(),
            missing=MISSING,
        )

    def _mounts(self) -> tuple[MountUse, ...]:
        found = []
        for part in self.psutil.disk_partitions(all=False):
            try:
                use = self.psutil.disk_usage(part.mountpoint)
            except OSError:
                continue
            read_only = "ro" in part.opts.split(",")
            size = (use.total, use.free, use.used)
            found.append(MountUse(part.mountpoint, part.device, part.fstype, *size, read_only=read_only))
        return tuple(found)


def ticks(times: Any) -> Ticks:
    """The named seconds of psutil in the order snapshots use."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    return tuple(float(getattr(times, name, 0.0)) for name in names)


def memory_bytes(memory: Any, swap: Any) -> dict[str, int]:
    """Memory and swap under the names snapshots use."""
    return {
        "total": memory.total,
        "available": memory.available,
        "free": memory.free,
        "cached": getattr(memory, "cached", 0),
        "buffers": getattr(memory, "buffers", 0),
        "shared": getattr(memory, "shared", 0),
        "swap_total": swap.total,
        "swap_free": swap.free,
    }


def disk(d: Any) -> tuple[float, ...]:
    """Counters of one device; busy and queued time only where the system keeps them."""
    reads = (d.read_count, d.read_bytes, getattr(d, "read_time", 0) / 1000)
    writes = (d.write_count, d.write_bytes, getattr(d, "write_time", 0) / 1000)
    return (*reads, *writes, getattr(d, "busy_time", 0) / 1000, 0.0)


def net(n: Any) -> tuple[int, ...]:
    """Receive then transmit counters of one interface."""
    received = (n.bytes_recv, n.packets_recv, n.errin, n.dropin)
    return (*received, n.bytes_sent, n.packets_sent, n.errout, n.dropout)
