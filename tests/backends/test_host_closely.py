"""One process looked at closely: its figures beside psutil's, sampled with the readings that follow."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from perftui.backends.host import Host, HostOptions
from tests.waiting import until

LOAD = """
import os, sys, tempfile
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(40)]
out = tempfile.NamedTemporaryFile(dir=sys.argv[1])
block = b"x" * (1 << 20)  # kept: memory taken and given back each time would make its size a matter of luck
print("go", flush=True)
while True:
    out.write(block); out.flush(); os.fsync(out.fileno()); out.seek(0)
    sum(range(20000))
"""


@pytest.fixture
def load(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", LOAD, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield psutil.Process(child.pid)
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
async def host():
    made = Host("host", HostOptions())
    await made.open()
    yield made
    await made.close()


def samples(reading, pid):
    """The samples of a process by name."""
    return {
        m.key.name: m.value
        for m in reading.samples
        if dict(m.key.labels).get("process", "").endswith(f" {pid}")
    }


async def test_a_process_is_looked_at_and_sampled_as_psutil_sees_it(host, load):
    first = await host.look_closely(load.pid, 0.0)
    assert first.row.cpu is None
    assert first.row.read_per_s is None
    before, began = load.cpu_times(), time.monotonic()
    await until(lambda: time.monotonic() - began > 1.5)
    look = await host.look_closely(load.pid, first.started)
    after, took = load.cpu_times(), time.monotonic() - began
    spent = (after.user + after.system - before.user - before.system) / took
    assert look.row.cpu == pytest.approx(spent, abs=0.1)
    assert look.row.threads == load.num_threads()
    assert look.row.fds == load.num_fds() > 40
    assert look.row.rss == pytest.approx(load.memory_info().rss, rel=0.02)
    assert look.row.pss == pytest.approx(load.memory_full_info().pss, rel=0.02)
    assert look.row.write_per_s > 100_000
    told = samples(await host.read(), load.pid)
    assert told["process.cpu_ratio"] == look.row.cpu
    assert told["process.fds"] == look.row.fds
    assert told["process.write_bytes_per_s"] == look.row.write_per_s
    assert told["process.pss_bytes"] == look.row.pss
    assert "process.cpu_ratio" not in samples(await host.read(), load.pid)  # told once, not repeated


async def test_another_process_with_the_same_pid_is_not_taken_for_it(host, load):
    started = (await host.look_closely(load.pid, 0.0)).started
    gone = await host.look_closely(load.pid, started - 5.0)
    assert gone.row is None
    assert (gone.pid, gone.started) == (load.pid, started - 5.0)
    load.kill()
    await until(lambda: load.status() == "zombie")
    assert (await host.look_closely(load.pid, started)).row is None


async def test_what_is_asked_for_and_never_taken_is_bounded(host):
    for process in psutil.process_iter():
        await host.look_closely(process.pid, 0.0)
    for _ in range(3):
        await host.look_closely(psutil.Process().pid, 0.0)
    assert len(host._closely.take()) <= 32
    assert host._closely.take() == []
