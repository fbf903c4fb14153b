"""`perftui monitor queues`: what waits in every queue of every connected server, with its pace."""

from __future__ import annotations

import argparse
import asyncio

from perftui.analysis.queues import Paces, merged, parts_of
from perftui.cli import common
from perftui.draw import format as fmt
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.queues import QueueDepth, QueueView
from perftui.session import Session

HELP = "print what waits in queues, how old it is and how fast it comes and goes"
TOPIC = "overview.queues"
POWER = "QueueReader"
KINDS = ("valkey", "kafka", "rabbitmq")
PATIENCE = 8.0  # seconds until every server has answered once, or is given up


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)
    parser.add_argument("--parts", action="store_true", help="each partition as a line of its own")
    parser.add_argument(
        "--over", type=float, default=5.0, metavar="S", help="seconds between the two looks of a pace (5)"
    )


def run(args: argparse.Namespace) -> int:
    """Print; 1 when there is no queue, 3 when a server is lost or refuses us."""
    if not 1 <= args.over <= 3600:
        common.narrate("--over is 1 to 3600 seconds")
        return common.USAGE
    return common.go(_print(args))


async def _print(args: argparse.Namespace) -> int:
    async with common.headless_session(args, kinds=KINDS) as session:
        await common.first_frame(session, "health", PATIENCE, _settled)
        paces = Paces()
        paces.views(await _look(session))
        await asyncio.sleep(args.over)
        views = paces.views(await _look(session))
        links = {name: look.health for name, look in session.looks.items()}
    gone = {name: health for name, health in links.items() if health.link in (Link.LOST, Link.REFUSED)}
    for name, health in gone.items():
        common.narrate(f"{name}: {health.link.value}: {health.error}")
    if args.json:
        common.say([_row(view) for view in views])
    else:
        common.print_lines(lines(views, parts=args.parts))
    if gone:
        return common.LOST
    return common.DONE if views else common.NO


def _settled(frame: Frame) -> bool:
    return all(health.link is not Link.WAITING for health in frame.health.values())


async def _look(session: Session) -> tuple[QueueDepth, ...]:
    found: tuple[QueueDepth, ...] = ()
    for source in session.sources(POWER):
        if session.looks[source].health.link in (Link.LIVE, Link.LATE):
            frame = await session.probe(TOPIC, source, POWER, lambda power: power.queues())
            if frame.error:
                common.narrate(frame.error)
            else:
                found = merged(found, source, frame.report)
    return found


def _row(view: QueueView) -> dict[str, object]:
    return {
        "depth": view.depth,
        "in_per_s": view.in_per_s,
        "out_per_s": view.out_per_s,
        "drains_in": view.drains_in,
    }


def lines(views: list[QueueView], *, parts: bool) -> list[str]:
    """A line a queue, the fullest first; its partitions below where asked."""
    if not views:
        return ["no queue was found"]
    head = (
        f"{'QUEUE':<32} {'KIND':<8} {'SOURCE':<12} {'WAITING':>9} {'ACTIVE':>7} {'CONSUMERS':>9} "
        f"{'OLDEST':>8} {'IN/S':>8} {'OUT/S':>8} {'DRAINS IN':>9}"
    )
    rows = [row for view in views for row in (view, *(parts_of(view.depth) if parts else ()))]
    return [head, *(_line(row) for row in rows)]


def _line(view: QueueView) -> str:
    d = view.depth
    consumers = "–" if d.consumers is None else f"{d.consumers}"
    return (
        f"{d.name[:200]:<32} {d.system:<8} {d.source:<12} {d.waiting:>9} {d.active:>7} {consumers:>9} "
        f"{fmt.duration(d.oldest, 8)} {fmt.rate(view.in_per_s, width=8)} {fmt.rate(view.out_per_s, width=8)} "
        f"{fmt.duration(view.drains_in, 9)}"
    )
