"""Control groups, sensors and TCP as kernels write them, on folders made for the test and on this host."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from perftui.analysis.hostcounters import GroupCounters, Snapshot, TcpCounters, compare
from perftui.backends.host import Host, HostOptions, groups, sensors, tcp
from perftui.backends.host.extras import Extras
from perftui.backends.host.proc import parse_files, parse_stat, whole_disks
from perftui.model.resources import ProcessRow

NONE = (0.0,) * 9


def laid(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_limits_of_a_second_generation_group(tmp_path):
    root = tmp_path / "fs/cgroup"
    laid(root, cgroup__controllers="cpu memory\n")
    laid(
        root / "app.slice",
        cgroup__procs="1\n",
        cpu__max="150000 100000\n",
        cpu__stat="usage_usec 5000000\nnr_periods 100\nnr_throttled 25\nthrottled_usec 2500000\n",
        memory__max="1073741824\n",
        memory__current="536870912\n",
        memory__events="low 0\nhigh 2\nmax 7\noom 1\noom_kill 1\n",
    )
    place = groups.find(b"0::/app.slice\n", str(tmp_path))
    found = groups.counters(place, read)
    assert (found.version, found.cores, found.memory, found.memory_used) == (2, 1.5, 1 << 30, 1 << 29)
    assert (found.used_s, found.periods, found.throttled, found.throttled_s) == (5.0, 100, 25, 2.5)
    assert dict(found.events) == {"high": 2, "max": 7, "oom": 1, "oom_kill": 1}


def test_a_container_whose_mount_begins_at_its_own_group(tmp_path):
    root = tmp_path / "fs/cgroup"
    laid(
        root,
        cgroup__controllers="cpu\n",
        cpu__max="50000 100000\n",
        memory__max="max\n",
        cgroup__type="domain\n",
    )
    place = groups.find(b"0::/docker/0123\n", str(tmp_path))
    found = groups.counters(place, read)
    assert (found.path, found.cores, found.memory) == (str(root), 0.5, None)
    assert groups.contained("/proc", str(tmp_path))


def test_limits_of_a_first_generation_group(tmp_path):
    root = tmp_path / "fs/cgroup"
    laid(
        root / "cpu/box",
        cpu__cfs_quota_us="200000\n",
        cpu__cfs_period_us="100000\n",
        cpu__stat="nr_periods 10\nnr_throttled 4\nthrottled_time 3000000000\n",
        cpuacct__usage="7000000000\n",
    )
    laid(
        root / "memory/box",
        memory__limit_in_bytes="268435456\n",
        memory__usage_in_bytes="134217728\n",
        memory__failcnt="9\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    )
    place = groups.find(b"4:memory:/box\n2:cpu,cpuacct:/box\n0::/\n", str(tmp_path))
    found = groups.counters(place, read)
    assert (found.version, found.cores, found.memory) == (1, 2.0, 256 << 20)
    assert (found.used_s, found.throttled_s, found.memory_used) == (7.0, 3.0, 128 << 20)
    assert dict(found.events) == {"max": 9, "oom_kill": 3}


def test_a_group_without_limits_is_no_limit(tmp_path):
    laid(tmp_path / "fs/cgroup", cgroup__controllers="cpu\n", cpu__max="max 100000\n", memory__max="max\n")
    assert groups.counters(groups.find(b"0::/\n", str(tmp_path)), read) is None
    laid(tmp_path / "old/fs/cgroup/memory", memory__limit_in_bytes="9223372036854771712\n")
    laid(tmp_path / "old/fs/cgroup/cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert groups.counters(groups.find(b"2:cpu:/\n", str(tmp_path / "old")), read) is None
    assert groups.find(b"", str(tmp_path / "nowhere")) is None


def test_throttling_is_a_share_of_the_periods_between():
    def at(mono, used, periods, throttled, path="/a"):
        group = GroupCounters(2, path, cores=2.0, used_s=used, periods=periods, throttled=throttled)
        return Snapshot(mono, NONE, [], {}, group=group)

    limit = compare("h", at(12.0, 13.0, 120, 35), at(10.0, 10.0, 100, 25)).limit
    assert (limit.used_cores, limit.cpu_ratio, limit.throttled_ratio) == (1.5, 0.75, 0.5)
    moved = compare("h", at(12.0, 13.0, 120, 35, "/b"), at(10.0, 10.0, 100, 25)).limit
    assert (moved.used_cores, moved.throttled_ratio) == (0.0, 0.0)


def test_guests_are_told_apart_and_not_added():
    before, _, _ = parse_stat(b"cpu  0 0 0 0 0 0 0 0 0 0\n")
    now, _, _ = parse_stat(b"cpu  40 10 0 50 0 0 0 0 30 10\n")
    cpu = compare("h", Snapshot(2.0, now, [], {}), Snapshot(1.0, before, [], {})).cpu
    assert (cpu.busy, cpu.user, cpu.nice, cpu.guest) == (0.5, 0.4, 0.1, 0.4)


def test_tcp_rates_and_a_counter_that_starts_anew():
    def at(mono, out, again):
        return Snapshot(mono, NONE, [], {}, tcp=TcpCounters(out, again, 0, 12))

    use = compare("h", at(2.0, 300, 6), at(1.0, 100, 0)).tcp
    assert (use.segments_out_per_s, use.retransmits_per_s, use.retransmit_ratio) == (200, 6, 0.03)
    assert compare("h", at(2.0, 5, 0), at(1.0, 100, 9)).tcp.retransmits_per_s == 0


async def test_listening_and_connected_sockets_are_counted_by_state():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        server.accept()[0],
    ):
        states = dict(tcp.count_states(lambda name: read(f"/proc/{name}")))
    assert states["listen"] >= 1
    assert states["established"] >= 2


def test_more_sockets_than_are_worth_counting():
    def hidden(name):
        return b"TCP: inuse 30000 orphan 0 tw 5 alloc 1 mem 1\n" if name == "net/sockstat" else b""

    assert tcp.count_states(hidden) is None
    assert tcp.counters(hidden, None) is None


def test_sensors(tmp_path):
    for core, khz in enumerate((2_000_000, 3_000_000)):
        laid(tmp_path / f"devices/system/cpu/cpu{core}/cpufreq", scaling_cur_freq=f"{khz}\n")
    laid(tmp_path / "class/hwmon/hwmon0", name="coretemp\n", temp1_input="61500\n", temp2_input="58000\n")
    laid(tmp_path / "class/hwmon/hwmon1", name="nvme\n", temp1_input="80000\n")
    assert sensors.frequency(str(tmp_path), "/nowhere") == 2.5e9
    assert sensors.temperature(str(tmp_path)) == 61.5
    assert sensors.temperature(str(tmp_path / "none")) is None
    laid(tmp_path / "proc", cpuinfo="processor : 0\ncpu MHz\t\t: 1800.5\n")
    assert sensors.frequency("/nowhere", str(tmp_path / "proc")) == pytest.approx(1.8005e9)


def test_children_of_disks_are_shown_only_when_asked(tmp_path):
    for name in ("vda", "dm-0", "loop3", "ram0"):
        laid(tmp_path / "block" / name)
    assert whole_disks(str(tmp_path)) == ["vda"]
    assert sorted(whole_disks(str(tmp_path), every=True)) == ["dm-0", "loop3", "ram0", "vda"]


def test_descriptors_of_this_process_and_of_one_that_is_gone():
    def row(pid):
        return ProcessRow(pid, 1, "x", "x", "u", "S", "", None, 0, 1, 0.0)

    extras = Extras("/proc")
    extras.of([row(os.getpid())])  # keeps a descriptor itself
    (mine,) = extras.of([row(os.getpid())])
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    (more,) = extras.of([row(os.getpid())])
    for descriptor in held:
        os.close(descriptor)
    assert more.fds == mine.fds + 50
    assert mine.fd_limit > 0
    (gone,) = extras.of([row(1 << 30)])
    (back,) = extras.of([row(os.getpid())])
    assert back.fds == mine.fds - 1  # of who is asked for no more nothing is kept open
    extras.close()
    assert (gone.fds, gone.fd_limit) == (None, None)
    assert parse_files(b"1200\t200\t9000\n") == (1000, 9000)


def test_bytes_from_and_to_storage_a_second(tmp_path):
    def wrote(read, written):
        (tmp_path / "7" / "io").write_text(f"rchar: 1\nread_bytes: {read}\nwrite_bytes: {written}\n")

    (tmp_path / "7" / "fd").mkdir(parents=True)
    row, clock, extras = (
        ProcessRow(7, 1, "x", "x", "u", "S", "", None, 0, 1, 5.0),
        [100.0],
        Extras(str(tmp_path)),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("perftui.backends.host.extras.time.monotonic", lambda: clock[0])
        wrote(0, 0)
        assert extras.of([row])[0].read_per_s is None
        clock[0] += 2.0
        wrote(1000, 6000)
        (told,) = extras.of([row])
        assert (told.read_per_s, told.write_per_s) == (500.0, 3000.0)
        clock[0] += 0.1
        assert extras.of([row])[0].read_per_s is None
        clock[0] += 2.0
        wrote(10, 10)
        again = replace(row, started=9.0)
        assert extras.of([again])[0].read_per_s is None
        assert extras.of([row])[0].read_per_s is None


async def test_this_host_tells_tcp_descriptors_and_what_we_cost():
    host = Host("host", HostOptions())
    await host.open()
    await host.read()
    facts = (await host.read()).facts
    await host.close()
    assert facts.tcp.sockets > 0
    assert 0 < facts.files[0] <= facts.files[1]
    assert facts.own.rss > 1 << 20
    assert any(row.fds and row.fd_limit for row in facts.top)
