"""The profiling screen on this very host: a real process found, recorded, and walked through."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from perftui.analysis.stacks import assemble, parse_folded
from perftui.config import load
from perftui.engines.profiler import ProfilerEngine
from perftui.model.frame import Frame
from perftui.model.health import Health, Link
from perftui.model.profiler import ProfileMeta, ProfilerReading, ProfileTarget
from perftui.model.reading import Look, Reading
from perftui.model.resources import ProcessList, ProcessRow, ResourcesReport
from perftui.runtime.rings import Rings
from perftui.session import Session
from tests.screens.shell import ShellSession, shown
from tests.sizes import sizes
from tests.waiting import until

FOLDED = """<module> (/srv/app/main.py:8);serve (/srv/app/main.py:7);parse_row (/srv/app/rows.py:4) 500
<module> (/srv/app/main.py:8);serve (/srv/app/main.py:7);render (/srv/app/views.py:9);join (/usr/lib/python3.11/posixpath.py:71) 300
<module> (/srv/app/main.py:8);serve (/srv/app/main.py:7);render (/srv/app/views.py:9) 90
<module> (/srv/app/main.py:8);tick (/srv/app/main.py:30) 6
<module> (/srv/app/main.py:8);\x1b[31mhostile\u202e (/srv/app/x.py:1) 104
"""
META = ProfileMeta(
    "p-1", time.time(), 10.0, 100, 1000, 0, ProfileTarget(42, "/usr/bin/python app.py", "python")
)
BUSY = """
import sys
def burn():
    return sum(range(3000))
sys.stdout.write("go\\n"); sys.stdout.flush()
while True: burn()
"""
LIVE = {"spy": Health(Link.LIVE, 0.0)}
ROWS = (
    ProcessRow(42, 1, "python", "/usr/bin/python app.py", "web", "R", "python", 0.97, 80 << 20, 4, 1.0),
    ProcessRow(7, 1, "postgres", "postgres: checkpointer", "pg", "S", "", None, 30 << 20, 1, 2.0),
)


def framed(meta=META, folded=FOLDED, recording=None):
    profile = assemble(parse_folded(folded), meta) if folded else None
    kept = (meta,) if profile else ()
    facts = ProfilerReading("py-spy 0.4", recording, profile, kept)
    reading = Reading("spy", time.time(), 0.0, (), facts)
    report = ProfilerEngine().observe(
        time.time(), {"spy": Look("spy", "pyspy", reading, LIVE["spy"])}, Rings()
    )
    return Frame("profiler", time.time(), report, LIVE)


def still(**more):
    """A session that shows one profile and two processes."""
    now = time.time() + 3600  # a list that never gets old
    return ShellSession(
        {
            "profiler": framed(**more),
            "resources": Frame("resources", now, ResourcesReport(), LIVE),
            "resources.processes": Frame("resources.processes", now, ProcessList("box", now, ROWS, 2), LIVE),
        },
        sources={"StackSampler": ("spy",), "ProcessReader": ("host",), "ProfileShelf": ("spy",)},
    )


@pytest.mark.parametrize("size", sizes((80, 24), (120, 40), (200, 60)))
async def test_the_graph_is_walked_zoomed_and_searched(size):
    async with shown("profiling.cpu", still(), size) as (app, pilot):
        text = app.text()
        assert "parse_row" in text
        assert "hot path" in text
        assert "1000 samples, 10.0 s at 100 Hz" in text
        assert "\x1b" not in text
        assert "\\x1b[" in text
        assert "\u202e" not in text
        state = lambda: app.base.tab.state  # noqa: E731
        await pilot.press("j", "j", "j")
        assert named(app) == "parse_row"
        await pilot.press("l")
        assert named(app) == "render"
        await pilot.press("enter")
        await pilot.pause()
        assert "in render" in app.text()
        await pilot.press("escape")
        await until(lambda: state().root == 0)
        await pilot.press("k", "k", "H")
        assert named(app) == "parse_row"
        await pilot.press("/", *"posix", "enter")
        await pilot.pause()
        assert named(app) == "join"
        assert "match 1/1 /posix 30" in app.text()
        await pilot.press("t")
        await pilot.press(*["backspace"] * 3, "1", "enter")
        await pilot.pause()
        text = app.text()
        assert "under 1%: 1 hidden" in text
        assert size[0] >= 120 or "tick" not in text
        await pilot.press("v")
        assert state().view == "heavy"
        await pilot.press("v")
        await pilot.pause()
        assert "/srv/app" not in app.text().splitlines()[5]
        assert "rows.py:4" in app.text()


def named(app):
    tab = app.base.tab
    return tab.profile.name(tab.state.selected)


async def test_the_profile_is_written_for_other_tools(tmp_path):
    async with shown("profiling.cpu", still(), (120, 40), export_dir=str(tmp_path)) as (app, pilot):
        await pilot.press("e")
        await until(lambda: "speedscope" in app.text())
        assert "goes into the export folder" in app.text()
        await pilot.press("down", "enter")
        (path,) = await until(lambda: list(tmp_path.glob("*.speedscope.json")))
        data = json.loads(path.read_text())
        assert sum(data["profiles"][0]["weights"]) == 1000
        assert path.stat().st_mode & 0o777 == 0o600


async def test_a_new_profile_is_looked_at_from_its_root():
    session = still()
    async with shown("profiling.cpu", session, (120, 40)) as (app, pilot):
        await pilot.press("j", "j", "enter")
        session.publish("profiler", framed(meta=replace(META, id="p-2"), folded="other (/x.py:1) 9\n"))
        await until(lambda: app.base.tab.profile.meta.id == "p-2")
        assert app.base.tab.state.root == 0
        await pilot.pause()
        assert "few: under 200" in app.text()


async def test_without_a_profile_the_tab_says_what_to_press():
    async with shown("profiling.cpu", still(folded=""), (80, 24)) as (app, pilot):
        assert "R records one" in app.text()
        await pilot.press("j", "enter", "H", "t", "escape", "v", "v", "0")
        assert app.base.tab.state.selected == 0


async def test_processes_are_listed_and_narrowed_to_what_can_be_profiled():
    async with shown("profiling.overview", still(), (120, 40)) as (app, pilot):
        text = app.text()
        assert "postgres: checkpointer" in text
        assert "2 of 2 on box" in text
        assert "python app.py" in text
        assert "parse_row" in text
        await pilot.press("v")
        await pilot.pause()
        assert "checkpointer" not in app.text()
        assert app.base.tab.selection["pid"] == 42
        await pilot.press("R")
        await pilot.pause()
        await pilot.press(*["backspace"] * 2, "x", "enter")
        await pilot.pause()
        assert "a number of seconds, 1 to 3600" in app.text()


async def test_a_target_of_another_language_is_refused_before_it_is_touched():
    session = still()
    rows = (replace(ROWS[0], language="node"),)
    now = time.time() + 3600
    session.publish(
        "resources.processes", Frame("resources.processes", now, ProcessList("box", now, rows, 1), LIVE)
    )
    async with shown("profiling.overview", session, (80, 24)) as (app, pilot):
        await pilot.press("R")
        await pilot.pause()
        assert "samples Python only" in app.text()


@pytest.fixture
def busy(tmp_path):
    script = tmp_path / "busy_target.py"
    script.write_text(BUSY)
    child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A real session on this host."""
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PERFTUI_CONFIG", str(tmp_path / "none.toml"))
    config = load()
    return Session.open(config, config.environment, only={"host", "pyspy"})


async def test_from_the_process_list_to_its_flame_graph_by_keys(session, busy):
    async with shown("profiling.overview", session, (120, 40)) as (app, pilot):

        def row():
            tab = app.base.tab
            return next((r for r in (tab.processes.rows if tab.processes else ()) if r.pid == busy.pid), None)

        await until(row, 20)
        app.base.tab.query_one("#processes").cursor_to((busy.pid, row().started))
        await pilot.press("R")
        await pilot.pause()
        await pilot.press(*["backspace"] * 2, "1", "enter")
        await until(lambda: "at 100 Hz for 1 s" in app.text() or None, 10)
        await pilot.press("y")
        await until(
            lambda: app.base.tab_name == "profiling.cpu" and app.base.tab and app.base.tab.profile, 20
        )
        await until(lambda: "burn" in app.text(), 5)
        assert app.base.tab.profile.meta.target.pid == busy.pid
        await pilot.press("R")
        await pilot.pause()
        await pilot.press(*["backspace"] * 2, *"60", "enter")
        await until(lambda: "for 60 s" in app.text() or None, 10)
        await pilot.press("y")
        before = app.base.tab.profile.meta.id
        await until(lambda: session.conductor.running and session.conductor.running[0].progress.done > 8, 10)
        await pilot.press("R")
        await until(lambda: not session.conductor.running, 10)
        await pilot.press("escape")
        await until(lambda: app.base.tab.profile.meta.id != before, 15)
        assert app.base.tab.profile.meta.note.startswith("stopped after")
