"""`perftui profile` as a shell sees it, on a real busy process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

BUSY = """
import sys
def burn():
    return sum(range(2000))
sys.stdout.write("go\\n"); sys.stdout.flush()
while True: burn()
"""


@pytest.fixture
def busy(tmp_path):
    script = tmp_path / "busy.py"
    script.write_text(BUSY)
    child = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"go\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.fixture
def shell(tmp_path):
    """Runs perftui with its own state and configuration."""
    env = os.environ | {
        "PERFTUI_STATE_DIR": str(tmp_path / "state"),
        "PERFTUI_CONFIG": str(tmp_path / "none.toml"),
    }

    def start(*words):
        command = [sys.executable, "-m", "perftui", "profile", *words]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def ended(child, timeout=40):
    out, err = child.communicate(timeout=timeout)
    return child.returncode, out, err


def test_a_profile_goes_to_a_file_and_is_kept(shell, busy, tmp_path):
    out = tmp_path / "p.speedscope.json"
    code, said, told = ended(shell(str(busy.pid), "--seconds", "1", "--out", str(out)))
    assert (code, said) == (0, ""), told
    data = json.loads(out.read_text())
    assert any(frame["name"] == "burn" for frame in data["shared"]["frames"])
    assert sum(data["profiles"][0]["weights"]) > 30
    assert "samples in" in told
    code, said, _ = ended(shell("list", "--json"))
    (meta,) = json.loads(said)
    assert meta["target"]["pid"] == busy.pid
    code, said, _ = ended(shell("show", meta["id"], "--out", "-", "--format", "collapsed"))
    assert code == 0
    assert sum(int(line.rpartition(" ")[2]) for line in said.splitlines()) == sum(
        data["profiles"][0]["weights"]
    )


def test_ctrl_c_ends_the_sampling_and_the_file_is_whole(shell, busy, tmp_path):
    child = shell(str(busy.pid), "--seconds", "60", "--out", str(tmp_path / "p.json"))
    folder = tmp_path / "state"
    while (
        not (folder / "audit.jsonl").exists() or "started" not in (folder / "audit.jsonl").read_text().lower()
    ):
        assert child.poll() is None, child.communicate()
    deadline = os.times().elapsed + 1.5
    while os.times().elapsed < deadline:
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    code, _, told = ended(child)
    assert code == 5, told
    assert "stopped after" in told
    data = json.loads((tmp_path / "p.json").read_text())
    assert sum(data["own"]) > 10
    assert data["meta"]["note"].startswith("stopped after")


def test_dry_run_tells_the_price_and_attaches_to_nobody(shell, busy):
    code, said, _ = ended(shell("record", str(busy.pid), "--dry-run", "--json"))
    assert code == 0
    assert "2.5%" in json.loads(said)["plan"]["warnings"][0]


def test_targets_and_dump(shell, busy):
    code, said, _ = ended(shell("targets", "--json"))
    assert code == 0
    row = next(r for r in json.loads(said) if r["pid"] == busy.pid)
    assert row["language"] == "python"
    code, said, _ = ended(shell("dump", str(busy.pid)))
    assert code == 0
    assert "busy.py" in said


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("nonsense",), 2),
        (("record", "x"), 2),
        (("show",), 2),
        (("show", "none"), 3),
        (("999999", "--seconds", "1"), 3),
    ],
)
def test_what_cannot_be_is_told_by_its_code(shell, words, code):
    got, said, told = ended(shell(*words))
    assert (got, said) == (code, ""), told
    assert told.startswith("perftui: ")
