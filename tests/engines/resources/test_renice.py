"""Nice values of real processes: every thread gets it, undo gives back what each had, all else is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perftui.backends.host import Host, HostOptions, nicer
from perftui.backends.host.signals import start_of
from perftui.engines.resources.renice import ReniceProcess
from perftui.model.errors import PlanRejected, Refused, Unsupported
from perftui.model.resources import NiceRules
from tests.waiting import until

SLEEPS = """
import threading, time
for _ in range(3): threading.Thread(target=threading.Event().wait, daemon=True).start()
print('go', flush=True)
time.sleep(600)
"""
AS_NOBODY = """
import os, sys
from perftui.backends.host import nicer
from perftui.model.errors import Refused
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    print(nicer.set_nice("/proc", int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
except Refused as error:
    print("Refused:", error)
"""


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"go\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
async def host():
    made = Host("host", HostOptions())
    await made.open()
    yield made
    await made.close()


def values(pid):
    """Nice value by thread."""
    tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    return {task: os.getpriority(os.PRIO_PROCESS, task) for task in tasks}


async def action_on(host, child, nice):
    row = await host.find_process(child.pid)
    return row, ReniceProcess(host, "host", pid=child.pid, started=row.started, nice=nice)


async def test_every_thread_gets_it_and_gets_back_what_it_had(host, child):
    before = values(child.pid)
    odd = max(before)
    os.setpriority(os.PRIO_PROCESS, odd, before[odd] + 2)  # one thread that its program made nicer
    before = values(child.pid)
    base = before[child.pid]
    _row, action = await action_on(host, child, base + 5)
    plan = await action.plan()
    assert plan.summary.startswith("Set nice of python")
    assert f"now {base}, then {base + 5}" in plan.affects
    receipt = await action.run(lambda _progress: None)
    assert set(values(child.pid).values()) == {base + 5}
    assert len(before) == 4
    assert receipt.facts == {"before": base, "threads": 4}
    if plan.reversible:
        undone = await action.undo(receipt)
        assert values(child.pid) == before
        assert f"is {base} again" in undone.summary


async def test_a_pid_that_is_anothers_now_keeps_its_value(host, child):
    before = values(child.pid)
    row = await host.find_process(child.pid)
    action = ReniceProcess(host, "host", pid=child.pid, started=row.started - 5.0, nice=15)
    with pytest.raises(PlanRejected, match="look again"):
        await action.plan()
    with pytest.raises(PlanRejected, match="nothing was set"):
        await action.run(lambda _progress: None)
    assert values(child.pid) == before


async def test_one_that_ended_meanwhile_is_told(host, child):
    _row, action = await action_on(host, child, 15)
    receipt = await action.run(lambda _progress: None)
    child.kill()
    await until(lambda: child.poll() is not None)
    with pytest.raises(PlanRejected, match="nothing to set back"):
        await action.undo(receipt)


@pytest.mark.parametrize(("nice", "said"), [(20, "-20"), (-21, "-20"), (None, "already")])
async def test_what_makes_no_sense_is_refused(host, child, nice, said):
    row, _ = await action_on(host, child, 0)
    wanted = row.nice if nice is None else nice
    with pytest.raises(PlanRejected, match=said):
        await ReniceProcess(host, "host", pid=child.pid, started=row.started, nice=wanted).plan()


async def test_pid_1_is_left_as_it_is(host):
    with pytest.raises(PlanRejected, match="pid 1"):
        await ReniceProcess(host, "host", pid=1, started=0.0, nice=5).plan()


async def test_a_login_without_the_right_learns_that_it_cannot_go_back(host, child, monkeypatch):
    async def narrow():
        return NiceRules(lowest=20, by_session=True)

    async def stranger():
        return "somebody"

    monkeypatch.setattr(host, "nice_rules", narrow)
    row, action = await action_on(host, child, 19)
    plan = await action.plan()
    assert not plan.reversible
    assert f"may not lower it to {row.nice}" in plan.undo_note
    assert any("autogroup" in warning for warning in plan.warnings)
    monkeypatch.setattr(host, "own_user", stranger)
    plan = await ReniceProcess(host, "host", pid=child.pid, started=row.started, nice=row.nice - 1).plan()
    assert "not to you" in plan.warnings[0]
    assert "CAP_SYS_NICE" in plan.warnings[1]


@pytest.mark.skipif(os.getuid() != 0, reason="needs another login")
@pytest.mark.parametrize("owner", [0, 65534], ids=["of another", "of its own"])
def test_the_kernels_refusal_is_told_clearly(owner):
    child = subprocess.Popen(["sleep", "600"], user=owner)
    try:
        (old,) = values(child.pid).values()
        wanted = old - 1 if owner else old + 1
        started = start_of("/proc", child.pid)
        words = [sys.executable, "-c", AS_NOBODY, str(child.pid), str(started), str(wanted)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        expected = f"from {old} to {wanted}" if owner else "belongs to another user"
        assert done.stdout.startswith("Refused: this login may not"), done.stderr
        assert expected in done.stdout
        assert values(child.pid) == {child.pid: old}
    finally:
        child.kill()
        child.wait()


async def test_another_hosts_processes_are_out_of_reach():
    with pytest.raises(Unsupported):
        await Host("far", HostOptions(proc="/mnt/proc")).renice_process(4242, 0.0, 5)


def test_what_this_login_may_do_is_what_the_kernel_lets_it():
    lowest = nicer.floor("/proc")
    assert -20 <= lowest <= 20
    probe = "import os, sys; os.setpriority(os.PRIO_PROCESS, 0, int(sys.argv[1]))"
    if lowest <= 19:
        subprocess.run([sys.executable, "-c", probe, str(lowest)], check=True, timeout=30)
    if lowest > -20:
        words = [sys.executable, "-c", probe, str(min(lowest, 0) - 1)]
        assert subprocess.run(words, check=False, timeout=30, capture_output=True).returncode


async def test_refused_is_what_it_raises(host, child, monkeypatch):
    """The kernel's answer to setpriority, whatever this login may."""

    def forbidden(*_words):
        raise PermissionError(1, "Operation not permitted")

    row = await host.find_process(child.pid)
    monkeypatch.setattr(os, "setpriority", forbidden)
    with pytest.raises(Refused, match="may not"):
        await host.renice_process(child.pid, row.started, 19)
