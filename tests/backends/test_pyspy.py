"""py-spy on real processes: a known split of work, and every way in which a target may be no target."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perftui.analysis.flame import functions, hot_path
from perftui.backends.pyspy import PySpy, PySpyOptions, attach
from perftui.backends.pyspy.shelf import Shelf
from perftui.model.errors import Cancelled, Lost, Protocol, Refused, Unsupported
from perftui.model.ports import ProfileShelf, StackDumper, StackSampler
from perftui.model.profiler import ProfileTarget
from tests.backends.contract import BackendContract
from tests.waiting import until

BUSY = """
import sys, time
def heavy(until):
    while time.process_time() < until: pass
def light(until):
    while time.process_time() < until: pass
def serve():
    start = time.process_time()
    heavy(start + 0.03)
    light(start + 0.04)
sys.stdout.write("go\\n"); sys.stdout.flush()
while True: serve()
"""


def silent(_progress):
    pass


@pytest.fixture
def busy(tmp_path):
    """A real Python process whose work is split 3 : 1 by construction."""
    script = tmp_path / "busy.py"
    script.write_text(BUSY)
    child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
async def spy(tmp_path):
    made = PySpy("pyspy", PySpyOptions(str(tmp_path / "profiles")))
    await made.open()
    yield made
    await made.close()


class TestContract(BackendContract):
    powers = (StackSampler, StackDumper, ProfileShelf)

    @pytest.fixture
    def live(self, tmp_path):
        return lambda: PySpy("pyspy", PySpyOptions(str(tmp_path)))


async def test_shares_are_those_of_the_program(spy, busy):
    said = []
    profile = await spy.sample_stacks(busy.pid, 3, 100, said.append)
    assert profile.meta.samples >= 200
    assert profile.meta.errors <= profile.meta.samples * 0.1
    assert profile.meta.seconds == pytest.approx(3, abs=0.8)
    hot = {f.frame.name: f for f in functions(profile.tree, profile.frames)}
    assert hot["heavy"].share_self == pytest.approx(0.75, abs=0.1)
    assert hot["light"].share_self == pytest.approx(0.25, abs=0.1)
    assert hot["serve"].share_total > 0.95
    assert hot["heavy"].frame.line == 4
    assert [s.frame.name for s in hot_path(profile.tree, profile.frames)] == ["<module>", "serve", "heavy"]
    assert profile.meta.target.pid == busy.pid
    assert said[-1].total == 30
    assert "of 3 s at 100 Hz" in said[-1].note
    facts = (await spy.read()).facts
    assert facts.newest is profile
    assert facts.kept == (profile.meta,)
    assert facts.recording is None
    assert await spy.profile(profile.meta.id) == profile
    kept = spy._shelf.folder / f"{profile.meta.id}.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(spy._shelf.folder.stat().st_mode) == 0o700


async def test_cancelled_it_keeps_what_was_taken_and_leaves_no_program(spy, busy):
    seen = []
    flight = asyncio.ensure_future(spy.sample_stacks(busy.pid, 60, 100, seen.append))
    await until(lambda: seen and seen[-1].done >= 10, 10)
    recording = (await spy.read()).facts.recording
    assert (recording.pid, recording.seconds) == (busy.pid, 60)
    with pytest.raises(Unsupported, match="already recording"):
        await spy.sample_stacks(busy.pid, 1, 100, silent)
    flight.cancel()
    with pytest.raises(Cancelled) as stopped:
        await flight
    facts = (await spy.read()).facts
    assert facts.recording is None
    assert facts.newest.total > 10
    assert facts.newest.meta.note.startswith("stopped after")
    assert stopped.value.receipt.facts["profile"] == facts.newest.meta.id
    assert not programs()


def programs():
    """py-spy programs that are children of this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "stat").read_bytes()
        except OSError:
            continue
        if line[line.rfind(b")") :].split()[2] == str(os.getpid()).encode() and b"py-spy" in line:
            found.append(folder.name)
    return found


async def test_a_target_that_ends_leaves_what_was_taken(spy, busy):
    seen = []
    flight = asyncio.ensure_future(spy.sample_stacks(busy.pid, 60, 100, seen.append))
    await until(lambda: seen and seen[-1].done >= 8, 10)
    busy.kill()
    profile = await flight
    assert profile.meta.note.startswith("target ended after")
    assert profile.total > 10


