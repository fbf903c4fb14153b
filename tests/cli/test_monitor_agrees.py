"""`monitor top` beside psutil, sampled all the while, so that the very same span of time is compared."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass, field

import psutil
import pytest

pytestmark = pytest.mark.slow

EVERY = 2.0  # seconds between the two looks whose rates are told
NEAR = 0.15  # seconds by which two processes that read the same counter may differ
POINTS = 0.02
SHARE = 0.01

LOAD = """
import os, sys, threading, time
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
block = bytearray(200 << 20)
for at in range(0, len(block), 4096): block[at] = 1

def write():
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    piece = b"x" * (5 << 20)
    while True:  # 50 MB/s where the disk keeps up
        began = time.monotonic()
        os.pwrite(file, piece, 0)
        os.fdatasync(file)
        time.sleep(max(0.0, 0.1 - (time.monotonic() - began)))

threading.Thread(target=write, daemon=True).start()
print("go", flush=True)
while True: sum(range(1000))
"""


@dataclass
class Course:
    """Counters over time, each read as often as the machine lets us."""

    process: psutil.Process
    at: list[float] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)
    over: bool = False

    def run(self):
        """Read until told that it is over."""
        pace = threading.Event()
        while not self.over:
            self.rows.append(self._read())
            self.at.append(time.time())
            pace.wait(0.05)

    def _read(self):
        cpu, disk, net = psutil.cpu_times(), psutil.disk_io_counters(), psutil.net_io_counters()
        spent = self.process.cpu_times()
        return {
            "all": sum(cpu[:8]),
            "idle": cpu.idle + cpu.iowait,
            "available": psutil.virtual_memory().available,
            "disk": disk.write_bytes,
            "net": net.bytes_recv,
            "cpu": spent.user + spent.system,
            "written": self.process.io_counters().write_bytes,
        }

    def value(self, name, at):
        """A counter at an instant: of the first row read after it."""
        return self.rows[min(bisect_left(self.at, at), len(self.at) - 1)][name]

    def bounds(self, name, at, window):
        """The least and the most that a rising counter can have gained in a window that ends about `at`."""
        least = self.value(name, at - NEAR) - self.value(name, at - window + NEAR)
        most = self.value(name, at + NEAR) - self.value(name, at - window - NEAR)
        return max(0.0, least) / window * (1 - SHARE), most / window * (1 + SHARE)

    def paces(self, name):
        """The slowest and the fastest that a counter rose over as long as the two looks lay apart."""
        found = [
            (self.value(name, at + EVERY) - self.value(name, at)) / EVERY
            for at in self.at
            if at + EVERY <= self.at[-1]
        ]
        return min(found), max(found)


@pytest.fixture
def course(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", LOAD, str(tmp_path / "written")], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    made = Course(psutil.Process(child.pid))
    reader = threading.Thread(target=made.run)
    reader.start()
    yield made
    made.over = True
    reader.join()
    child.kill()
    child.wait()
    child.stdout.close()


def test_every_figure_is_psutils_of_the_same_time(tmp_path, course, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "perftui.toml"
    config.write_text('[env.here]\nkind = "lab"\n[env.here.backends.host]\nkind = "host"\n')
    config.chmod(0o600)
    words = ["monitor", "top", "--once", "--json", "--rows", "5000", "--every", str(EVERY)]
    where = ["--config", str(config), "--env", "here"]
    done = subprocess.run(
        [sys.executable, "-m", "perftui", *words, *where],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    process, threads, fds = course.process, course.process.num_threads(), course.process.num_fds()
    rss = process.memory_info().rss
    course.over = True
    host, at, window = told["host"], told["at"], told["host"]["window"]
    idle, whole = course.bounds("idle", at, window), course.bounds("all", at, window)
    assert 1 - idle[1] / whole[0] - POINTS <= host["cpu"]["busy"] <= 1 - idle[0] / whole[1] + POINTS
    memory = host["memory"]
    near = [course.value("available", at + shift) for shift in (-NEAR, 0.0, NEAR)]
    slack = SHARE * memory["total"]
    assert min(near) - slack <= memory["available"] <= max(near) + slack
    assert memory["total"] == psutil.virtual_memory().total
    low, high = course.bounds("net", at, window)
    assert low <= sum(net["rx_bytes_per_s"] for net in host["nets"]) <= high
    row = next(r for r in told["processes"]["rows"] if r["pid"] == process.pid)
    assert (row["threads"], row["fds"]) == (threads, fds)
    assert fds > 300
    assert row["rss"] == pytest.approx(rss, rel=SHARE)
    assert row["rss"] > 200 << 20
    low, high = course.paces("cpu")
    assert low - 3 * POINTS <= row["cpu"] <= high + 3 * POINTS
    low, high = course.paces("written")
    assert low * 0.8 <= row["write_per_s"] <= high * 1.2
    assert row["write_per_s"] > 1 << 20
    low, high = course.bounds("disk", at, window)
    assert low <= sum(disk["write_bytes_per_s"] for disk in host["disks"]) <= high
