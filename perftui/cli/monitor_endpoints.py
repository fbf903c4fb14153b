"""`perftui monitor endpoints`: what each application serves, how fast, and which exceptions leave it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from perftui.analysis.endpoints import EndpointRow, merged, thrown
from perftui.analysis.hostrank import GONE
from perftui.cli import common
from perftui.draw import format as fmt
from perftui.model.endpoint import ApiView
from perftui.model.frame import Frame
from perftui.model.health import Link
from perftui.model.resources import ResourcesReport

HELP = "print each endpoint's rate, quantiles and errors, and exceptions by class"
KINDS = ("scrape", "targets", "accesslog")
PATIENCE = 12.0  # seconds in which every application answers twice or is given up


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)


def run(args: argparse.Namespace) -> int:
    """Print; 1 when nobody serves requests, 3 when an application is lost or refuses us."""
    return common.go(_print(args))


HEAD = (
    f"{'SERVICE':<14} {'METHOD':<7} {'ROUTE':<36} {'RATE':>8} {'P50':>8} {'P95':>8} {'P99':>8} "
    f"{'4XX':>6} {'5XX':>6}"
)


async def _print(args: argparse.Namespace) -> int:
    async with common.headless_session(args, kinds=KINDS) as session:
        frame = await common.first_frame(session, "resources", PATIENCE, _settled)
    report = frame.report if isinstance(frame.report, ResourcesReport) else ResourcesReport()
    health = report.standing(frame.health)
    gone = {name: one for name, one in health.items() if one.link in GONE}
    for name, one in gone.items():
        common.narrate(f"{name}: {one.link.value}: {one.error}")
    rows = merged(report.apis)
    if args.json:
        common.say([{"endpoint": row, "exceptions": dict(thrown(report.apis, row))} for row in rows])
    else:
        common.print_lines(lines(rows, report.apis))
    if gone:
        return common.LOST
    return common.DONE if rows else common.NO


def _settled(frame: Frame) -> bool:
    """Whether every link is known and every application that answers has told its rates."""
    report = frame.report
    health = report.standing(frame.health) if isinstance(report, ResourcesReport) else frame.health
    if any(one.link is Link.WAITING for one in health.values()):
        return False
    return not isinstance(report, ResourcesReport) or all(
        view.reading.window or health[view.source].link in GONE for view in report.apis
    )


def lines(rows: Sequence[EndpointRow], views: Sequence[ApiView]) -> list[str]:
    """A line an endpoint, the busiest first, and below it the exceptions at its route."""
    if not rows:
        return ["no application told of a request"]
    found = [HEAD]
    for row in rows:
        e = row.endpoint
        quantiles = " ".join(fmt.duration(value, 8) for value in (e.p50_s, e.p95_s, e.p99_s))
        found.append(
            f"{e.service[:80]:<14} {e.method[:20]:<7} {e.route[:200] or '–':<36} {fmt.rate(e.rate, width=8)} "
            f"{quantiles} {fmt.ratio(e.client_error_ratio, 6)} {fmt.ratio(e.error_ratio, 6)}"
        )
        found += [f"  {name[:80]}: {fmt.rate(rate).strip()}" for name, rate in thrown(views, row)]
    return found
