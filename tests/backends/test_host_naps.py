"""Processes that sleep: known to by a glance, told as they are when they wake, are changed or end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perftui.backends.host import Host
from perftui.backends.host.naps import UNTOLD, Naps
from perftui.backends.host.processes import NAPS_AFTER, Processes
from perftui.model.options import HostOptions
from tests.waiting import until_now

WAKES = "input(); exec('while True: pass')"
THREADS = "import threading as t; t.Thread(target=t.Event().wait, daemon=True).start(); print('go', flush=True); input()"


def started(code):
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def ended(child):
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


@pytest.fixture
def sleeper():
    child = started(WAKES)
    yield child
    ended(child)


@pytest.fixture
def looks():
    made = Processes()
    yield made
    made.close()


def scanned(looks, pid):
    """That process in a scan that is not answered from the one before."""
    looks._scanned_at = 0.0
    return next((row for row in looks.scan() if row.pid == pid), None)


def asleep(looks, pid):
    return scanned(looks, pid) is not None and looks._known[pid].nap


def test_who_sleeps_is_glanced_at_and_told_at_once_when_it_wakes(looks, sleeper):
    until_now(lambda: asleep(looks, sleeper.pid))
    assert sleeper.pid not in looks._open  # one descriptor a process
    row = scanned(looks, sleeper.pid)
    assert (row.cpu, row.threads, row.parent) == (0.0, 1, os.getpid())
    sleeper.stdin.write(b"\n")
    sleeper.stdin.flush()
    until_now(lambda: (scanned(looks, sleeper.pid).cpu or 0.0) > 0.2)
    assert sleeper.pid not in looks._naps.opened


def test_one_that_ends_asleep_goes_with_its_file(looks, sleeper):
    until_now(lambda: asleep(looks, sleeper.pid))
    sleeper.kill()
    sleeper.wait()
    assert scanned(looks, sleeper.pid) is None
    assert sleeper.pid not in looks._naps.opened


def test_glances_cost_no_more_descriptors_than_whole_looks(sleeper, monkeypatch):
    monkeypatch.setattr("perftui.backends.host.processes._most_open", lambda: 5)
    before = len(list(Path("/proc/self/fd").iterdir()))
    looks = Processes()
    for _ in range(4 * NAPS_AFTER):
        scanned(looks, sleeper.pid)
        assert len(looks._open) + len(looks._naps.opened) <= 5
    looks.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_of_several_threads_one_line_says_too_little(looks):
    child = started(THREADS)
    try:
        assert child.stdout.readline() == b"go\n"
        until_now(lambda: scanned(looks, child.pid).threads == 2)
        until_now(lambda: scanned(looks, child.pid) and looks._known[child.pid].quiet > 2 * NAPS_AFTER)
        assert not looks._known[child.pid].nap
    finally:
        ended(child)


async def test_a_nice_value_we_set_shows_at_the_next_look(sleeper):
    host = Host("host", HostOptions())
    await host.open()
    try:
        looks = host._processes
        until_now(lambda: asleep(looks, sleeper.pid))
        row = scanned(looks, sleeper.pid)
        assert await host.renice_process(row.pid, row.started, row.nice + 3) == {row.pid: row.nice}
        found = next(r for r in (await host.processes(5000)).rows if r.pid == row.pid)
        assert found.nice == row.nice + 3
    finally:
        await host.close()


def test_a_kernel_that_keeps_no_counts_is_asked_once(tmp_path):
    for pid in ("7", "8"):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "schedstat").write_bytes(UNTOLD)
    naps = Naps(str(tmp_path))
    assert (naps.begin(7), naps.begin(8)) == (b"", b"")
    assert 8 not in naps.opened
    naps.end(7)
    assert naps.opened == {}
