"""Signals to real processes: the one shown gets it, any other is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from perftui.backends.host import Host, HostOptions
from perftui.engines.resources.signals import SignalProcess
from perftui.model.errors import PlanRejected, Unsupported
from tests.waiting import until

SLEEPS = "import sys, time\nprint('go', flush=True)\ntime.sleep(600)"


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


async def test_the_process_shown_is_ended(host, child):
    row = await host.find_process(child.pid)
    action = SignalProcess(host, "host", pid=child.pid, started=row.started)
    plan = await action.plan()
    assert plan.challenge == str(child.pid)
    assert not plan.reversible
    receipt = await action.run(lambda _progress: None)
    await until(lambda: child.poll() is not None)
    assert receipt.facts == {"ended": True}
    with pytest.raises(PlanRejected, match="has ended"):
        await action.plan()
    with pytest.raises(PlanRejected, match="nothing was sent"):
        await action.run(lambda _progress: None)


async def test_a_pid_that_is_anothers_now_gets_nothing(host, child):
    row = await host.find_process(child.pid)
    action = SignalProcess(host, "host", pid=child.pid, started=row.started - 5.0, signal="KILL")
    with pytest.raises(PlanRejected, match="look again"):
        await action.plan()
    assert not await host.signal_process(child.pid, row.started - 5.0, "KILL")
    assert child.poll() is None


async def test_a_process_of_somebody_else_has_to_be_named(host, child, monkeypatch):
    async def stranger():
        return "somebody"

    monkeypatch.setattr(host, "own_user", stranger)
    row = await host.find_process(child.pid)
    plan = await SignalProcess(host, "host", pid=child.pid, started=row.started).plan()
    assert plan.challenge == row.name
    assert "not to you" in plan.warnings[0]


@pytest.mark.parametrize(
    ("pid", "signal", "said"),
    [
        (1, "TERM", "pid 1"),
        (0, "TERM", "pid 1"),
        (os.getpid(), "TERM", "itself"),
        (4242, "NONE", "no signal"),
    ],
    ids=("init", "group", "itself", "unknown"),
)
async def test_what_is_never_signalled(host, pid, signal, said):
    with pytest.raises(PlanRejected, match=said):
        await SignalProcess(host, "host", pid=pid, started=0.0, signal=signal).plan()


async def test_another_hosts_processes_are_out_of_reach():
    far = Host("far", HostOptions(proc="/mnt/proc"))
    with pytest.raises(Unsupported):
        await far.signal_process(4242, 0.0, "TERM")
