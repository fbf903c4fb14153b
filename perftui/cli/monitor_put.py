"""`perftui monitor put`: send the newest figures to a store of metrics that a backend can write to."""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import math

from perftui.analysis.metricnames import metric_labels
from perftui.cli import common
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.sink import Sent
from perftui.session import Session

HELP = "send the newest figures to CloudWatch, Datadog or whatever else takes them"
PATIENCE = 10.0  # seconds until every backend has answered once, or is given up
NEWEST = 60.0  # seconds a value may be old
MOST = 5000


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("backend", help="where they go")
    parser.add_argument(
        "--series",
        action="append",
        required=True,
        metavar="GLOB",
        help="`source/name` like this; may be repeated",
    )
    parser.add_argument("--over", type=float, default=5.0, metavar="S", help="seconds to look before (5)")
    common.options(parser, change=True)


def run(args: argparse.Namespace) -> int:
    """Look, plan, ask, send."""
    if not 0 <= args.over <= 600:
        common.narrate("--over is 0 to 600 seconds")
        return common.USAGE
    return common.go(_put(args))


async def _put(args: argparse.Namespace) -> int:
    async with common.headless_session(args) as session:
        await common.first_frame(session, "health", PATIENCE, _settled)
        await asyncio.sleep(args.over)
        action = session.action("metrics.put", args.backend, figures=_newest(session, args))
        return await common.perform(session, action, args)


def _settled(frame: Frame) -> bool:
    return all(health.link is not Link.WAITING for health in frame.health.values())


def _newest(session: Session, args: argparse.Namespace) -> list[Sent]:
    now, found = session.clock.wall(), []
    for key in sorted(session.history.keys()):
        if key.source == args.backend or key.source not in session.env.backends:
            continue
        if not any(fnmatch.fnmatchcase(f"{key.source}/{key.name}", glob) for glob in args.series):
            continue
        series = session.history.series(key, now - NEWEST, now)
        if series.last is not None and math.isfinite(series.last.value):
            labels = dict(metric_labels(key, session.env.kinds.get(key.source)))
            name = labels.pop("__name__")
            told = tuple(sorted(labels.items()))
            found.append(Sent(name, told, series.last.value, series.unit, series.last.at))
    return found[:MOST]
