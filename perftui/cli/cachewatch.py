"""What every looking verb of `perftui cache` can do: print CSV, and look again and again."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from perftui.cli import common
from perftui.cli.when import seconds
from perftui.model.errors import BackendError

if TYPE_CHECKING:
    from perftui.session import Session

EVERY, LEAST = 2.0, 0.5
CLEAR = "\x1b[H\x1b[2J"


def add(parser: argparse.ArgumentParser) -> None:
    """`--csv`, `--watch`."""
    parser.add_argument("--csv", dest="json", action="store_const", const="csv", help="print CSV")
    parser.add_argument(
        "--watch",
        metavar="TIME",
        nargs="?",
        type=_span,
        const=EVERY,
        help=f"look again each TIME ({EVERY:g}s), until it is interrupted",
    )


def _span(text: str) -> float:
    span = seconds(text)
    if not LEAST <= span <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not between {LEAST:g}s and 1h")
    return span


async def watched(
    session: Session, args: argparse.Namespace, topics: tuple[str, ...], look: Callable[[], Awaitable[int]]
) -> int:
    """Look once, or each `--watch`; a server that is lost meanwhile is said, and looked for again.

    A terminal is cleared before each look; CSV has its header once.
    """
    if not args.watch:
        return await look()
    with ExitStack() as held:
        for topic in topics:
            held.enter_context(session.topic(topic).hold())
        due = time.monotonic()
        while True:
            if sys.stdout.isatty():
                print(CLEAR, end="")
            try:
                await look()
            except BackendError as error:
                common.narrate(str(error))
            sys.stdout.flush()
            args.json = common.MORE if args.json == "csv" else args.json
            due = max(due + args.watch, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
