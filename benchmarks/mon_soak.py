"""Whether an agent and an open console stay the size they are, in memory, descriptors, files and lag.

    python -m benchmarks.mon_soak [--minutes 480] [--warm 25] [--every 5]
    python -m benchmarks.mon_soak --speed 60 [--minutes 24] [--warm 4] [--every 20] [--tape 120]

The first starts a lab, `perftui agent` and `perftui run` on one store, lets the console walk through all
screens, and looks at both processes from outside. The second listens to a lab for `--tape` seconds, ends it,
and plays what it said over and over to a whole session whose time runs so much faster (`fastforward.py`).
Prints a row a process and figure: after warming up, at the end, the most, and the growth by a straight line
through all looks (Theil-Sen: the median of all slopes, so that a passing peak counts for nothing): an hour's,
or that of the whole run when it plays. Exits 1 when something grew beyond its bound.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.console.terminal import Terminal
from benchmarks.fastforward import record
from benchmarks.growth import FLAT, HEAD, Bound, rollup, rows
from perftui.config import load
from perftui.lab import Lab, LabOptions

SCREENS = "1234567"
LIVE = {"anonymous, MB": Bound(2.0), "descriptors": Bound(2.0), "threads": Bound(2.0), "children": Bound(2.0)}
"""Growth an hour that is no growth; memory's is the console page's."""
PLAYED = {
    "anonymous, MB": Bound(part=FLAT),
    "RSS, MB": Bound(part=FLAT),
    "objects": Bound(part=FLAT),
    "rings, MB": Bound(0.5, FLAT),
    "descriptors": Bound(1.0),
    "threads": Bound(1.0),
    "tasks": Bound(2.0),
    "files": Bound(0.5),
    "lag, ms": Bound(5.0),
}
"""Growth of a whole run that is no growth."""


class Watched:
    """One process and what was seen of it."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.process = psutil.Process(pid)
        self.seen: dict[str, list[tuple[float, float]]] = {figure: [] for figure in LIVE}

    def look(self, at: float) -> None:
        """All figures now."""
        now = {
            "anonymous, MB": rollup(self.process.pid)["Anonymous"],
            "descriptors": self.process.num_fds(),
            "threads": self.process.num_threads(),
            "children": len(self.process.children(recursive=True)),
        }
        for figure, value in now.items():
            self.seen[figure].append((at, float(value)))


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
    print(HEAD.format(per="an hour"))
    # A short run cannot tell a slope from noise: there the bound of an hour is that of the whole run.
    loose = max(1.0, 60.0 / args.minutes)
    lines = [line for one in watched for line in rows(one.name, one.seen, LIVE, 3600.0, loose)]
    for line, _ in lines:
        print(line)
    print(f"\nThe store grew by {grown:.1f} MB a day of {args.minutes:g} minutes.")
    return 0 if all(fine for _, fine in lines) else 1


def total(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def played(args: argparse.Namespace, config: Path, tape: Path, state: Path) -> Iterator[Mapping[str, float]]:
    """Looks of a process of its own at itself, as they come."""
    flags = ["--config", config, "--state", state, "--speed", args.speed, "--every", args.every]
    minutes = ["--minutes", args.minutes, "--ring-seconds", args.ring_seconds]
    command = [sys.executable, "-m", "benchmarks.fastforward", tape, *flags, *minutes]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", file=sys.stderr, flush=True)
                yield json.loads(line)
        finally:
            process.terminate()
    if process.returncode:
        raise SystemExit(f"what played it ended with {process.returncode}")


def fast_soak(args: argparse.Namespace, config: Path, tape: Path, state: Path) -> int:
    """Play the tape, then say how the session fared."""
    looks = [look for look in played(args, config, tape, state) if look["at"] >= args.warm * 60]
    seen = {figure: [(look["at"], look[figure]) for look in looks] for figure in looks[0]}
    lines = list(rows("agent", seen, PLAYED, looks[-1]["at"] - looks[0]["at"]))
    print(HEAD.format(per="of the run"))
    for line, _ in lines:
        print(line)
    hours = (looks[-1]["at"] - looks[0]["at"]) * args.speed / 3600
    first, last = looks[0]["store, MB"], looks[-1]["store, MB"]
    longest = max(look["longest lag, ms"] for look in looks)
    print(f"\n{hours:.1f} h played, longest lag {longest:.0f} ms, store {first:.0f} MB, then {last:.0f} MB.")
    return 0 if all(fine for _, fine in lines) else 1


async def main(args: argparse.Namespace) -> int:
    """A lab, and the soak on it."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        async with Lab(LabOptions()) as lab:
            if not args.speed:
                return await asyncio.to_thread(soak, args, str(lab.config_path()), str(state))
            os.environ["PERFTUI_STATE_DIR"] = folder
            config, tape = Path(folder) / "lab.toml", Path(folder) / "tape"
            shutil.copy(lab.config_path(), config)
            tape.write_bytes(pickle.dumps(await record(load(config, "lab"), args.tape)))
        return await asyncio.to_thread(fast_soak, args, config, tape, state)


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser("benchmarks.mon_soak", description=__doc__)
    parser.add_argument("--speed", type=float, default=0.0, help="play a tape so much faster (default: live)")
    parser.add_argument("--minutes", type=float, help="after warming up; when it plays, in all")
    parser.add_argument(
        "--warm", type=float, help="minutes until rings and the last quarter of an hour are full"
    )
    parser.add_argument("--every", type=float, help="seconds between looks")
    parser.add_argument("--tape", type=float, default=120.0, help="seconds to listen to the lab")
    parser.add_argument("--ring-seconds", type=float, default=1200.0, help="what rings hold when it plays")
    args = parser.parse_args(words)
    usual = {"minutes": 24.0, "warm": 4.0, "every": 20.0} if args.speed else {"minutes": 480.0, "warm": 25.0}
    for name, value in ({"every": 5.0} | usual).items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


if __name__ == "__main__":
    os.environ.pop("PERFTUI_STATE_DIR", None)
    raise SystemExit(asyncio.run(main(parsed())))
