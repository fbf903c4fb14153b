"""Whether an agent and an open console stay the size they are, in memory, descriptors and files.

    python -m benchmarks.mon_soak [--minutes 480] [--warm 3] [--every 5]

Starts a lab, `perftui agent` and `perftui run` on one store, lets the console walk through all screens, and
looks at both processes from outside. Prints a row a process and figure: after warming up, at the end, and the
growth an hour by a straight line through all looks (Theil-Sen: the median of all slopes, so that a passing
peak counts for nothing). Exits 1 when something grew beyond its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.console.terminal import Terminal
from perftui.lab import Lab, LabOptions

SCREENS = "1234567"
BOUNDS: Mapping[str, float] = {"PSS, MB": 2.0, "descriptors": 2.0, "threads": 2.0, "children": 2.0}
"""Growth an hour that is no growth; memory's is the console page's."""
STORE = 60.0  # MB a day, five hundred series at one second


class Watched:
    """One process and what was seen of it."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.process = psutil.Process(pid)
        self.seen: dict[str, list[tuple[float, float]]] = {figure: [] for figure in BOUNDS}

    def look(self, at: float) -> None:
        """All figures now."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        pss = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        now = {
            "PSS, MB": pss / 1024,
            "descriptors": self.process.num_fds(),
            "threads": self.process.num_threads(),
            "children": len(self.process.children(recursive=True)),
        }
        for figure, value in now.items():
            self.seen[figure].append((at, float(value)))


def slope(points: list[tuple[float, float]]) -> float:
    """Median of the slopes between all pairs, a second (Sen, 1968); at most 400 points are paired."""
    thin = points[:: max(1, len(points) // 400)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(thin, 2)]
    return statistics.median(slopes) if slopes else 0.0


def rows(watched: Watched, minutes: float) -> Iterator[tuple[str, bool]]:
    """A line a figure, and whether it stayed within its bound.

    A short run cannot tell a slope from noise: there the bound is what an hour may grow, over the whole run.
    """
    for figure, points in watched.seen.items():
        grown = slope(points) * 3600
        allowed = BOUNDS[figure] * max(1.0, 60.0 / minutes)
        fine = grown <= allowed
        line = (
            f"| {watched.name} | {figure} | {points[0][1]:.1f} | {points[-1][1]:.1f} | {grown:+.2f} | "
            f"{allowed:g} | {'yes' if fine else '**no**'} |"
        )
        yield line, fine


@contextmanager
def both(config: str, state: str) -> Iterator[tuple[Terminal, Terminal]]:
    """An agent and a console on one store."""
    env = {"PERFTUI_STATE_DIR": state}
    command = [sys.executable, "-m", "perftui"]
    agent = Terminal([*command, "agent", "--config", config, "--env", "lab"], (120, 40), env)
    console = Terminal([*command, "run", "--config", config, "--env", "lab"], (160, 48), env)
    try:
        yield agent, console
    finally:
        for one in (console, agent):
            one.process.terminate()
        for one in (console, agent):
            one.process.wait(10)


def soak(args: argparse.Namespace, config: str, state: str) -> int:
    """Watch both, then say how they fared."""
    with both(config, state) as (agent, console):
        watched = [Watched("agent", agent.process.pid), Watched("console", console.process.pid)]
        keys = itertools.cycle(SCREENS)
        began = time.monotonic()
        counted = began + args.warm * 60
        end = counted + args.minutes * 60
        store = Path(state)
        size = 0
        while (now := time.monotonic()) < end:
            console.press(next(keys))
            if now >= counted:
                size = size or total(store)
                for one in watched:
                    one.look(now)
            time.sleep(args.every)
        grown = (total(store) - size) / 1e6 / (args.minutes / 1440)
    print("| process | figure | after warming up | at the end | growth an hour | allowed | within |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    lines = [line for one in watched for line in rows(one, args.minutes)]
    for line, _ in lines:
        print(line)
    print(f"\nThe store grew by {grown:.1f} MB a day of {args.minutes:g} minutes.")
    return 0 if all(fine for _, fine in lines) else 1


def total(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def main(args: argparse.Namespace) -> int:
    """A lab, and the soak on it."""
    async with Lab(LabOptions()) as lab:
        with tempfile.TemporaryDirectory() as state:
            return await asyncio.to_thread(soak, args, str(lab.config_path()), state)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=480.0)
    parser.add_argument("--warm", type=float, default=3.0, help="minutes")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between looks")
    return parser.parse_args(words)


if __name__ == "__main__":
    os.environ.pop("PERFTUI_STATE_DIR", None)
    raise SystemExit(asyncio.run(main(parsed())))
