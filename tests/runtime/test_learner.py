"""The process that learns: real, bounded, and given up without it; and the watch that uses what it says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest

from perftui.analysis.occasions import Days
from perftui.config import load
from perftui.engines.anomaly import AnomalyEngine
from perftui.model.anomaly import Watch
from perftui.model.errors import ConfigError
from perftui.model.reading import Measure, Reading
from perftui.runtime import learner as module
from perftui.runtime.history import History
from perftui.runtime.learner import INSTALL, Learner, Missing, Unlearned
from perftui.runtime.store import Store
from perftui.runtime.teaching import Teacher
from tests.analysis.test_neighbours import STEP, series
from tests.runtime.test_oddities import KEY, Hands
from tests.waiting import auntil


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_two_series_are_learned_by_one_process_that_ends():
    at, value = series(8, 1)
    async with Learner() as learner:
        first = await learner.learn(at, value, 1)
        pid = learner._process.pid
        assert pid != os.getpid()
        assert await learner.learn(at, value, 1) == first
        assert learner._process.pid == pid
        with pytest.raises(Unlearned, match=r"1\.0 days without gaps"):
            await learner.learn(at[:1500], value[:1500])
    assert gone(pid)
    assert "numpy" not in await loaded("perftui.runtime.teaching")


async def loaded(name):
    """What a console that watches has imported."""
    words = f"import sys, {name}; print(*sys.modules)"
    return (await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", words])).decode().split()


async def test_one_that_takes_too_long_is_killed():
    at, value = series(14, 1)
    began = time.monotonic()
    async with Learner(deadline=0.3) as learner:
        with pytest.raises(Unlearned, match=r"more than 0\.3 s"):
            await learner.learn(at, value)
        assert learner._process is None
    assert time.monotonic() - began < 20


async def test_one_that_dies_is_told_and_the_next_begins_anew():
    at, value = series(8, 1)
    async with Learner() as learner:
        await learner.learn(at, value)
        learner._process.kill()
        await learner._process.wait()
        with pytest.raises(Unlearned, match="process that learns ended"):
            await learner.learn(at, value)
        assert (await learner.learn(at, value)).known > 1000


async def test_without_numpy_the_trees_go_on_and_it_is_said(monkeypatch, tmp_path):
    """A Python that sees no numpy, as where the extra is not installed."""
    hidden = tmp_path / "hidden.py"
    hidden.write_text(
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'numpy' else real(name, *a)\n"
        "import perftui.runtime.learnerworker as w, sys\nsys.exit(w.main())\n"
    )
    monkeypatch.setattr(module, "WORKER", (str(hidden),))
    at, value = series(8, 1)
    async with Learner() as learner:
        with pytest.raises(Missing, match=r"pip install 'perftui\[ml\]'"):
            await learner.learn(at, value)
    engine = AnomalyEngine(Watch(learner="neighbours"))
    engine.begin(KEY, "1/s", (), ())
    store = Store.open(str(tmp_path / "store.sqlite"), "test")
    assert await store.ready()
    teacher = Teacher(engine, History(store, Hands()), Hands(), Days)
    async with asyncio.timeout(30):
        await teacher.run()
    (finding,) = engine.findings(engine.observe(0.0, {}, None))
    assert finding.id == "anomaly.learner"
    assert finding.evidence == (INSTALL,)
    await store.close(2)


async def test_a_watched_series_is_learned_and_its_odd_hour_is_named(tmp_path):
    clock = Hands()
    at, value = series(9, 5)
    store = Store.open(str(tmp_path / "store.sqlite"), "test")
    clock.now = at[-1] + STEP
    history = History(store, clock)
    for a, v in zip(at, value, strict=True):
        history.record(Reading("shop", a, 0.0, (Measure(KEY, v, "1/s"),), None))
    assert await history.flush()
    engine = AnomalyEngine(Watch(learner="neighbours"))
    engine.begin(KEY, "1/s", at, value)
    engine.prime(KEY, at[-300:], value[-300:])
    teacher = asyncio.create_task(Teacher(engine, history, clock, Days, 0.1).run())

    async def taught():
        return engine._series[KEY].model

    try:
        assert (await auntil(taught, 60)).known > 1000
    finally:
        teacher.cancel()
    coming, fresh = series(10, 5)
    for a, v in zip(coming[len(at) :][:40], fresh[len(at) :][:40], strict=True):
        engine.feed(KEY, a, v)
    (row,) = engine.observe(clock.now, {}, history).rows
    assert row.rare is None
    for n in range(40, 60):
        engine.feed(KEY, coming[len(at)] + STEP * n, fresh[len(at) + 39])
    (row,) = engine.observe(clock.now, {}, history).rows
    assert row.rare is not None
    assert row.rare.rank <= 0.001
    assert "spread of 15 min" in {name for name, _ in row.rare.reasons}
    rare = [
        one for one in engine.findings(engine.observe(clock.now, {}, history)) if one.id == "anomaly.rare"
    ]
    assert "spread of 15 min" in rare[0].evidence[1]
    await store.close(2)


@pytest.mark.parametrize(
    ("line", "said"),
    [("every = 120.0", "60 s at most"), ("rare = 0.5", "0.0002 to 0.1"), ('learner = "magic"', "neighbours")],
)
def test_settings_that_cannot_work_are_refused(tmp_path, line, said):
    path = tmp_path / "c.toml"
    learner = "" if "learner" in line else 'learner = "neighbours"\n'
    path.write_text(f"[env.x]\n[anomaly]\n{learner}{line}\n")
    with pytest.raises(ConfigError, match=said):
        load(path, "x")
