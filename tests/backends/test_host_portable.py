"""Without /proc: psutil tells of the host and its processes, and what it cannot is named, not shown as 0."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from perftui.backends.host import Host, HostOptions
from perftui.backends.host.portableprocesses import PortableProcesses
from perftui.config import load
from perftui.model.errors import Unsupported
from perftui.session import Session
from tests.screens.shell import shown
from tests.waiting import until

BUSY = "import sys\nsys.stdout.write('go\\n'); sys.stdout.flush()\nwhile True: sum(range(1000))"


@pytest.fixture
def busy():
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield psutil.Process(child.pid)
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
async def host(tmp_path):
    """A host whose proc folder is empty, as on a system without one."""
    made = Host("mac", HostOptions(proc=str(tmp_path)))
    await made.open()
    yield made
    await made.close()


async def test_processes_are_told_as_psutil_tells_them(host, busy):
    await host.processes()
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 1.0)
    found = await host.processes(5000)
    row = next(r for r in found.rows if r.pid == busy.pid)
    assert (row.parent, row.user, row.threads) == (os.getpid(), busy.username(), busy.num_threads())
    assert row.rss == pytest.approx(busy.memory_info().rss, rel=0.05)
    assert row.started == pytest.approx(busy.create_time(), abs=0.05)
    assert row.language == "python"
    assert row.cpu > 0.01
    assert row.read_per_s is None
    assert dict(found.missing).keys() == {"read_per_s", "write_per_s"}
    busiest = found.rows[0]
    assert busiest.fds is None or busiest.fds > 0


async def test_one_process_is_looked_at_by_pid_and_start(host, busy):
    first = await host.look_closely(busy.pid, 0.0)
    assert first.row.fds == busy.num_fds()
    assert first.row.cpu is None
    assert (await host.look_closely(busy.pid, first.started - 5)).row is None
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 1.0)
    assert (await host.look_closely(busy.pid, first.started)).row.cpu > 0.01
    reading = await host.read()
    assert "process.cpu_ratio" in {m.key.name for m in reading.samples}
    assert {"pressure", "connections"} <= set(reading.facts.missing)
    busy.kill()
    await until(lambda: busy.status() == "zombie")
    assert (await host.look_closely(busy.pid, first.started)).row is None


async def test_what_needs_linux_is_refused(host, busy):
    row = await host.find_process(busy.pid)
    with pytest.raises(Unsupported):
        await host.signal_process(busy.pid, row.started, "TERM")
    with pytest.raises(Unsupported):
        await host.renice_process(busy.pid, row.started, 19)


class Denied:
    """psutil where everything but names is denied, as on macOS without the right to look."""

    Error = psutil.Error
    NoSuchProcess = psutil.NoSuchProcess

    @staticmethod
    def process_iter(names, ad_value=None):
        for process in psutil.process_iter(("name", "create_time")):
            process.info = dict.fromkeys(names, ad_value) | process.info
            yield process


def test_what_is_denied_stays_unknown():
    rows = PortableProcesses(Denied).scan()
    assert rows
    assert all((row.cpu, row.rss, row.threads, row.user) == (None, 0, 0, "") for row in rows)


async def test_the_screen_hides_what_cannot_be_read_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    bare = tmp_path / "noproc"
    bare.mkdir()
    path = tmp_path / "perftui.toml"
    path.write_text(f'[env.mac.backends.here]\nkind = "host"\nproc = "{bare}"\n')
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    config = load()
    async with shown("overview.hosts", Session.open(config, config.environment), (200, 60)) as (app, pilot):
        await until(lambda: app.base.tab.selection, 30)
        titles = {c.title for c in app.base.tab.query_one("#processes").view.shown_columns}
        assert "Fds" in titles
        assert not {"Read/s", "Write/s"} & titles
        await pilot.press("?")
        await until(lambda: "Not told here" in app.text(), 20)
        assert "bytes from storage are told of processes by Linux' /proc only" in app.text()
        assert "pressure" in app.text()
