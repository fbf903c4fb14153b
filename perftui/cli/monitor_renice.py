"""`perftui monitor renice PID NICE`: another nice value for one process, planned, confirmed and audited."""

from __future__ import annotations

import argparse

from perftui.cli import common
from perftui.cli.monitor_process import present

HELP = "set the nice value of a process"


def add(parser: argparse.ArgumentParser) -> None:
    """The process and the value."""
    parser.add_argument("pid", metavar="PID", type=int, help="process id")
    parser.add_argument("nice", metavar="NICE", type=int, help="-20 (goes first) to 19 (goes last)")
    parser.add_argument("--source", metavar="NAME", help="host backend (default: the first)")
    common.options(parser, change=True)


def run(args: argparse.Namespace) -> int:
    """Plan, ask, do."""
    return common.go(_run(args))


async def _run(args: argparse.Namespace) -> int:
    async with present(args, "ProcessNicer") as (session, source, started):
        action = session.action("process.renice", source, pid=args.pid, started=started, nice=args.nice)
        return await common.perform(session, action, args)
