"""`perftui monitor hosts`: every host that is watched, the worst first."""

from __future__ import annotations

import argparse
import time

from perftui.analysis.hostrank import GONE, ranked
from perftui.cli import common
from perftui.draw import format as fmt
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.resources import HostRank, ResourcesReport

HELP = "every host that is watched, the worst first"
KINDS = ("host", "scrape", "targets", "promhosts")
PATIENCE = 12.0  # seconds in which every target answers twice or is given up


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list; 3 when none can be reached, 1 when some are lost."""
    return common.go(_print(args))


async def _print(args: argparse.Namespace) -> int:
    async with common.headless_session(args, kinds=KINDS) as session:
        frame = await common.first_frame(session, "resources", PATIENCE, _settled)
    report = frame.report if isinstance(frame.report, ResourcesReport) else ResourcesReport()
    ranks = ranked(report, frame.health, frame.findings)
    if args.json:
        common.say(ranks)
    else:
        common.print_lines([HEAD, *(_line(rank, time.time()) for rank in ranks)])
    lost = [rank for rank in ranks if rank.link in {link.value for link in GONE}]
    return common.DONE if not lost else common.LOST if len(lost) == len(ranks) else common.NO


def _settled(frame: Frame) -> bool:
    """Whether every link is known and every host that answers has told its rates."""
    if any(health.link is Link.WAITING for health in frame.health.values()):
        return False
    report = frame.report
    if not isinstance(report, ResourcesReport):
        return True
    health = report.standing(frame.health)
    return not any(one.link is Link.WAITING for one in health.values()) and all(
        view.reading.window or health[view.source].link in GONE for view in report.hosts
    )


HEAD = f"{'HOST':<24} {'CPU':>7} {'MEMORY':>7} {'DISK':>7} {'LOAD':>6}  WHAT"


def _line(rank: HostRank, now: float) -> str:
    if rank.link in {link.value for link in GONE}:
        gone = fmt.age(max(0.0, now - rank.at)).strip() if rank.at else "never answered"
        return f"{rank.host[:24]:<24} {rank.link.upper()} {gone}: {rank.why}"
    load = "–" if rank.load is None else f"{rank.load:.2f}"
    shares = " ".join(fmt.ratio(value, 7) for value in (rank.cpu, rank.memory, rank.disk))
    return f"{rank.host[:24]:<24} {shares} {load:>6}  {rank.why}"
