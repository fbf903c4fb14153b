"""What watching a host costs: our collector and the whole console beside psutil, glances, btop, top and htop.

    python -m benchmarks.mon_collect [--seconds 60] [--processes 300] [--glances PROGRAM]

All programs run at once for the same seconds, each on a terminal of its own, so that they share what
else the machine does; sleeping processes are added until there are as many as asked for.
Peers that are not on PATH are named and left out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.collectors import ATTRIBUTES, by_psutil, cost
from benchmarks.console.terminal import Terminal
from perftui.backends.host import Host
from perftui.model.options import HostOptions

SIZE = (160, 45)
SETTLE = 12.0  # seconds before the window: start and first looks are not the price of watching
ROWS = 200  # processes of a list, as the console asks
SAMPLE_MS, SHARE, CHEAPER = 5.0, 0.005, 9.0
CONSOLE, CONSOLE_BYTES = 0.02, 2500


class Program(NamedTuple):
    """What is started, and what tells that it shows what it watches."""

    name: str
    command: Sequence[str]
    ready: str


class Price(NamedTuple):
    """Share of one core, MB resident and proportional, bytes a second to the terminal."""

    cpu: float
    rss: float
    pss: float
    sent: float


async def collect(seconds: float) -> None:
    """Our collector at 1 Hz: every counter, and all processes."""
    host = Host("host", HostOptions())
    await host.open()
    print("collecting", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await host.read()
        await host.processes(ROWS)
        await asyncio.sleep(1.0)
    await host.close()


async def psutil_pass(seconds: float) -> None:
    """The same figures at 1 Hz, asked of psutil."""
    print("collecting", flush=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        by_psutil()
        list(psutil.process_iter(ATTRIBUTES))
        await asyncio.sleep(1.0)


@contextlib.contextmanager
def crowd(wanted: int, seconds: float) -> Iterator[None]:
    """At least so many processes, the added ones asleep; they end by themselves too."""
    missing = max(0, wanted - len(psutil.pids()))
    sleepers = [subprocess.Popen(["sleep", str(seconds)]) for _ in range(missing)]
    try:
        yield
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


def sample() -> tuple[float, float]:
    """CPU milliseconds of one look of ours and of psutil's, medians."""
    host = Host("host", HostOptions())
    asyncio.run(host.open())
    processes = host._processes  # noqa: SLF001 - the benchmark defeats the half-second rule on purpose

    def look() -> None:
        assert processes is not None
        processes._scanned_at = 0.0  # noqa: SLF001
        for question in (host.read(), host.processes(ROWS)):
            with contextlib.suppress(StopIteration):
                question.send(None)

    def theirs() -> None:
        by_psutil()
        list(psutil.process_iter(ATTRIBUTES))

    look()
    time.sleep(1.0)
    ours, peer = median(look, 5), median(theirs, 1)
    asyncio.run(host.close())
    return ours, peer


def median(work: Callable[[], Any], times: int) -> float:
    """CPU milliseconds of one call, after one that is not counted."""
    work()
    return cost(work, times)


def programs(config: str, seconds: float, glances: str) -> Iterator[Program]:
    """Ours, psutil's and the peers found."""
    me = [sys.executable, "-m", "benchmarks.mon_collect", "--seconds", str(seconds), "--only"]
    yield Program("perftui, collector", [*me, "ours"], "collecting")
    yield Program("psutil pass", [*me, "psutil"], "collecting")
    console = [sys.executable, "-m", "perftui", "run", "--config", config, "--screen", "overview.hosts"]
    yield Program("perftui, Overview > Hosts", console, "Hosts")
    for name, command, ready in (
        ("btop", ["btop", "--utf-force"], "cpu"),
        ("top", ["top", "-d", "1"], "PID"),
        ("htop", ["htop", "-d", "10"], "CPU"),
        ("glances", [glances, "-t", "1"], "CPU"),
    ):
        if shutil.which(command[0]):
            yield Program(name, command, ready)
        else:
            print(f"{name} is not on PATH and left out", file=sys.stderr)


