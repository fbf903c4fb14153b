"""The hosts tab on this very machine, and its drawings for machines we do not have."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from perftui.config import load
from perftui.draw.clean import cell_width
from perftui.draw.rows import Look, Size, plain
from perftui.model.resources import (
    CpuUse,
    DiskUse,
    GroupLimit,
    Growth,
    HostReading,
    HostView,
    MemoryUse,
    NetUse,
    OwnCost,
    Pressure,
    Sustained,
    TcpUse,
)
from perftui.screens.overview import corerows, hostrows
from perftui.session import Session
from tests.screens.shell import shown
from tests.waiting import until

GIB = 1 << 30
READING = HostReading(
    "box",
    1.0,
    CpuUse("all", 0.5, 0.3, 0.0, 0.15, 0.02, 0.0, 0.03),
    tuple(CpuUse(str(i), (i % 10) / 10, (i % 10) / 10) for i in range(4)),
    (1.0, 2.0, 3.0),
    MemoryUse(8 * GIB, 2 * GIB, GIB, GIB, swap_total=GIB, swap_free=GIB // 2, swap_in_per_s=2048.0),
    pressure=(Pressure("cpu", 0.35, 0.0), Pressure("memory", 0.0, 0.0)),
)
LOOKS = [Look(), Look(colour=False), Look(ascii_=True)]


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PERFTUI_CONFIG", str(tmp_path / "none.toml"))
    config = load()
    return Session.open(config, config.environment, only={"host"})


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_this_host_is_shown_with_its_processes(session, size):
    async with shown("overview.hosts", session, size) as (app, _pilot):
        await until(lambda: "busy " in app.text(), 20)
        await until(lambda: app.base.tab.selection and "reading the processes" not in app.text(), 20)
        text = app.text()
        assert f"{psutil.cpu_count()} cores" in text
        assert "tasks waited for cpu" in text
        assert ("File systems" in text) == (size[0] >= 120)
        await until(lambda: app.base.focused and app.base.focused.id == "processes")
        table = app.base.tab.query_one("#processes")
        assert any(pid == os.getpid() for pid, _ in table.view.order)


HOLDS = """
import os
held, block = [os.open("/dev/null", os.O_RDONLY) for _ in range(900)], bytearray(30 << 20)
for at in range(0, len(block), 4096): block[at] = 1
print("go", flush=True)
input()
"""


@pytest.fixture
def holder():
    """A real process that holds many files and does nothing."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "go\n"
    yield child
    child.communicate("\n", timeout=10)


async def test_sorted_by_descriptors_those_with_most_come_first(session, holder):
    async with shown("overview.hosts", session, (200, 60)) as (app, _pilot):
        await until(lambda: app.base.tab.selection and "reading the processes" not in app.text(), 20)
        table = app.base.tab.query_one("#processes")
        table.set_sort("fds", reverse=True)
        await until(lambda: holder.pid in [pid for pid, _ in table.view.order[:5]], 20)


