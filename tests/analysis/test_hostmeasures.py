"""Each figure of a host is remembered under its own name, and told to exporters' readers as itself."""

from __future__ import annotations

from dataclasses import replace

from perftui.analysis.hostmeasures import measures
from perftui.analysis.nodecounters import HostCounters
from perftui.analysis.nodemetrics import NodeHost
from perftui.analysis.promtext import Scanner
from perftui.export.families import Families
from perftui.export.hostmetrics import put_host
from perftui.export.prometheus import written
from perftui.model.resources import CpuUse, DiskUse, HostReading, MemoryUse, NetUse

DISK = DiskUse("sda", 11.0, 12.0, 13.0, 14.0, 0.015, 0.016, 1.7, 0.18)
NET = NetUse("eth0", 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 0, 5.0, 7.0)
CORES, MEMORY = (CpuUse("0", 0.5),), MemoryUse(total=1, available=1)
HOST = HostReading("box", 10.0, CpuUse("all", 0.5), CORES, (0, 0, 0), MEMORY, disks=(DISK,), nets=(NET,))


def test_a_disk_and_an_interface_are_remembered_figure_by_figure():
    found = {m.key.name: (m.value, m.key.labels) for m in measures("web", HOST)}
    disk, net = (("device", "sda"),), (("interface", "eth0"),)
    assert {name: row for name, row in found.items() if name.startswith(("disk.", "net."))} == {
        "disk.reads_per_s": (11.0, disk),
        "disk.writes_per_s": (12.0, disk),
        "disk.read_bytes_per_s": (13.0, disk),
        "disk.write_bytes_per_s": (14.0, disk),
        "disk.read_wait_s": (0.015, disk),
        "disk.write_wait_s": (0.016, disk),
        "disk.queue": (1.7, disk),
        "disk.busy_ratio": (0.18, disk),
        "net.rx_bytes_per_s": (21.0, net),
        "net.tx_bytes_per_s": (22.0, net),
        "net.errors_per_s": (25.0, net),
        "net.drops_per_s": (26.0, net),
    }


async def test_errors_and_drops_are_told_each_way_and_read_back_as_they_were():
    """Real machines have none, so that two of them could change places unseen."""
    told, node = HostCounters(), NodeHost()
    for look in range(3):
        told.add(replace(HOST, window=10.0 if look else 0.0))
        found = Families()
        put_host(found, HOST, told, 1000.0 + 10 * look, ())
        text = (await written(found.sorted(), openmetrics=False)).decode()
        host = node.reading(Scanner().scan(text).samples, 1000.0 + 10 * look, 10.0 * look, "?")
    (net,) = host.nets
    assert (net.errors_per_s, net.drops_per_s, net.tx_errors_per_s, net.tx_drops_per_s) == (25, 26, 5, 7)
    (disk,) = host.disks
    assert (disk.read_wait_s, disk.write_wait_s) == (DISK.read_wait_s, DISK.write_wait_s)
    assert (disk.queue, disk.busy) == (1.7, 0.18)