def resident(terminal: Terminal) -> float:
    """Resident MB of a program with its children."""
    root = psutil.Process(terminal.process.pid)
    total = 0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / (1 << 20)


def watched(found: Sequence[Program], seconds: float, env: dict[str, str]) -> dict[str, Price]:
    """The price of each over the same seconds."""
    terminals: dict[str, Terminal] = {}
    try:
        for program in found:
            terminals[program.name] = Terminal(program.command, SIZE, env)
            terminals[program.name].wait(program.ready, 30)
        time.sleep(SETTLE)
        before = {name: (time.monotonic(), terminal.cpu()) for name, terminal in terminals.items()}
        time.sleep(seconds)
        return {name: price(terminal, *before[name]) for name, terminal in terminals.items()}
    finally:
        for terminal in terminals.values():
            terminal.end("q", within=0.2)
            terminal.close()


def price(terminal: Terminal, began: float, cpu: float) -> Price:
    """What a program took since."""
    took = time.monotonic() - began
    used, sent = (terminal.cpu() - cpu) / took, terminal.written(began) / took
    return Price(used, resident(terminal), terminal.pss(), sent)


def verdict(met: bool) -> str:
    """Whether a target is met."""
    return "met" if met else "MISSED"


def told(prices: dict[str, Price], ours: float, theirs: float) -> None:
    """The table, and what became of the targets."""
    print("| program | % of a core | RSS MB | PSS MB | B/s |\n|---|---|---|---|---|")
    for name, p in prices.items():
        print(f"| {name} | {p.cpu:.2%} | {p.rss:.0f} | {p.pss:.0f} | {p.sent:,.0f} |")
    mine, console = prices["perftui, collector"], prices["perftui, Overview > Hosts"]
    print(f"\na look: {ours:.2f} ms, psutil {theirs:.2f} ms of CPU, {theirs / ours:.1f} times cheaper")
    print(f"- a look <= {SAMPLE_MS:g} ms: {verdict(ours <= SAMPLE_MS)}")
    print(f"- {CHEAPER:g} times cheaper than psutil: {verdict(theirs / ours >= CHEAPER)}")
    print(f"- collector <= {SHARE:.1%} of a core: {verdict(mine.cpu <= SHARE)}")
    print(f"- console <= {CONSOLE:.0%} of a core: {verdict(console.cpu <= CONSOLE)}")
    print(f"- console <= {CONSOLE_BYTES:,} B/s: {verdict(console.sent <= CONSOLE_BYTES)}")
    peers = [name for name in prices if not name.startswith("perftui")]
    for name in peers:
        ratios = f"{mine.cpu / prices[name].cpu:.2f}, console {console.cpu / prices[name].cpu:.2f}"
        print(f"- of {name}'s CPU: collector {ratios}")


def main() -> int:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser("benchmarks.mon_collect", description="What watching a host costs.")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the window")
    parser.add_argument("--processes", type=int, default=300, help="processes there are at least")
    parser.add_argument("--glances", default="glances", help="the program, in an environment of its own")
    parser.add_argument("--only", choices=("ours", "psutil"), help="be one of the collectors")
    args = parser.parse_args()
    whole = args.seconds + SETTLE + 60
    if args.only:
        asyncio.run({"ours": collect, "psutil": psutil_pass}[args.only](whole))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="perftui-bench-") as folder,
        crowd(args.processes, 2 * whole + 60),
    ):
        Path(folder).chmod(0o700)
        config = Path(folder, "config.toml")
        config.write_text('[env.bench.backends.host]\nkind = "host"\n')
        config.chmod(0o600)
        Path(folder, "btop").mkdir()
        Path(folder, "btop", "btop.conf").write_text("update_ms = 1000\n")
        print(f"{os.cpu_count()} cores, {len(psutil.pids())} processes, load {os.getloadavg()[0]:.1f}")
        found = list(programs(str(config), args.seconds, args.glances))
        prices = watched(found, args.seconds, {"PERFTUI_STATE_DIR": folder, "XDG_CONFIG_HOME": folder})
        told(prices, *sample())
    return 0


if __name__ == "__main__":
    sys.exit(main())
