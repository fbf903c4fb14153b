"""`monitor top` beside psutil, under a load that the test makes."""

from __future__ import annotations

import json
import subprocess
import sys

import psutil
import pytest

LOAD = """
import os, threading, sys
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(300)]
block = bytearray(200 << 20)
for at in range(0, len(block), 4096): block[at] = 1
threading.Thread(target=threading.Event().wait, daemon=True).start()
print("go", flush=True)
while True: sum(range(1000))
"""


@pytest.fixture
def load():
    child = subprocess.Popen([sys.executable, "-c", LOAD], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield psutil.Process(child.pid)
    child.kill()
    child.wait()
    child.stdout.close()


def top(tmp_path, *words):
    config = tmp_path / "perftui.toml"
    config.write_text('[env.here]\nkind = "lab"\n[env.here.backends.host]\nkind = "host"\n')
    command = [
        sys.executable,
        "-m",
        "perftui",
        "monitor",
        "top",
        "--config",
        str(config),
        "--env",
        "here",
        *words,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_load_is_told_as_psutil_tells_it(tmp_path, load):
    done = top(tmp_path, "--once", "--json", "--rows", "500")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    host, row = told["host"], next(r for r in told["processes"]["rows"] if r["pid"] == load.pid)
    assert row["fds"] == load.num_fds()
    assert row["threads"] == load.num_threads() == 2
    assert row["rss"] == pytest.approx(load.memory_info().rss, rel=0.01)
    assert row["rss"] > 200 << 20
    assert row["cpu"] > 0.2  # a busy machine may leave it less than its core
    memory = psutil.virtual_memory()
    assert host["memory"]["total"] == memory.total
    assert host["memory"]["available"] == pytest.approx(memory.available, rel=0.1)
    assert len(host["cores"]) == psutil.cpu_count()
    assert max(core["busy"] for core in host["cores"]) > 0.3
    assert {n["interface"] for n in host["nets"]} <= set(psutil.net_io_counters(pernic=True))


def test_it_prints_lines_and_refuses_senseless_paces(tmp_path):
    done = top(tmp_path, "--once", "--rows", "3", "--every", "0.5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("cpu ")
    assert lines[2].startswith("memory ")
    assert len(lines) - lines.index("") == 5
    assert top(tmp_path, "--every", "0").returncode == 2
