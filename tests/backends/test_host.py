"""This host as we read it, beside psutil, and under load that the test makes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from perftui.analysis.hostcounters import Snapshot, compare
from perftui.backends.host import Host, HostOptions, extras, processes, ranking
from perftui.backends.host.language import by_library, by_name, guess
from perftui.backends.host.portable import PsutilSource
from perftui.backends.host.proc import (
    parse_diskstats,
    parse_meminfo,
    parse_pressure,
    parse_stat,
    read_mounts,
)
from perftui.backends.host.processes import SIZES, Processes, _grown, _Known, parse_pid_stat
from perftui.model.errors import Lost
from perftui.model.ports import ProcessNicer, ProcessReader, ProcessSignaller
from tests.backends.contract import BackendContract
from tests.waiting import until, until_now

BUSY = "import sys\nsys.stdout.write('go\\n'); sys.stdout.flush()\nwhile True: sum(range(1000))"


async def passed(began, seconds):
    """Rates need a window of real time."""
    await until(lambda: time.monotonic() - began > seconds)


@pytest.fixture
def busy():
    """A real Python process that keeps one core busy."""
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
async def host():
    made = Host("host", HostOptions())
    await made.open()
    yield made
    await made.close()


class TestContract(BackendContract):
    powers = (ProcessReader, ProcessSignaller, ProcessNicer)

    @pytest.fixture
    def live(self):
        return lambda: Host("host", HostOptions())


async def test_it_agrees_with_psutil(host):
    await host.read()
    before, began = psutil.cpu_times(), time.monotonic()
    await passed(began, 1.0)
    facts, after = (await host.read()).facts, psutil.cpu_times()
    spent = [b - a for a, b in zip(before, after, strict=True)]
    busy = 1 - (after.idle - before.idle + after.iowait - before.iowait) / sum(spent[:8])
    assert facts.cpu.busy == pytest.approx(busy, abs=0.05)
    assert len(facts.cores) == psutil.cpu_count()
    memory = psutil.virtual_memory()
    assert facts.memory.total == memory.total
    assert facts.memory.available == pytest.approx(memory.available, rel=0.02)
    assert facts.memory.swap_total == psutil.swap_memory().total
    assert facts.uptime == pytest.approx(time.time() - psutil.boot_time(), abs=2)
    assert facts.load == pytest.approx(psutil.getloadavg(), abs=0.5)
    root, use = next(m for m in facts.mounts if m.path == "/"), psutil.disk_usage("/")
    assert (root.total, root.available) == (use.total, pytest.approx(use.free, rel=0.02))
    assert root.used_ratio == pytest.approx(use.percent / 100, abs=0.01)


async def test_a_busy_core_is_seen(host, busy):
    await host.read()
    began = time.monotonic()
    await passed(began, 0.6)
    facts = (await host.read()).facts
    assert sum(core.busy for core in facts.cores) > 0.7
    assert all(0 <= core.busy <= 1 for core in facts.cores)


async def test_loopback_traffic_is_counted(host):
    await host.read()
    a, b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with a, b:
        a.bind(("127.0.0.1", 0))
        for _ in range(300):
            b.sendto(bytes(10_000), a.getsockname())
        facts = (await host.read()).facts
    loop = next(n for n in facts.nets if n.loopback)
    assert loop.tx_bytes_per_s * facts.window >= 3_000_000


async def test_processes_name_the_busy_python_and_agree_with_psutil(host, busy):
    them = psutil.Process(busy.pid)
    await host.processes()
    began, used = time.monotonic(), sum(them.cpu_times()[:2])
    await passed(began, 1.5)
    found = await host.processes(5000)
    used, elapsed = sum(them.cpu_times()[:2]) - used, time.monotonic() - began
    row = next(r for r in found.rows if r.pid == busy.pid)
    assert row.language == "python"
    assert row.cpu == pytest.approx(used / elapsed, abs=0.1)
    assert row.command.startswith(sys.executable)
    assert (row.parent, row.user, row.threads) == (os.getpid(), them.username(), them.num_threads())
    assert row.rss == pytest.approx(them.memory_info().rss, rel=0.05)
    assert row.started == pytest.approx(them.create_time(), abs=0.05)
    assert [r.cpu or 0 for r in found.rows] == sorted((r.cpu or 0 for r in found.rows), reverse=True)
    assert len((await host.processes(3)).rows) == 3


HOLDS = """
import os
held, block = [os.open("/dev/null", os.O_RDONLY) for _ in range(700)], bytearray(40 << 20)
for at in range(0, len(block), 4096): block[at] = 1
print("go", flush=True)
input()
"""


@pytest.fixture
def idle():
    """A real process that holds many files and does nothing."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "go\n"
    yield child
    child.communicate("\n", timeout=10)


