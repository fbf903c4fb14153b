"""Children end with us also where the kernel does not see to it, and folders are swept only when free."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from perftui.lab import folders, processes
from perftui.lab.folders import Folder, Owner
from perftui.lab.load import Visitors
from perftui.lab.processes import Child, Command, LabError, spawn
from tests.waiting import until

WATCHED = """
import asyncio, sys, time
from pathlib import Path
from perftui.lab import processes
processes.prctl = None
processes.watchdog = processes.Watchdog()
async def main():
    home = Path(sys.argv[1])
    child = await processes.spawn("sleeper", processes.Command(["sleep", "600"], home, home / "log"))
    print(child.pid, flush=True)
    time.sleep(600)
asyncio.run(main())
"""


def living(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_the_watchdog_ends_children_of_a_killed_parent(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen(  # noqa: ASYNC220 - a plain parent, to be killed
        [sys.executable, "-c", WATCHED, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    )
    pid = int(parent.stdout.readline())
    assert living(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await until(lambda: not living(pid), 1.0)


async def test_a_child_ends_by_its_signal_or_by_force(tmp_path):
    deaf = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('.', flush=True); signal.pause()"
    log = tmp_path / "log"
    child = await spawn("deaf", Command([sys.executable, "-c", deaf], tmp_path, log))
    await until(lambda: log.read_text() == ".\n", 10)
    assert await child.stop(grace=0.1) == -signal.SIGKILL
    assert not child.alive
    assert await child.stop() == -signal.SIGKILL


async def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(OSError):
        await spawn("nobody", Command([str(tmp_path / "nothing")], tmp_path, tmp_path / "log"))


async def test_children_get_no_secrets_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUD_TOKEN", "hush")
    child: Child = await spawn("env", Command(["env"], tmp_path, tmp_path / "log"))
    await child.wait(5)
    assert "hush" not in (tmp_path / "log").read_text()


async def test_until_names_what_did_not_happen():
    with pytest.raises(LabError, match="the moon within 0 s"):
        await processes.until(lambda: False, 0, "the moon")


def test_sweep_takes_only_what_nobody_holds(tmp_path):
    held = Folder.create(None, tmp_path)
    left = tmp_path / f"{folders.PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    young = tmp_path / f"{folders.PREFIX}young"
    young.mkdir()
    foreign = tmp_path / "something-else"
    foreign.mkdir()
    assert folders.sweep(tmp_path) == [left]
    assert held.path.exists()
    assert young.exists()
    assert foreign.exists()
    held.remove()
    held.remove()
    assert not held.path.exists()


def test_a_start_wins_against_a_sweep_at_its_worst_moment(tmp_path, monkeypatch):
    take = fcntl.flock

    def swept_before(lock: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            folders.sweep(tmp_path)
        take(lock, how)

    monkeypatch.setattr(fcntl, "flock", swept_before)
    made = Folder.create(None, tmp_path)
    assert folders.sweep(tmp_path) == []
    assert [entry.name for entry in made.path.iterdir()] == ["lock"]
    made.remove()


@pytest.mark.parametrize("moment", ["_abandoned", "_living_in"])
def test_a_folder_may_vanish_under_the_sweep(tmp_path, monkeypatch, moment):
    for name in ("first", "second"):
        left = tmp_path / f"{folders.PREFIX}{name}"
        left.mkdir()
        (left / "lock").touch()
    look = getattr(folders, moment)

    def vanished_before(path: Path) -> object:
        if path.name.endswith("first"):
            shutil.rmtree(path)
        return look(path)

    monkeypatch.setattr(folders, moment, vanished_before)
    assert left in folders.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sweep_follows_no_link(tmp_path):
    target = tmp_path / "precious"
    target.mkdir()
    (target / "lock").touch()
    (tmp_path / f"{folders.PREFIX}link").symlink_to(target)
    folders.sweep(tmp_path)
    assert target.exists()


def test_sweep_ends_what_still_lives_in_a_dead_lab_s_folder(tmp_path):
    left = tmp_path / f"{folders.PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    stopped = subprocess.Popen(["sleep", "600"], cwd=left)
    stopped.send_signal(signal.SIGSTOP)
    folders.sweep(tmp_path)
    assert stopped.wait(5) == -signal.SIGKILL


def test_programs_out_of_reach_are_copied_for_another_user(tmp_path):
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    tool = hidden / "tool"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    folder = Folder.create(Owner(os.getuid(), os.getgid(), "me"), tmp_path)
    copy = folders.programs(tool, "tool", folder)
    assert copy.is_relative_to(folder.path)
    assert os.access(copy, os.X_OK)
    alone = Folder.create(None, tmp_path)
    assert folders.programs(tool, "tool", alone) == tool
    folder.remove()
    alone.remove()


def test_secrets_are_written_unreadable_to_others(tmp_path):
    before = os.umask(0)
    try:
        path = folders.write_private(tmp_path / "secret", "x")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_the_lock_is_not_inherited(tmp_path):
    folder = Folder.create(None, tmp_path)
    heir = subprocess.Popen(["sleep", "600"], close_fds=False)
    os.close(folder.lock)
    lock = os.open(folder.path / "lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)
    heir.kill()
    heir.wait()


def test_visitors_are_the_same_for_a_seed_and_prefer_few_products():
    first, second = Visitors(7), Visitors(7)
    assert [first.next() for _ in range(50)] == [second.next() for _ in range(50)]
    asked = [first.product() for _ in range(5000)]
    assert all(1 <= product <= 5000 for product in asked)
    commonest = max(set(asked), key=asked.count)
    assert asked.count(commonest) > 300
    assert len(set(asked)) > 500
