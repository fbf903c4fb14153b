"""Inside tmux with default settings: start, resize, detach, attach smaller, copy a cell, quit."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perftui.lab import Lab
from tests.needs import needs
from tests.terminal import Terminal, console_command

pytestmark = pytest.mark.slow

Tmux = Callable[..., str]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    """tmux commands on a server of the test's own, ended with the test."""
    needs("tmux", shutil.which("tmux") is not None, "apt-get install tmux")
    env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "NO_COLOR")}
    env |= {"TMUX_TMPDIR": str(tmp_path), "LC_ALL": "C.UTF-8", "PERFTUI_STATE_DIR": str(tmp_path / "state")}

    def run(*words: str) -> str:
        command = ["tmux", "-L", "perftui-test", "-f", "/dev/null", *words]
        done = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=20)
        return done.stdout

    yield run
    pid = run("display-message", "-p", "#{pid}").strip()
    if pid.isdigit():
        os.kill(int(pid), signal.SIGKILL)


def eventually(look: Callable[[], str], wanted: str, within: float = 40.0) -> str:
    """Wait until `look` tells `wanted`; what it told."""
    limit = time.monotonic() + within
    while wanted not in (told := look()):
        assert time.monotonic() < limit, f"no {wanted!r} in:\n{told}"
        subprocess.run(["sleep", "0.1"], check=True)
    return told


def test_a_life_in_tmux(lab: Lab, tmux: Tmux, tmp_path: Path) -> None:
    console = shlex.join(console_command(lab.config_path(), "--screen", "cache.keys"))
    tmux("new-session", "-d", "-x", "120", "-y", "40", "sh")
    tmux("send-keys", "-t", ":", console, "Enter")
    eventually(lambda: tmux("capture-pane", "-p"), "shop:")
    client = attached(tmp_path, (100, 30))
    client.wait("shop:", 20)
    client.resize(90, 28)
    client.wait("shop:", 20)
    client.send(b"\x02d")  # prefix, detach
    client.exit_code(10)
    again = attached(tmp_path, (82, 26))
    again.wait("shop:", 20)
    again.key("j", "y")
    told = eventually(lambda: tmux("show-buffer"), "shop:", 20)
    assert "\x1b" not in told
    again.key("q")
    eventually(lambda: tmux("display-message", "-p", "#{pane_current_command} #{alternate_on}"), "sh 0", 20)
    flags = "#{mouse_any_flag}#{mouse_all_flag}#{mouse_sgr_flag}#{keypad_flag} #{cursor_flag}#{wrap_flag}"
    assert tmux("display-message", "-p", flags).strip() == "0000 11"
    again.send(b"\x02d")
    again.exit_code(10)
    assert again.left_set() == []


def attached(folder: Path, size: tuple[int, int]) -> Terminal:
    """A client of the test's server."""
    command = ["tmux", "-L", "perftui-test", "-f", "/dev/null", "attach"]
    return Terminal(command, size, {"TMUX_TMPDIR": str(folder)})
