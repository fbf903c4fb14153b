"""Control loops and schedules from a shell: what runs by itself, how far it may go, and the one switch."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import TYPE_CHECKING

from perftui.cli import common
from perftui.cli.alerts import desk
from perftui.model.schedule import TUNING, Mode

if TYPE_CHECKING:
    from perftui.model.schedule import LoopRow


def add(parser: argparse.ArgumentParser) -> None:
    """Declare `list set run stop`."""
    verbs = common.verbs(parser)
    common.options(verbs.add_parser("list", help="print every loop and schedule as it stands"))
    set_ = verbs.add_parser("set", help="set how far a loop or schedule may go")
    set_.add_argument("loop", help="its name")
    set_.add_argument("mode", choices=[mode.value for mode in Mode], help="off, observe or on")
    now = verbs.add_parser("run", help="do at once what a schedule does")
    now.add_argument("schedule", help="its name")
    stop = verbs.add_parser("stop", help="set everything to off, on all consoles and agents")
    stop.add_argument("--all", action="store_true", required=True, help="yes, all of them")
    for one in (set_, now, stop):
        common.options(one, change=True)


def run(args: argparse.Namespace) -> int:
    """Do the verb."""
    return common.go({"list": _list, "set": _set, "run": _run, "stop": _stop}[args.verb](args))


async def _list(args: argparse.Namespace) -> int:
    async with desk(args) as session:
        assert session.tuning is not None
        report = await session.tuning.report()
    if args.json:
        common.say(report)
        return common.DONE
    common.print_lines(map(line, report.rows))
    if not report.agent:
        common.narrate("no agent runs: consoles do this while they are open")
    return common.DONE


def line(row: LoopRow) -> str:
    """One loop on one line."""
    did = row.state.decision
    reason = f" ({row.state.reason})" if row.state.reason else ""
    when = f"  {_stamp(row.state.decided_at)}  {did}{reason}" if did else ""
    later = f"  next {_stamp(row.upcoming[0])}" if row.upcoming else ""
    return f"{row.name:<20}  {row.mode.value:<8}  {row.holder or 'nobody'}  {row.about}{later}{when}"


async def _set(args: argparse.Namespace) -> int:
    async with desk(args) as session:
        action = session.action("tune.set", TUNING, loop=args.loop, mode=args.mode)
        return await common.perform(session, action, args)


async def _stop(args: argparse.Namespace) -> int:
    async with desk(args) as session:
        return await common.perform(session, session.action("tune.stop", TUNING), args)


async def _run(args: argparse.Namespace) -> int:
    """The schedule's system is read first: its action needs it."""
    async with common.headless_session(args) as session:
        await session.open_memory()
        action = session.action("tune.run", TUNING, schedule=args.schedule)
        return await common.perform(session, action, args)


def _stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
