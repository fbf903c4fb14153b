"""The charts of one process: opened with enter, closed with escape, drawn from samples, in the past too."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from dataclasses import replace

import pytest

from perftui.config import load
from perftui.draw.rows import Look, Size, plain
from perftui.model.frame import Frame
from perftui.model.resources import ProcessLook, ProcessRow
from perftui.model.series import Series, SeriesKey
from perftui.screens.overview import processdetail
from perftui.session import Session
from tests.screens.shell import shown
from tests.waiting import until

ROW = ProcessRow(7, 1, "app", "/usr/bin/app --serve", "me", "S", "python", 0.5, 9 << 20, 3, 1000.0)
LOAD = "import sys\nprint('go', flush=True)\nwhile True: sum(range(1000))"


class Kept:
    """A reader over one series."""

    def __init__(self, key, at, value):
        self.key, self.at, self.value = key, array("d", at), array("d", value)

    def series(self, key, start, end):
        if key != self.key:
            return Series(key)
        return Series(key, capacity=len(self.at), _at=self.at, _value=self.value)

    def keys(self, source="", name=""):
        return (self.key,)


def test_samples_from_before_its_start_are_of_another_with_its_pid():
    key = SeriesKey("host", "process.cpu_ratio", (("process", "app 7"),))
    frame = Frame("resources", 1100.0, None, {}, history=Kept(key, [900, 990, 1010, 1020], [1, 1, 0.2, 0.3]))
    (line,) = processdetail.lines(frame, "host", ROW, processdetail.FIGURES[0], 900.0)
    assert list(line.at) == [1010, 1020]
    assert list(line.value) == [0.2, 0.3]


def test_only_a_look_at_that_very_process_counts():
    newer = replace(ROW, cpu=0.9)
    assert processdetail.current(ProcessLook(7, 1000.0, newer), ROW) == (newer, False)
    assert processdetail.current(ProcessLook(7, 1000.0, None), ROW) == (ROW, True)
    assert processdetail.current(ProcessLook(7, 2000.0, newer), ROW) == (ROW, False)
    assert processdetail.current(None, ROW) == (ROW, False)


def test_the_head_tells_what_is_known_and_nothing_that_is_not():
    row = replace(ROW, fds=300, fd_limit=1024, pss=4 << 20, nice=5, command="app\x1b[31m")
    rows = plain(processdetail.head_rows(processdetail.head(row, 1060.0), Size(160, 2), Look()))
    assert "\x1b" not in rows[0]
    for part in ("cpu 50.0%", "memory 9.00 MiB", "its share 4.00 MiB", "descriptors 300 of 1024", "nice 5"):
        assert part in rows[1]
    bare = plain(processdetail.head_rows(processdetail.head(ROW, 1060.0, ended=True), Size(160, 2), Look()))
    assert "has ended" in bare[1]
    assert "its share" not in bare[1]
    assert "descriptors –" in bare[1]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PERFTUI_CONFIG", str(tmp_path / "none.toml"))
    config = load()
    return Session.open(config, config.environment, only={"host"}, remember=True)


@pytest.fixture
def busy():
    child = subprocess.Popen([sys.executable, "-c", LOAD], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


async def opened(app, pilot, pid):
    """Put the cursor on a process and press enter."""
    await until(lambda: app.base.tab.selection, 20)
    app.base.tab.query_one("#processes").set_filter(f"pid:{pid}")
    await until(lambda: (app.base.tab.selection or {}).get("pid") == pid, 20)
    await pilot.press("enter")
    await until(lambda: "CPU of one core" in app.text(), 20)


def drawn(app, name):
    """Values of the first line of a chart."""
    panel = app.base.tab.query_one(f"#{name}")
    return list(panel._lines[0].value) if panel._lines else []


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_enter_shows_its_own_charts_and_escape_the_host_again(session, busy, size):
    async with shown("overview.hosts", session, size) as (app, pilot):
        await opened(app, pilot, busy.pid)
        for title in ("Memory", "Threads", "Descriptors", "Read/s", "Written/s"):
            assert title in app.text()
        await until(lambda: len(drawn(app, "own-cpu")) >= 2, 20)
        assert max(drawn(app, "own-cpu")) > 0.01  # a busy machine leaves it little
        assert drawn(app, "own-threads")[-1] == 1
        assert drawn(app, "own-memory")[-1] > 1 << 20
        busy.kill()
        busy.wait()
        await until(lambda: "has ended" in app.text(), 20)
        assert max(drawn(app, "own-cpu")) > 0.01
        app.base.tab.query_one("#processes").set_filter("")
        await pilot.press("escape")
        await until(lambda: "tasks waited for" in app.text(), 20)
        assert "CPU of one core" not in app.text()


async def test_the_past_of_a_process_is_drawn_from_what_was_kept(session):
    async with shown("overview.hosts", session, (120, 40)) as (app, pilot):
        await opened(app, pilot, os.getpid())
        await until(lambda: len(drawn(app, "own-cpu")) >= 3, 20)
        assert app.base.tab.query_one("#own-fds").seconds == 300.0
        app.base.tab.query_one("#own-fds").focus()
        await pilot.press("+")
        await until(lambda: app.base.tab.query_one("#own-cpu").seconds == 60.0)
        then = app.base.frames["resources"].at - 1.0
        session.clock.travel(then)
        app.revisit()
        await until(lambda: app.base.frames["resources"].at <= then, 20)
        assert drawn(app, "own-cpu")
        panel = app.base.tab.query_one("#own-cpu")
        assert all(at <= then for at in panel._lines[0].at)
