"""`monitor renice` and `monitor signal` on real processes: planned, confirmed, audited, refused read-only."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from perftui.cli import main
from perftui.config import paths


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "600"])
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("PERFTUI_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "perftui.toml"
    path.write_text('[env.here]\nkind = "lab"\n[env.here.backends.box]\nkind = "host"\n')
    path.chmod(0o600)
    monkeypatch.setenv("PERFTUI_CONFIG", str(path))
    return path


def nice_of(child):
    return os.getpriority(os.PRIO_PROCESS, child.pid)


def audit():
    """Action and outcome of every line of the audit."""
    lines = (paths.state_dir() / "audit.jsonl").read_text().splitlines()
    return [(entry.get("action"), entry.get("outcome")) for entry in map(json.loads, lines)]


def test_a_nice_value_is_planned_then_set_and_audited(config, sleeper, capsys):
    base = nice_of(sleeper)
    words = ["monitor", "renice", str(sleeper.pid), str(base + 4)]
    assert main([*words, "--dry-run"]) == 0
    assert f"now {base}, then {base + 4}" in capsys.readouterr().out
    assert main(words) == 4  # no terminal to confirm on
    assert nice_of(sleeper) == base
    assert main([*words, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"] == {"before": base, "threads": 1}
    assert nice_of(sleeper) == base + 4
    assert audit()[-2:] == [("process.renice", "started"), ("process.renice", "done")]
    assert main([*words, "--yes"]) == 4
    assert "already" in capsys.readouterr().err


def test_read_only_environments_and_absent_processes_are_refused(config, sleeper, capsys):
    assert main(["monitor", "renice", "4194200", "5", "--yes"]) == 4
    assert "there is no process 4194200" in capsys.readouterr().err
    config.write_text(config.read_text().replace('kind = "lab"\n', 'kind = "lab"\nread_only = true\n', 1))
    base = nice_of(sleeper)
    assert main(["monitor", "renice", str(sleeper.pid), str(base + 1), "--yes"]) == 4
    assert main(["monitor", "signal", str(sleeper.pid), "KILL", "--yes"]) == 4
    assert "read-only" in capsys.readouterr().err
    assert nice_of(sleeper) == base
    assert sleeper.poll() is None


def test_a_signal_ends_the_process_that_was_named(config, sleeper, capsys):
    assert main(["monitor", "signal", str(sleeper.pid), "--yes"]) == 0
    assert "SIGTERM sent" in capsys.readouterr().out
    assert sleeper.wait(20) == -15
    assert ("process.signal", "done") in audit()
