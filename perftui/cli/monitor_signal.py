"""`perftui monitor signal PID NAME`: a signal to one process, planned, confirmed and audited."""

from __future__ import annotations

import argparse

from perftui.cli import common
from perftui.cli.monitor_process import present

HELP = "send a signal to a process"


def add(parser: argparse.ArgumentParser) -> None:
    """The process and the signal."""
    parser.add_argument("pid", metavar="PID", type=int, help="process id")
    parser.add_argument(
        "signal", metavar="NAME", nargs="?", default="TERM", help="TERM (default), KILL, HUP, …"
    )
    parser.add_argument("--source", metavar="NAME", help="host backend (default: the first)")
    common.options(parser, change=True)


def run(args: argparse.Namespace) -> int:
    """Plan, ask, do."""
    return common.go(_run(args))


async def _run(args: argparse.Namespace) -> int:
    async with present(args, "ProcessSignaller") as (session, source, started):
        action = session.action("process.signal", source, pid=args.pid, started=started, signal=args.signal)
        return await common.perform(session, action, args)
