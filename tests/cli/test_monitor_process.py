"""`monitor process`: a real process now, beside what an earlier console recorded of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import psutil
import pytest

from perftui.cli import main
from perftui.config import paths
from perftui.model.reading import Measure, Reading
from perftui.model.series import SeriesKey
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.store import Store

GONE = 4_194_200  # beyond the pids this test's system gives out


@pytest.fixture
def load():
    child = subprocess.Popen(
        [sys.executable, "-c", "print('go', flush=True)\nwhile True: sum(range(1000))"],
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"go\n"
    yield psutil.Process(child.pid)
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "perftui.toml"
    path.write_text('[env.here]\nkind = "lab"\n[env.here.backends.box]\nkind = "host"\n')
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))


def record(name, at, values):
    """Samples of a process's use of the processor, as a console would have kept them."""

    async def put():
        store = Store.open(str(paths.private_dir(paths.state_dir()) / "store.sqlite"), "here")
        history = History(store, Clock())
        key = SeriesKey("box", "process.cpu_ratio", (("process", name),))
        for a, v in zip(at, values, strict=True):
            history.record(Reading("box", a, 0.0, (Measure(key, v, "ratio"),), None))
        assert await history.flush()
        await store.close()

    asyncio.run(put())


def test_a_process_now_and_what_was_kept_since_it_began(config, load, capsys):
    began = load.create_time()
    record(f"{load.name()} {load.pid}", [began - 300, began - 290, began + 0.1], [0.9, 0.9, 0.25])
    assert main(["monitor", "process", str(load.pid), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["process"]["fds"] == load.num_fds()
    assert told["process"]["cpu"] > 0.01
    assert told["process"]["pss"] > 0
    assert told["series"]["process.cpu_ratio"]["value"] == [0.25]  # the others are of an older process
    assert main(["monitor", "process", str(load.pid)]) == 0
    out = capsys.readouterr().out
    assert f"{load.name()} {load.pid}" in out
    assert f"threads {load.num_threads()}" in out
    assert "25.0% – 25.0%, mean 25.0%, 1 samples" in out


def test_one_that_has_ended_is_told_from_what_was_kept(config, capsys):
    now = time.time()
    record(f"old\x1b[31m {GONE}", [now - 60, now - 50], [0.1, 0.3])
    assert main(["monitor", "process", str(GONE)]) == 0
    out = capsys.readouterr().out
    assert "has ended" in out
    assert "\x1b" not in out
    assert "10.0% – 30.0%, mean 20.0%, 2 samples" in out
    assert main(["monitor", "process", str(GONE), "--since", "20s"]) == 1


def test_what_never_was_is_no_and_nonsense_is_refused(config, capsys):
    assert main(["monitor", "process", str(GONE)]) == 1
    assert "there is no process" in capsys.readouterr().err
    assert main(["monitor", "process", "0"]) == 2