async def test_processes_are_looked_at_closely_by_what_ranks_them(host, idle):
    await host.processes(5000)
    known = [r for r in (await host.processes(5000)).rows if r.fds is not None]
    assert len(known) <= 30
    rows = (await host.processes(5000, "fds")).rows
    row = next(r for r in rows if r.pid == idle.pid)
    assert row.fds == psutil.Process(idle.pid).num_fds() >= 700
    assert row in sorted(rows, key=lambda r: -(r.fds or 0))[:10]
    assert all(r.fds is None for r in rows[ranking.RANKED :])
    assert idle.pid in {r.pid for r in (await host.processes(10, "fds")).rows}
    assert len(host._extras["list"]._files) <= extras.OPEN
    rows = (await host.processes(5000, "rss")).rows
    largest = sorted(rows, key=lambda r: -r.rss)[:30]
    assert {r.pid for r in rows if r.fds is not None} <= {r.pid for r in largest}
    assert [r.cpu or 0 for r in rows] == sorted((r.cpu or 0 for r in rows), reverse=True)
    few = (await host.processes(3, "rss")).rows
    assert {r.rss for r in few} == {r.rss for r in largest[:3]}
    assert all(
        r.fds is not None for r in few if psutil.Process(r.pid).username() == psutil.Process().username()
    )


def scanned(looks, pid):
    """That process in a scan that is not answered from the one before."""
    looks._scanned_at = 0.0
    return next((row for row in looks.scan() if row.pid == pid), None)


@pytest.fixture
def looks():
    made = Processes()
    yield made
    made.close()


def test_a_process_that_becomes_another_program_is_named_anew(looks):
    child = subprocess.Popen(["sh", "-c", "read _; exec sleep 60"], stdin=subprocess.PIPE)
    try:
        until_now(lambda: scanned(looks, child.pid).name == "sh")
        child.stdin.write(b"go\n")
        child.stdin.flush()
        until_now(lambda: scanned(looks, child.pid).name == "sleep")
        until_now(lambda: scanned(looks, child.pid).command == "sleep 60")  # in an exec it has no line
    finally:
        child.kill()
        child.wait()
        child.stdin.close()


def test_a_process_that_sleeps_and_wakes_is_told_as_it_is(looks):
    """A line that is the same again is not read again; one that is not tells of the tick at once."""
    child = subprocess.Popen(
        [sys.executable, "-c", "input(); exec('while True: pass')"], stdin=subprocess.PIPE
    )
    try:
        assert scanned(looks, child.pid).cpu is None
        until_now(lambda: scanned(looks, child.pid).cpu == 0.0)
        until_now(lambda: scanned(looks, child.pid) is scanned(looks, child.pid))
        child.stdin.write(b"\n")
        child.stdin.flush()
        until_now(lambda: (scanned(looks, child.pid).cpu or 0.0) > 0.2)
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
    assert scanned(looks, child.pid) is None


def test_few_descriptors_suffice_for_many_processes(busy, monkeypatch):
    monkeypatch.setattr("perftui.backends.host.processes._most_open", lambda: 3)
    looks = Processes()
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert len(looks.scan()) > 3
    assert scanned(looks, busy.pid).pid == busy.pid
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 3
    looks.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_an_ended_process_goes_and_its_file_is_closed(host, busy):
    assert any(r.pid == busy.pid for r in (await host.processes(5000)).rows)
    busy.kill()
    busy.wait()
    began = time.monotonic()
    await passed(began, 0.55)
    assert not any(r.pid == busy.pid for r in (await host.processes(5000)).rows)
    ours = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not any(f"/{busy.pid}/" in path for path in ours)


async def test_a_first_look_knows_no_rates(host):
    reading = await host.read()
    assert reading.facts.window == 0
    names = {m.key.name for m in reading.samples}
    assert "memory.used_ratio" in names
    assert "cpu.busy_ratio" not in names
    assert reading.facts.top


async def test_a_read_costs_less_than_two_milliseconds(host):
    await host.read()
    began = time.process_time()
    for _ in range(50):
        await host.read()
    assert (time.process_time() - began) / 50 < 0.002


async def test_closed_it_is_lost_not_broken(host):
    await host.close()
    with pytest.raises(Lost):
        await host.read()


async def test_the_portable_source_tells_the_same():
    ours, theirs = Host("a", HostOptions()), Host("b", HostOptions())
    await ours.open()
    theirs._source = PsutilSource()
    first = (await ours.read()).facts, (await theirs.read()).facts
    await asyncio.sleep(0)
    assert first[0].memory.total == first[1].memory.total
    assert len(first[0].cores) == len(first[1].cores)
    facts = (await theirs.read()).facts
    assert {n.interface for n in (await ours.read()).facts.nets} >= {
        n.interface for n in facts.nets if n.loopback
    }
    await ours.close()
    await theirs.close()


def test_guests_are_counted_once():
    cpu, cores, rest = parse_stat(
        b"cpu  10 0 5 80 5 0 0 0 7 0\ncpu0 10 0 5 80 5 0 0 0 7 0\nintr 5 6\nctxt 9\n"
    )
    assert cpu == cores[0] == (10, 0, 5, 80, 5, 0, 0, 0, 7)
    assert rest == {b"ctxt": 9}


