"""What arrives on a real terminal: the same cells as the text export, no colour unasked, a clean end."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.screens.terminal import Terminal

MODULE = "tests.screens.console"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    running = Terminal(MODULE, str(tmp_path))
    running.wait("user:1")
    yield running
    try:
        running.end()
    except (ProcessLookupError, ChildProcessError):
        pass


@pytest.mark.slow
def test_cells_equal_the_text_export_after_all_kinds_of_change(terminal: Terminal, tmp_path: Path) -> None:
    terminal.key("ctrl+r", "j", "j", "?", "esc", "ctrl+r")
    for columns, rows in ((160, 48), (80, 24), (60, 10), (200, 60), (120, 40)):
        terminal.resize(columns, rows)
        terminal.pump()
        terminal.key("ctrl+r")
    terminal.key("]", "[", ":", "t", "h", "esc", "3", "2", "ctrl+f", "ctrl+f", "ctrl+l")
    terminal.pump(8.0, 20.0)  # toasts have gone
    seen = terminal.lines()
    terminal.key("E")
    terminal.wait("picture")
    [text] = tmp_path.glob("*.txt")
    wanted = text.read_text().splitlines()
    assert seen[: len(wanted)] == wanted
    assert oct(text.stat().st_mode & 0o777) == "0o600"
    assert re.fullmatch(r"perftui-lab-cache\.sample-\d{8}T\d{6}\.\d{3}Z\.txt", text.name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_restore_the_terminal(terminal: Terminal, number: signal.Signals) -> None:
    assert terminal.end(number) == 128 + number
    assert terminal.left_set() == []


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_quit_keys_restore_the_terminal(terminal: Terminal, key: str) -> None:
    terminal.key(key)
    assert terminal.exit_code() == 0
    assert terminal.left_set() == []


@pytest.mark.slow
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "vt100"}], ids=["NO_COLOR", "vt100"])
def test_no_colour_leaves_where_none_is_wanted(tmp_path: Path, env: dict[str, str]) -> None:
    terminal = Terminal("tests.screens.console", str(tmp_path), **env)
    terminal.wait("user:1")
    terminal.key("?", "esc", ":", "t", "esc", "a", "esc", "E")
    terminal.wait("picture")
    terminal.key("q")
    assert terminal.exit_code() == 0
    codes = {code for run in re.findall(rb"\x1b\[([\d;]*)m", bytes(terminal.raw)) for code in run.split(b";")}
    assert codes <= {b"", b"0", b"1", b"4", b"7"}


def test_copy_goes_out_by_osc_52(terminal: Terminal) -> None:
    terminal.key("y")
    terminal.wait("sent to the terminal by OSC 52: 6 chars")
    assert b"\x1b]52;c;dXNlcjow\x07" in terminal.raw
