"""What the console costs beside its peers, in one run on a lab of its own: `make bench`.

    python -m benchmarks.console [--idle 15] [--rounds 6] [--config FILE]

Prints a Markdown table and each figure's command. Figures on a busy machine are larger for all;
compare within one run. Peers that are not on PATH are named and left out.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.console.terminal import Terminal

SIZE = (160, 48)
SLOW = 20_000  # bytes a second of a bad link
BARE = """
from textual.app import App
from textual.widgets import Footer, Header, Static
class Bare(App):
    BINDINGS = [("q", "quit", "Quit"), ("j", "dark", "Dark")]
    def compose(self):
        yield Header(); yield Static("READY"); yield Footer()
    def action_dark(self):
        self.query_one(Static).update(str(id(object())))
Bare().run()
"""


@dataclass(frozen=True)
class Program:
    """What is started, what its screen shows once it is there, and the keys that are pressed."""

    name: str
    command: Sequence[str]
    ready: str
    keys: Sequence[str]
    quit: str = "q"
    env: Mapping[str, str] = field(default_factory=dict)


def programs(config: str, state: str) -> Iterator[Program]:
    """Our console on two of its tabs, a bare Textual application, and the peers found."""
    console = [sys.executable, "-m", "perftui", "run", "--config", config, "--env", "lab", "--screen"]
    env = {"PERFTUI_STATE_DIR": state}
    yield Program(
        "perftui, Summary", [*console, "overview.summary"], "Summary", ("]", "[", "?", "esc"), env=env
    )
    yield Program("perftui, Cache", [*console, "cache.tiers"], "Tiers", ("j", "k", "2", "?", "esc"), env=env)
    yield Program("bare Textual", [sys.executable, "-c", BARE], "READY", ("j",))
    for name, ready, keys in (
        ("btop", "cpu", ("2", "2")),
        ("glances", "CPU", ("1", "2")),
        ("htop", "CPU", ("down", "up")),
    ):
        if shutil.which(name):
            yield Program(name, [name], ready, keys)
        else:
            print(f"{name} is not on PATH and left out", file=sys.stderr)


def measured(program: Program, idle: float, rounds: int) -> list[str]:
    """One row of the table."""
    terminal = Terminal(program.command, SIZE, program.env)
    try:
        start = terminal.wait(program.ready, 30)
        cpu = terminal.cpu()
        time.sleep(6)
        began, before = time.monotonic(), terminal.cpu()
        time.sleep(idle)
        took = time.monotonic() - began
        busy, sent = (terminal.cpu() - before) / took, terminal.written(began) / took
        pss = terminal.pss()
        keys = pressed(terminal, program.keys, rounds)
        ended = terminal.end(program.quit)
        left = terminal.left_set()
    finally:
        terminal.close()
    return [
        program.name,
        f"{start * 1000:.0f}",
        f"{cpu:.2f}",
        f"{busy:.1%}",
        f"{sent:.0f}",
        f"{pss:.0f}",
        *keys,
        slow_key(program),
        "killed" if ended is None else f"{ended * 1000:.0f}",
        " ".join(left) or "nothing",
    ]


def pressed(terminal: Terminal, keys: Sequence[str], rounds: int) -> list[str]:
    """Median and 95th percentile of key to painted, ms."""
    found = sorted(t for _ in range(rounds) for key in keys if (t := terminal.press(key)) is not None)
    if not found:
        return ["–", "–"]
    at = min(len(found) - 1, round(0.95 * (len(found) - 1)))
    return [f"{statistics.median(found) * 1000:.0f}", f"{found[at] * 1000:.0f}"]


def slow_key(program: Program) -> str:
    """Median of key to painted on a bad link, ms."""
    terminal = Terminal(program.command, SIZE, program.env, SLOW)
    try:
        terminal.wait(program.ready, 60)
        time.sleep(6)
        return pressed(terminal, program.keys[:2], 5)[0]
    except TimeoutError:
        return "never ready"
    finally:
        terminal.end(program.quit)
        terminal.close()


def ways_out(program: Program) -> Iterator[str]:
    """How it ends by key and by signal, and what it leaves set."""
    ways = {"q": 0, "ctrl+c": 0, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
    for name, number in ways.items():
        terminal = Terminal(program.command, SIZE, program.env)
        try:
            terminal.wait(program.ready, 30)
            time.sleep(4)
            ended = terminal.end(name, number)
            said = "had to be killed" if ended is None else f"{ended * 1000:.0f} ms"
            left = " ".join(terminal.left_set()) or "nothing"
            yield f"{name}: {said}, code {terminal.process.returncode}, {left} left set"
        finally:
            terminal.close()


@contextmanager
def lab(config: str) -> Iterator[str]:
    """The configuration of a lab that ends with the block; the given one when there is one."""
    if config:
        yield config
        return
    from perftui.lab import remote

    held = remote.start(bound=True)
    try:
        time.sleep(5)
        yield str(held.endpoints["config"])
    finally:
        held.release()


HEAD = (
    "program", "start ms", "CPU s", "idle CPU", "B/s", "PSS MB", "key ms", "p95 ms", "key at 20 kB/s ms",
    "exit ms", "left set",
)  # fmt: skip


def main() -> int:
    """Measure all programs and print the table."""
    parser = argparse.ArgumentParser(
        "benchmarks.console", description="The console's price beside its peers."
    )
    parser.add_argument("--idle", type=float, default=15.0, help="seconds of the idle window")
    parser.add_argument("--rounds", type=int, default=6, help="times each key is pressed")
    parser.add_argument("--config", default="", help="a running lab's configuration (default: start one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perftui-bench-") as folder:
        Path(folder).chmod(0o700)
        os.environ["PERFTUI_STATE_DIR"] = folder
        with lab(args.config) as config:
            found = list(programs(config, folder))
            print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
            for program in found:
                print(f"| {' | '.join(measured(program, args.idle, args.rounds))} |", flush=True)
            print("\nWays out of the console:\n")
            for line in ways_out(found[1]):
                print(f"- {line}", flush=True)
            print("\nCommands:\n")
            for program in found:
                print(f"- {program.name}: `{shlex.join(program.command)}`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
