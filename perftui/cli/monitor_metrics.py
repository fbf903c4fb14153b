"""What `/metrics` would say, on stdout: for a look, a test, or a textfile collector."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from typing import TYPE_CHECKING

from perftui.cli import common
from perftui.model.health import Link

if TYPE_CHECKING:
    from perftui.export.exposition import Exposition
    from perftui.session import Session

HELP = "print the metrics that an agent would serve"
WITHIN = 10.0  # seconds for every system to be read twice, or surely not
STEP = 0.05


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser, json_=False)
    parser.add_argument("--openmetrics", action="store_true", help="OpenMetrics 1.0 instead of text 0.0.4")


def run(args: argparse.Namespace) -> int:
    """Read every system twice, so that there are rates, and print; 3 when none could be read."""
    return common.go(_print(args))


async def _print(args: argparse.Namespace) -> int:
    from perftui.export.exposition import Exposition, put_session
    from perftui.export.prometheus import written

    async with common.headless_session(args) as session:
        told = Exposition(lambda: session.looks, lambda found: put_session(found, session))
        await _settled(session, told)
        text = await written(await told.families(), openmetrics=args.openmetrics)
        sys.stdout.write(text.decode())
        lost = [n for n, look in session.looks.items() if look.health.link in (Link.LOST, Link.REFUSED)]
    for name in lost:
        common.narrate(f"{name} could not be read: its series are left out")
    return common.LOST if lost and len(lost) == len(session.looks) else common.DONE


async def _settled(session: Session, told: Exposition) -> None:
    """Until each system was read twice or is known to be gone, a while at most."""
    from perftui import engines

    holds = [session.topic(stem).hold() for stem in engines.BUILTIN]
    reads: dict[str, set[float]] = {name: set() for name in session.looks}
    limit = time.monotonic() + WITHIN
    while time.monotonic() < limit:
        told.note()
        for name, look in session.looks.items():
            if look.reading is not None:
                reads[name].add(look.reading.at)
        gone = {n for n, look in session.looks.items() if look.health.link in (Link.LOST, Link.REFUSED)}
        if all(len(at) >= 2 or name in gone for name, at in reads.items()):
            break
        await asyncio.sleep(STEP)
    for hold in holds:
        hold.release()
