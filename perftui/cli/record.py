"""A recording without a face: every system at full pace, into a file that opens anywhere."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from perftui.cli import common
from perftui.cli.when import seconds

STOP = 5.0


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser, json_=True)
    parser.add_argument("--out", required=True, metavar="FILE", help="the file to begin; it must not exist")
    parser.add_argument(
        "--for", dest="span", type=seconds, metavar="2h", help="end after so long (else: ctrl+c)"
    )


def run(args: argparse.Namespace) -> int:
    """Record until the time is up or a signal comes; 1 when no system could be reached meanwhile."""
    return common.go(_record(args))


async def _record(args: argparse.Namespace) -> int:
    from perftui.replay import recorder
    from perftui.session import Session

    config = common.configuration(args)
    path = Path(args.out)
    session = Session.open(config, config.environment, read_only=True, remember=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    made = recorder(session, path)
    try:
        await made.begin(hold=True)
        await session.start()
        common.narrate(f"recording {config.environment.name} into {path}; ctrl+c ends it")
        try:
            async with asyncio.timeout(args.span):
                await ended.wait()
        except TimeoutError:
            pass
        answered = any(look.reading is not None for look in session.looks.values())
    finally:
        await made.close({}, STOP)
        await session.close()
    size = path.stat().st_size
    if args.json:
        common.say({"file": str(path), "bytes": size, "environment": config.environment.name})
    else:
        print(path)
    common.narrate(f"{size:,} bytes; perftui replay {path}")
    return common.DONE if answered else common.NO