def test_counters_that_fall_leave_a_gap_and_no_negative_rate():
    zero = (0.0,) * 8
    now = Snapshot(11.0, zero, [], {}, nets={"eth0": (5,) * 8, "lo": (10,) * 8}, disks={"vda": (1.0,) * 8})
    before = Snapshot(10.0, zero, [], {}, nets={"eth0": (9,) * 8, "lo": (4,) * 8}, disks={"vda": (2.0,) * 8})
    reading = compare("h", now, before)
    assert [n.interface for n in reading.nets] == ["lo"]
    assert reading.nets[0].rx_bytes_per_s == 6
    assert reading.disks == ()
    assert reading.cpu.busy == 0


def test_names_with_parentheses_and_newlines_do_not_shift_fields():
    line = b"42 (a) b\n(c)) S 7 1 1 0 -1 4 0 0 0 0 150 50 0 0 20 5 3 0 900 1000000 25 0 0\n"
    stat = parse_pid_stat(line)
    assert (stat.name, stat.state, stat.parent, stat.ticks) == ("a) b\n(c)", "S", 7, 200)
    assert (stat.nice, stat.threads, stat.start, stat.rss) == (5, 3, 900, 25 * os.sysconf("SC_PAGE_SIZE"))
    assert parse_pid_stat(b"42 (cut) S 7") is None


def test_old_kernels_without_available_memory():
    found = parse_meminfo(
        b"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nSReclaimable: 2 kB\n"
    )
    assert found["available"] == (10 + 5 + 22) * 1024


def test_partitions_are_inside_their_disk():
    text = b" 8 0 sda 1 0 2 3000 4 0 5 6000 0 7000 8000 0 0\n 8 1 sda1 1 0 2 3 4 0 5 6 0 7 8\n"
    assert parse_diskstats(text, frozenset({"sda"})) == {"sda": (1, 1024, 3.0, 4, 2560, 6.0, 7.0, 8.0)}


def test_pressure_of_both_lines():
    found = parse_pressure("io", b"some avg10=12.50 avg60=1 total=1\nfull avg10=3.00 avg60=1 total=1\n")
    assert (found.some, found.full) == (0.125, 0.03)


def test_bind_mounts_of_one_device_are_shown_once():
    text = "/dev/root / ext4 rw 0 0\n/dev/root /var/lib/x ext4 rw 0 0\nserver:/x /mnt nfs rw 0 0\nproc /proc proc rw 0 0\n"
    assert [m.path for m in read_mounts(text)] == ["/"]


@pytest.mark.parametrize(
    ("program", "language"),
    [
        ("python3.11", "python"),
        ("node", "node"),
        ("java", "java"),
        ("postgres", ""),
        ("bash", "shell"),
        ("php-fpm8.2", "php"),
    ],
)
def test_interpreters_are_known_by_name(program, language):
    assert by_name(program) == language


def test_embedded_interpreters_are_known_by_what_they_map():
    assert by_library(b"7f0 r-xp 0 08:01 5 /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0\n") == "python"
    assert by_library(b"7f0 r-xp 0 08:01 5 /usr/lib/libc.so.6\n") == ""
    assert guess(f"/proc/{os.getpid()}", "whatever") == "python"


GROWER = """
import mmap, sys
held = []
for line in sys.stdin:
    flags = mmap.MAP_ANONYMOUS | (mmap.MAP_SHARED if line == "shared\\n" else mmap.MAP_PRIVATE)
    held.append(mmap.mmap(-1, 40 << 20, flags))
    held[-1].write(b"x" * (40 << 20))
    print("grown", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_shared_memory_that_a_process_touches_is_no_growth_of_it(monkeypatch):
    monkeypatch.setattr(processes, "WARM", -1.0)
    monkeypatch.setattr(processes, "SHORTEST", 0.0)
    grower = subprocess.Popen(
        [sys.executable, "-c", GROWER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    looks = processes.Processes()
    try:
        told(grower, "shared")
        small = grown(looks, grower.pid)
        told(grower, "shared")
        assert grown(looks, grower.pid) - small < 16 << 20
        told(grower, "private")
        assert grown(looks, grower.pid) >= 40 << 20
    finally:
        grower.kill()
        grower.communicate()
        looks.close()


def told(grower, kind):
    """The process has touched 40 MiB more."""
    grower.stdin.write(f"{kind}\n")
    assert grower.stdout.readline() == "grown\n"


def grown(looks, pid):
    """What a look says that it grew by."""
    return next(row.grew for row in looks.scan() if row.pid == pid)


def test_growth_counts_from_the_lowest_size_once_a_process_is_warm():
    known = _Known(1, 0, 0.0)
    assert _grown(known, 500, 0.0, age=5.0) == (0, 0.0)
    assert _grown(known, 100, 10.0, age=40.0) == (0, 0.0)
    assert _grown(known, 90, 20.0, age=50.0) == (0, 0.0)
    assert _grown(known, 400, 25.0, age=55.0) == (310, 5.0)
    assert _grown(known, 700, 80.0, age=110.0) == (610, 60.0)
    assert len(known.sizes) == 3
    for second in range(90, 90 + 10 * SIZES, 10):  # ten minutes on the lowest is forgotten
        grew, _ = _grown(known, 500, float(second), age=second + 40.0)
    assert grew == 0
