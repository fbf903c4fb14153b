"""Scrapes under node_exporter's names as readings: rates, resets, odd values, and what a target leaves out."""

from __future__ import annotations

import random

import pytest

from perftui.analysis.nodemetrics import MOST, NodeHost
from perftui.analysis.promtext import Scanner

FIRST = """
node_cpu_seconds_total{cpu="0",mode="idle"} 100
node_cpu_seconds_total{cpu="0",mode="user"} 10
node_cpu_seconds_total{cpu="10",mode="idle"} 100
node_cpu_seconds_total{cpu="10",mode="user"} 10
node_cpu_seconds_total{cpu="2",mode="idle"} 100
node_cpu_seconds_total{cpu="2",mode="iowait"} 0
node_memory_MemTotal_bytes 8e+09
node_memory_MemFree_bytes 1e+09
node_memory_Cached_bytes 2e+09
node_memory_SReclaimable_bytes 5e+08
node_memory_Buffers_bytes 5e+08
node_network_receive_bytes_total{device="eth0"} 1000
node_network_transmit_bytes_total{device="eth0"} 4294967295
node_network_speed_bytes{device="eth0"} 1.25e+08
node_disk_reads_completed_total{device="sda"} 10
node_disk_reads_completed_total{device="loop0"} 10
node_disk_read_bytes_total{device="sda"} 1000
node_disk_io_time_seconds_total{device="sda"} 1
node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 1000
node_filesystem_free_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 400
node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 300
node_filesystem_files{device="/dev/sda1",fstype="ext4",mountpoint="/"} 100
node_filesystem_files_free{device="/dev/sda1",fstype="ext4",mountpoint="/"} 25
node_filesystem_readonly{device="/dev/sda1",fstype="ext4",mountpoint="/"} 1
node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/var/lib/bind"} 1000
node_filesystem_size_bytes{device="tmpfs",fstype="tmpfs",mountpoint="/run"} 1000
node_pressure_cpu_waiting_seconds_total 5
node_boot_time_seconds 400
node_vmstat_oom_kill 3
node_uname_info{nodename="web1",release="6.1"} 1
"""
LATER = (
    FIRST.replace('cpu="0",mode="user"} 10', 'cpu="0",mode="user"} 15')
    .replace('cpu="0",mode="idle"} 100', 'cpu="0",mode="idle"} 105')
    .replace('cpu="2",mode="idle"} 100', 'cpu="2",mode="idle"} 107.5')
    .replace('mode="iowait"} 0', 'mode="iowait"} 2.5')
    .replace('cpu="10",mode="user"} 10', 'cpu="10",mode="user"} 20')
    .replace('_bytes_total{device="eth0"} 1000', '_bytes_total{device="eth0"} 6000')
    .replace('reads_completed_total{device="sda"} 10', 'reads_completed_total{device="sda"} 30')
    .replace('read_bytes_total{device="sda"} 1000', 'read_bytes_total{device="sda"} 11000')
    .replace('io_time_seconds_total{device="sda"} 1', 'io_time_seconds_total{device="sda"} 6')
    .replace("waiting_seconds_total 5", "waiting_seconds_total 7.5")
)


def read(*texts, every=10.0, name="target"):
    """The reading after the last of these scrapes."""
    node, scanner, found = NodeHost(), Scanner(), None
    for i, text in enumerate(texts):
        found = node.reading(scanner.scan(text).samples, 1000.0 + i * every, i * every, name)
    return found


def test_two_scrapes_make_a_reading():
    r = read(FIRST, LATER)
    assert (r.host, r.window, r.uptime) == ("web1", 10.0, 610.0)
    assert [core.name for core in r.cores] == ["0", "1", "2"]  # by number: 0, 2, 10
    assert [core.busy for core in r.cores] == pytest.approx([0.5, 0.0, 1.0])
    assert r.cores[1].iowait == pytest.approx(0.25)
    assert r.memory.available == 4e9  # no MemAvailable: what is free, cached and in buffers
    assert r.memory.cached == 2.5e9
    (disk,) = r.disks
    assert (disk.device, disk.reads_per_s, disk.read_bytes_per_s, disk.busy) == ("sda", 2.0, 1000.0, 0.5)
    (net,) = r.nets
    assert (net.rx_bytes_per_s, net.link_bps) == (500.0, 1_000_000_000)
    (mount,) = r.mounts
    assert (mount.path, mount.used, mount.available, mount.read_only) == ("/", 600, 300, True)
    assert mount.inode_ratio == pytest.approx(0.75)
    (pressure,) = r.pressure
    assert (pressure.resource, pressure.some) == ("cpu", 0.25)
    assert r.memory.oom_kills == 3
    assert "connections" in r.missing
    assert "pressure" not in r.missing
    assert "inodes" not in r.missing


def test_a_restart_gives_a_gap_and_no_giant_rate():
    r = read(LATER, FIRST)
    assert r.nets == ()
    assert r.disks == ()
    assert all(0 <= core.busy <= 1 for core in r.cores)
    assert all(0 <= p.some <= 1 for p in r.pressure)


def test_what_is_no_host_is_none():
    assert read("up 1\n") is None
    assert read("node_load1 1\n") is None


def test_a_target_of_several_hosts_is_read_for_one():
    text = "".join(
        f'node_cpu_seconds_total{{cpu="0",mode="{mode}",source="{source}"}} {value}\n'
        f'node_memory_MemTotal_bytes{{source="{source}"}} {total}\n'
        for source, total in (("b", 2e9), ("a", 1e9))
        for mode, value in (("idle", 5), ("user", 5))
    )
    r = read(text, name="agent")
    assert (r.host, len(r.cores), r.memory.total) == ("agent", 1, 10**9)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "1e308", "0"])
def test_odd_values_break_nothing(value):
    lines = [line.rpartition(" ")[0] for line in FIRST.strip().splitlines()]
    text = "\n".join(f"{head} {value}" for head in lines)
    for texts in ((text, text), (FIRST, text), (text, FIRST)):
        r = read(*texts)
        assert all(0 <= core.busy <= 1 for core in r.cores)
        assert all(n.rx_bytes_per_s >= 0 for n in r.nets)


def test_any_part_of_it_may_be_left_out():
    rng = random.Random(7)
    lines = FIRST.strip().splitlines()
    for _ in range(200):
        texts = ["\n".join(rng.sample(lines, rng.randrange(len(lines)))) for _ in range(3)]
        r = read(*texts)
        assert r is None or r.memory.total >= 0


def test_a_hostile_number_of_cores_is_bounded():
    text = "".join(f'node_cpu_seconds_total{{cpu="{i}",mode="user"}} 1\n' for i in range(3 * MOST))
    assert len(read(text).cores) == MOST