@pytest.fixture
async def asleep():
    """A process that is no Python."""
    child = await asyncio.create_subprocess_exec("sleep", "60")
    await until(Path(f"/proc/{child.pid}/cmdline").read_bytes)  # a moment after exec it has none yet
    yield child
    if child.returncode is None:
        child.kill()
    await child.wait()


@pytest.fixture
def idle():
    """A Python process that waits."""
    code = "import time, sys; sys.stdout.write('go\\n'); sys.stdout.flush(); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


async def test_what_is_no_target_is_told_apart(spy, asleep):
    with pytest.raises(Unsupported, match="sleep 60"):
        await spy.sample_stacks(asleep.pid, 1, 100, silent)
    with pytest.raises(Unsupported):
        await spy.dump_stacks(asleep.pid)
    asleep.kill()
    await asleep.wait()
    with pytest.raises(Lost, match="may have ended"):
        await spy.sample_stacks(asleep.pid, 1, 100, silent)
    for seconds, rate in ((0, 100), (9999, 100), (1, 5000)):
        with pytest.raises(Unsupported, match="a profile takes"):
            await spy.sample_stacks(os.getpid(), seconds, rate, silent)
    assert (await spy.read()).facts.newest is None


async def test_a_sleeping_target_gives_an_empty_profile(spy, idle):
    profile = await spy.sample_stacks(idle.pid, 1, 50, silent)
    assert profile.total <= 10


async def test_a_dump_shows_every_thread(spy, busy):
    (thread,) = await spy.dump_stacks(busy.pid)
    assert [f.name for f in thread.frames][:2] == ["<module>", "serve"]
    assert thread.thread == busy.pid
    assert thread.active


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Permission Denied: Try running again with elevated permissions", Refused),
        ("Caused by: Operation not permitted (os error 1)", Refused),
        ("Error: Failed to find python version from target process", Unsupported),
        ("0: No such file or directory (os error 2)", Lost),
        ("Error: something new", Unsupported),
        ("", Unsupported),
    ],
)
def test_what_py_spy_says_becomes_an_error_of_the_house(said, kind):
    assert type(attach.explain(ProfileTarget(7, "python x\x1b.py"), said)) is kind
    assert str(attach.explain(ProfileTarget(7, "python x\x1b.py"), said)).isprintable()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_user_without_the_right_is_told_the_line_that_grants_it(busy):
    code = (
        "import asyncio, os, tempfile\nfrom perftui.backends.pyspy import PySpy, PySpyOptions, attach\n"
        "attach.find_target(os.getpid())\n"
        "asyncio.run(PySpy('p', PySpyOptions('/nonexistent')).open())\n"
        "os.setgroups([]); os.setuid(65534)\n"
        "async def main():\n    spy = PySpy('p', PySpyOptions('/nonexistent')); await spy.open()\n"
        f"    await spy.sample_stacks({busy.pid}, 1, 100, lambda p: None)\n"
        "try: asyncio.run(main())\nexcept Exception as e: print(type(e).__name__, e)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert out.stdout.startswith("Refused may not read the stacks"), out
    assert "sudo" in out.stdout


def test_the_obstacle_is_named_by_its_setting(monkeypatch, tmp_path):
    scope = tmp_path / "ptrace_scope"
    monkeypatch.setattr(attach, "SCOPE", scope)
    monkeypatch.setattr(attach.os, "geteuid", lambda: 1000)
    assert attach.obstacle() == ""
    scope.write_text("1\n")
    assert "sysctl kernel.yama.ptrace_scope=0" in attach.obstacle()
    scope.write_text("3\n")
    assert "next boot" in attach.obstacle()


def test_a_shelf_lists_only_whole_profiles_and_refuses_odd_ids(tmp_path):
    shelf = Shelf(tmp_path)
    (tmp_path / "half.meta").write_text("{")
    assert shelf.list() == ()
    with pytest.raises(Unsupported):
        shelf.load("../../etc/passwd")
    with pytest.raises(Unsupported):
        shelf.load("none")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(Protocol):
        shelf.load("bad")


async def test_attach_to_profile_takes_little_beyond_its_seconds(spy, busy):
    began = time.monotonic()
    await spy.sample_stacks(busy.pid, 1, 100, silent)
    assert time.monotonic() - began < 4
