"""`perftui monitor self`: what perftui itself costs while it watches an environment."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from perftui import engines
from perftui.cli import common
from perftui.model.price import TOPIC, PriceReport

HELP = "what perftui itself costs: CPU, memory, and of each backend reads, bytes and waiting"
ASIDE = {"profiler"}  # an engine that looks only when asked


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="how long to watch and measure (10)"
    )


def run(args: argparse.Namespace) -> int:
    """Watch everything for a while, then print the price; 1 when it is over a budget."""
    if not 1 <= args.seconds <= 3600:
        common.narrate("--seconds is 1 to 3600")
        return common.USAGE
    return common.go(_measure(args))


async def _measure(args: argparse.Namespace) -> int:
    from perftui.draw.price import rows
    from perftui.draw.rows import plain

    async with common.headless_session(args) as session:
        with ExitStack() as holds:
            for topic in engines.BUILTIN.keys() - ASIDE:
                holds.enter_context(session.topic(topic).hold(glance=True))
            until = time.monotonic() + args.seconds
            async for frame in session.watch(TOPIC):
                if frame.report is not None and time.monotonic() >= until:
                    break
        report, budget = frame.report, session.config.price.budget()
    assert isinstance(report, PriceReport)
    if args.json:
        common.say({"price": report, "budget": budget, "findings": frame.findings})
    else:
        common.print_lines(text.rstrip() for text in plain(rows(report, budget, 100)))
    return common.NO if frame.findings else common.DONE
