"""`perftui lab …` as typed: a detached lab is found, steered and ended from other processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from perftui.cli import main
from perftui.lab.folders import sweep
from tests.waiting import until

ROOT = str(Path(__file__).parents[2])


def lab(capsys: Any, *words: str) -> tuple[int, str, str]:
    code = main(["lab", *words])
    out, err = capsys.readouterr()
    return code, out, err


def living(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERFTUI_STATE_DIR", str(path))
        yield path
        main(["lab", "down"])


@pytest.fixture
def up(state: Path, capsys: Any) -> dict[str, Any]:
    code, out, _ = lab(capsys, "up", "--detach", "--json", "--rate", "15")
    assert code == 0
    ends: dict[str, Any] = json.loads(out)
    return ends


def test_nothing_up(state, capsys, monkeypatch):
    monkeypatch.delenv("PERFTUI_CONFIG", raising=False)
    assert main(["alerts", "list", "--env", "lab"]) == 2
    assert "no lab is up: perftui lab up --detach" in capsys.readouterr().err
    assert lab(capsys, "status")[0] == 1
    assert json.loads(lab(capsys, "status", "--json")[1]) == {"up": False}
    code, _, err = lab(capsys, "load", "10")
    assert code == 3
    assert "no lab is up" in err
    assert lab(capsys, "down")[0] == 0


@pytest.mark.slow
def test_up_prints_endpoints_and_is_found_again(up, state, capsys):
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for file in state.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    code, out, err = lab(capsys, "up", "--detach", "--json")
    assert (code, json.loads(out)["pid"]) == (0, up["pid"])
    assert "up already" in err
    assert os.getsid(up["pid"]) != os.getsid(0)


def test_status_by_words_and_as_json(up, capsys):
    code, out, _ = lab(capsys, "status")
    assert code == 0
    assert "shop" in out
    assert "DOWN" not in out
    answer = json.loads(lab(capsys, "status", "--json")[1])
    assert answer["parts"]["postgres"]["replica"]["running"]
    assert answer["endpoints"]["shop"]["url"] == up["shop"]["url"]


def test_load_is_set_and_paused(up, capsys):
    assert json.loads(lab(capsys, "load", "25", "--json")[1])["load"]["rate"] > 10
    assert json.loads(lab(capsys, "load", "pause", "--json")[1])["load"]["paused"]
    assert lab(capsys, "load", "much")[0] == 2
    assert lab(capsys, "load", "15")[0] == 0


def test_incidents_are_listed_started_and_stopped(up, capsys):
    assert len(json.loads(lab(capsys, "incident", "list", "--json")[1])) == 14
    assert lab(capsys, "incident", "start", "traffic-spike")[0] == 0
    assert lab(capsys, "incident", "start", "error-burst")[0] == 0
    assert "RUNNING" in lab(capsys, "incident", "list")[1]
    assert lab(capsys, "incident", "stop", "error-burst")[0] == 0
    assert lab(capsys, "incident", "stop", "--all")[0] == 0
    assert "RUNNING" not in lab(capsys, "incident", "list")[1]
    assert lab(capsys, "incident", "start", "earthquake")[0] == 2


def test_its_environment_is_found_from_any_shell_and_an_incident_says_where_to_look(up, capsys, monkeypatch):
    monkeypatch.delenv("PERFTUI_CONFIG", raising=False)
    assert "perftui run --env lab" in lab(capsys, "status")[1]
    assert main(["backends", "--env", "lab", "--json"]) in (0, 3)
    assert {"valkey", "postgres"} <= {row["name"] for row in json.loads(capsys.readouterr().out)["backends"]}
    code, _, err = lab(capsys, "incident", "start", "error-burst")
    assert code == 0
    assert "perftui show overview.summary --env lab" in err
    assert "perftui lab incident stop error-burst" in err
    assert lab(capsys, "incident", "stop", "error-burst")[0] == 0


def test_parts_alone(up, capsys):
    assert json.loads(lab(capsys, "valkey", "status", "--json")[1])["running"]
    code, _, err = lab(capsys, "valkey", "down")
    assert code == 3
    assert "needed by" in err


def test_down_leaves_nothing(up, capsys):
    pids = [up["pid"], *(child.pid for child in psutil.Process(up["pid"]).children(recursive=True))]
    code, _, err = lab(capsys, "down")
    assert code == 0
    assert "has ended" in err
    assert not Path(up["dir"]).exists()
    assert not [pid for pid in pids if living(pid)]


@pytest.mark.slow
async def test_a_killed_supervisor_s_servers_end_and_the_next_start_sweeps(up, state, capsys):
    pids = [child.pid for child in psutil.Process(up["pid"]).children(recursive=True)]
    os.kill(up["pid"], signal.SIGKILL)
    await until(lambda: not [pid for pid in pids if living(pid)], 1.0)
    assert lab(capsys, "status")[0] == 1
    sweep(Path(up["dir"]).parent)
    assert not Path(up["dir"]).exists()


@pytest.mark.slow
def test_alone_it_opens_the_console_on_a_lab_that_ends_with_it(state, capsys, monkeypatch):
    from perftui.config import load

    seen: dict[str, Any] = {}

    def console(path: str, env: str) -> int:
        config = load(path, env)
        seen["backends"] = set(config.environments["lab"].backends)
        seen["dir"] = Path(path).parent
        seen["answer"] = main(["lab", "status"])
        return 7

    monkeypatch.setattr("perftui.cli.run.open_console", console)
    assert lab(capsys, "--rate", "5")[0] == 7
    assert seen["answer"] == 0
    assert seen["backends"] >= {
        "valkey",
        "valkey-replica",
        "postgres",
        "postgres-replica",
        "shop",
        "pool",
        "host",
    }
    assert not seen["dir"].exists()
    assert lab(capsys, "status")[0] == 1


BOUND = """
import json, signal
from perftui.lab import remote
held = remote.start(bound=True, rate=5)
print(json.dumps(held.endpoints), flush=True)
signal.pause()
"""


@pytest.mark.slow
async def test_a_bound_lab_ends_with_its_console_even_when_that_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": ROOT, "PERFTUI_STATE_DIR": str(tmp_path / "state")}
    console = subprocess.Popen(  # noqa: ASYNC220 - a plain parent, to be killed
        [sys.executable, "-c", BOUND], stdout=subprocess.PIPE, env=environment
    )
    ends = json.loads(console.stdout.readline())
    pids = [child.pid for child in psutil.Process(console.pid).children(recursive=True)]
    console.kill()
    console.wait()
    console.stdout.close()
    await until(lambda: not [pid for pid in pids if living(pid)], 1.0)
    sweep(Path(ends["dir"]).parent)
    assert not Path(ends["dir"]).exists()
