"""Our ruler and a Prometheus server on the same scrapes of an agent, for as long as one likes.

    python -m benchmarks.mon_two_rulers [--seconds 3600] [--calm 80]

Starts a lab with an agent that serves `/metrics`, and a Prometheus; every few minutes real load makes the
shipped rules (seconds for their minutes) true and lets go again. Prints the states of each alert, how many
points of `ALERTS` and `ALERTS_FOR_STATE` both wrote, and every one that only one of them wrote; exits 1 then.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from perftui.lab import Lab, LabOptions
from tests.ruleload import LOAD, above_what_is_used, all_at_once, on_a_server, ruling
from tests.tworulers import EVERY, TwoRulers


async def compared(seconds: float, calm: float, folder: Path) -> int:
    """Run and print; the exit code."""
    memory = above_what_is_used()
    async with Lab(LabOptions(rate=20.0)) as lab, ruling(lab, folder, memory) as (_, url):
        both = TwoRulers(folder / "both", url, on_a_server(memory))
        try:
            until = time.time() + seconds
            scraping = asyncio.create_task(both.run(until))
            while time.time() + LOAD < until:
                async with all_at_once(lab):
                    await asyncio.sleep(LOAD)
                await asyncio.sleep(min(calm, max(0.0, until - time.time())))
            await scraping
            wrong = await both.differences()
        finally:
            both.stop()
    print(f"| {seconds:.0f} s, a tick each {EVERY:g} s | |\n|---|---|")
    print(f"| scrapes (failed, late) | {both.scrapes} ({both.failed}, {both.late}) |")
    print(f"| points the server and perftui wrote | {len(both.theirs)}, {len(both.ours)} |")
    for rule, states in sorted(both.changes().items()):
        print(f"| {rule} | {', '.join(sorted(states))} |")
    print(f"| points that differ | {len(wrong)} |", *wrong[:50], sep="\n")
    return 1 if wrong else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long (default an hour)")
    parser.add_argument("--calm", type=float, default=80.0, help="seconds between loads (default 80)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(compared(args.seconds, args.calm, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