@pytest.mark.slow
async def test_what_came_is_drawn_and_what_did_not_stands(session, monkeypatch):
    """Figures at the host's pace, the table at the pace of its lists; asked for, both at once."""
    async with shown("overview.hosts", session, (120, 40)) as (app, _pilot):
        tab = app.base.tab
        await until(lambda: tab.selection and "busy " in app.text(), 30)
        table, drawn = tab.query_one("#processes"), []
        figures, items = tab._figures, table.set_items
        monkeypatch.setattr(tab, "_figures", lambda *of: (drawn.append("figures"), figures(*of)))
        monkeypatch.setattr(table, "set_items", lambda rows: (drawn.append("table"), items(rows)))
        await until(lambda: drawn.count("table") >= 2 and drawn.count("figures") > drawn.count("table"), 60)
        listed = tab.frames["resources.processes"].report
        await until(lambda: tab.frames["resources.processes"].report is not listed, 30)
        drawn.clear()
        tab.redraw()
        assert drawn == ["figures", "table"]
        drawn.clear()
        app.base.fresh = True
        app.base.tick()
        assert drawn == ["figures", "table"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("cores", [1, 2, 7, 64, 256, 2000])
@pytest.mark.parametrize("size", [Size(40, 4), Size(79, 6), Size(60, 1)])
def test_any_number_of_cores_fits_any_panel(look, cores, size):
    view = HostView("h", 0.0, replace(READING, cores=tuple(CpuUse(str(i), 0.5, 0.5) for i in range(cores))))
    rows = plain(hostrows.cpu(view, size, look))
    assert len(rows) <= max(size.height, 1)
    assert all(cell_width(row) == size.width for row in rows)
    if look.ascii_:
        assert all(row.replace("…", "").isascii() for row in rows)


@pytest.mark.parametrize("look", LOOKS)
def test_each_core_has_its_share_in_figures(look):
    text = "\n".join(plain(hostrows.cpu(HostView("h", 0.0, READING), Size(60, 6), look)))
    for share in ("10.0%", "20.0%", "30.0%"):
        assert share in text


def busy_cores(count, share=0.5):
    return tuple(CpuUse(str(i), share, share) for i in range(count))


@pytest.mark.parametrize(("look", "marks"), [(Look(), "├┤"), (Look(ascii_=True), "[]")])
def test_a_bar_marks_the_least_and_the_most_of_the_last_half_minute(look, marks):
    ranges = ((0.1, 0.9), (0.5, 0.5), None)
    view = HostView("h", 0.0, replace(READING, cores=busy_cores(3)), Sustained(ranges=ranges))
    rows = plain(hostrows.cpu(view, Size(52, 4), look))[1:]
    bar = rows[0][corerows.LABEL : -corerows.FIGURE - 1]
    assert bar.index(marks[0]) == int(0.1 * len(bar))
    assert bar.index(marks[1]) == int(0.9 * len(bar))
    assert bar.count("#" if look.ascii_ else "█") == len(bar) // 2 - 1  # the lower mark stands inside
    assert not any(mark in row for row in rows[1:] for mark in marks)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("count", [40, 64, 128])
@pytest.mark.parametrize("size", [Size(79, 5), Size(60, 9), Size(110, 24)])
def test_many_cores_fold_into_a_heat_map_that_loses_no_hot_core(look, count, size):
    """Core 7 was full for a minute; all else is idle."""
    at = 1000.0
    found = tuple(CpuUse(str(i), float(i == 7), float(i == 7)) for i in range(count))
    course = {
        str(i): ([at - 290 + t for t in range(291)], [float(i == 7 and t > 230) for t in range(291)])
        for i in range(count)
    }
    ranges = tuple((0.0, float(i == 7)) for i in range(count))
    view = HostView("h", at, replace(READING, cores=found), Sustained(ranges=ranges))
    rows = plain(hostrows.cpu(view, size, look, lambda: course))
    assert len(rows) <= size.height
    assert all(cell_width(row) == size.width for row in rows)
    if look.ascii_:
        assert all(row.replace("…", "").isascii() for row in rows)
    if (size.width // corerows.NARROWEST) * (size.height - 1) >= count:
        return  # every core has its bar there
    hot = "#" if look.ascii_ else "█"
    full = [row for row in rows[1:] if hot in row]
    assert len(full) == 1
    assert "now   100%" in full[0] or "now  100%" in full[0] or "100.0%" in full[0] or "100%" in full[0]
    columns = size.width - corerows.RANGE
    assert full[0].count(hot) == pytest.approx(columns / 5, abs=6)
    bands = corerows.fold(count, size.height - 2)
    assert bands[0][0] == 0
    assert bands[-1][1] == count
    assert all(b == c for (_, b), (c, _) in itertools.pairwise(bands))


def test_cores_that_nothing_is_known_of_yet_have_a_cell_each():
    view = HostView("h", 0.0, replace(READING, cores=busy_cores(128)))
    rows = plain(hostrows.cpu(view, Size(60, 6), Look(), dict))
    assert "".join(rows[1:]).count("▄") == 128


def test_memory_says_what_is_used_swapped_and_waited_for():
    text = "\n".join(plain(hostrows.memory(HostView("h", 0.0, READING), Size(80, 6), Look())))
    assert "75.0% of 8.00 GiB used" in text
    assert "swap 512 MiB of 1.00 GiB, 2.00 KiB/s in and out" in text
    assert "tasks waited for cpu 35.0%" in text
    none = replace(READING, pressure=(), memory=MemoryUse(8 * GIB, 2 * GIB))
    text = "\n".join(plain(hostrows.memory(HostView("h", 0.0, none), Size(80, 6), Look())))
    assert "no swap" in text
    assert "not told by this kernel" in text


def test_memory_in_five_parts_that_add_up_to_all_of_it():
    memory = MemoryUse(8 * GIB, 5 * GIB, 2 * GIB, 3 * GIB, GIB // 2, GIB)
    parts = {part.name: part.value / GIB for part in hostrows.memory_parts(memory)}
    assert parts == {"used": 2, "shared": 1, "buffers": 0.5, "cached": 2.5, "free": 2}
    odd = MemoryUse(8 * GIB, GIB, 2 * GIB, shared=9 * GIB, buffers=GIB)
    assert all(part.value >= 0 for part in hostrows.memory_parts(odd))


def test_the_title_tells_limits_heat_and_our_own_cost():
    limit = GroupLimit(2, "/g", 1.5, 1.4, 0.25, 0.1, None, 0)
    said = replace(
        READING,
        limit=limit,
        contained=True,
        frequency_hz=2.5e9,
        temperature_c=61.0,
        own=OwnCost(0.01, 60 << 20, 900.0),
    )
    text = hostrows.about(HostView("h", 0.0, said))
    for part in (
        "2.50 GHz",
        "61 °C",
        "quota 1.5, throttled 25.0%",
        "container's view",
        "perftui 1.0%, 60.0 MiB",
    ):
        assert part in text
    assert "quota" not in hostrows.about(HostView("h", 0.0, READING))


@pytest.fixture
def sleeper():
    """A real process that does nothing for long."""
    child = subprocess.Popen(["sleep", "600"])
    yield child
    child.kill()
    child.wait()


async def test_k_ends_the_process_under_the_cursor_once_its_pid_is_typed(session, sleeper):
    async with shown("overview.hosts", session, (120, 40)) as (app, pilot):
        await until(lambda: app.base.tab.selection, 20)
        app.base.tab.query_one("#processes").set_filter(f"pid:{sleeper.pid}")
        await until(lambda: (app.base.tab.selection or {}).get("pid") == sleeper.pid, 20)
        await pilot.press("K")
        await until(lambda: "TERM: asks it to end" in app.text(), 20)
        await pilot.press("enter")
        await until(lambda: f"type {sleeper.pid}" in app.text(), 20)
        assert sleeper.poll() is None
        await pilot.press(*str(sleeper.pid), "enter")
        await until(lambda: sleeper.poll() is not None, 20)


async def test_a_nice_value_is_set_and_taken_back(session, sleeper):
    """Lower only where this login may: then `u` gives back what it had."""
    base = os.getpriority(os.PRIO_PROCESS, sleeper.pid)
    async with shown("overview.hosts", session, (120, 40)) as (app, pilot):
        await until(lambda: app.base.tab.selection, 20)
        app.base.tab.query_one("#processes").set_filter(f"pid:{sleeper.pid}")
        await until(lambda: (app.base.tab.selection or {}).get("pid") == sleeper.pid, 20)
        await pilot.press("=")
        await until(lambda: "-20 goes first, 19 goes last" in app.text(), 20)
        await pilot.press(*["backspace"] * 3, *"99", "enter")
        await until(lambda: "a whole number from -20 to 19" in app.text(), 20)
        await pilot.press(*["backspace"] * 3, *str(base + 3), "enter")
        await until(lambda: f"then {base + 3}" in app.text(), 20)
        assert os.getpriority(os.PRIO_PROCESS, sleeper.pid) == base
        await pilot.press("y")
        await until(lambda: os.getpriority(os.PRIO_PROCESS, sleeper.pid) == base + 3, 20)
        if os.getuid() != 0:
            return
        await until(lambda: session.conductor.undoable, 20)
        await pilot.press("u")
        await until(lambda: "undo: nice of pid" in app.text(), 20)
        await pilot.press("y")
        await until(lambda: os.getpriority(os.PRIO_PROCESS, sleeper.pid) == base, 20)


async def test_v_shows_the_tree_and_b_goes_through_the_groups(session):
    async with shown("overview.hosts", session, (120, 40)) as (app, pilot):
        await until(lambda: app.base.tab.selection, 20)
        table = app.base.tab.query_one("#processes")
        await pilot.press("v")
        await until(lambda: "as a tree" in app.text(), 20)
        place = [pid for pid, _ in table.view.order].index
        assert place(os.getppid()) < place(os.getpid())
        for by in ("unit", "user", "language"):
            await pilot.press("b")
            await until(lambda by=by: f"by {by}" in table.note, 20)
            assert app.base.tab.selection is None
        await pilot.press("b")
        await until(lambda: app.base.tab.selection, 20)


@pytest.mark.parametrize("width", [40, 79])
def test_a_small_terminal_has_a_line_for_each(width):
    said = replace(
        READING,
        disks=(
            DiskUse("vda", 1, 1, 1024.0, 2048.0, 0, 0, 0, 0.5),
            DiskUse("vdb", 1, 1, 1024.0, 0, 0, 0, 0, 0.1),
        ),
        nets=(NetUse("eth0", 2048.0, 4096.0, 1, 1, 0, 0), NetUse("lo", 9e9, 9e9, 1, 1, 0, 0)),
        tcp=TcpUse(2.5, 100.0, 1.0, 30, (("established", 7),)),
    )
    rows = plain(hostrows.brief(HostView("h", 0.0, said), width))
    assert len(rows) == 4
    assert all(cell_width(row) == width for row in rows)
    if width > 78:
        assert "read 2.00 KiB/s  write 2.00 KiB/s  busiest 50.0%" in rows[1]
        assert "in 2.00 KiB/s  out 4.00 KiB/s  7 connected, 2.5 retransmits/s, 1.0" in rows[2]


async def test_networks_show_their_course(session):
    async with shown("overview.hosts", session, (200, 60)) as (app, _pilot):
        await until(lambda: "in 5 min" in app.text(), 20)
        tab = app.base.tab
        await until(lambda: tab.query_one("#nets").view.order, 20)
        drawn = tab._course("net.rx_bytes_per_s", "interface")
        await until(drawn("lo")[0].strip, 20)
        assert len(drawn("lo")[0]) == hostrows.COURSE
        assert drawn("none such")[0].strip() == ""


def test_a_file_system_that_fills_says_when():
    growth = Growth("mount", "/", 60.0 * GIB, GIB / 3600, GIB / 4000, GIB / 3000, 1800.0, 100.0 * GIB)
    view = HostView("h", 0.0, READING, growing=(growth,))
    assert hostrows.until_full(view, "/") == pytest.approx(40 * 3600)
    assert hostrows.until_full(view, "/var") is None
