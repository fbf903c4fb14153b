"""`perftui monitor top`: a host and its busiest processes, once or over and over."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import asdict
from functools import partial

from perftui.cli import common
from perftui.draw import format as fmt
from perftui.model.errors import Unsupported
from perftui.model.frame import Frame
from perftui.model.resources import HostReading, HostView, ProcessList, ResourcesReport
from perftui.model.targets import BETWEEN, whole
from perftui.session import Session

HELP = "the host's figures and its busiest processes"
TOPIC = "resources.processes"
KINDS = ("host",)
FIRST = 10.0  # seconds until rates must be there


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser)
    parser.add_argument("--once", action="store_true", help="one look, then stop")
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds between looks (1)")
    parser.add_argument(
        "--source", metavar="NAME", default="", help="backend of the host (default: the first of kind host)"
    )
    parser.add_argument("--rows", type=int, default=20, metavar="N", help="processes shown (20)")


def run(args: argparse.Namespace) -> int:
    """Look until stopped."""
    if not (0.5 <= args.every <= 3600 and 0 <= args.rows <= 10_000):
        common.narrate("--every is 0.5 to 3600 seconds, --rows 0 to 10000")
        return common.USAGE
    return common.go(_top(args))


async def _top(args: argparse.Namespace) -> int:
    only = {whole(args.source)} if args.source else None
    async with common.headless_session(args, only=only, kinds=None if only else KINDS) as session:
        frame = await common.first_frame(session, "resources", FIRST, partial(_has_rates, args.source))
        view = _view(frame, args.source)
        await _processes(session, view, args.rows)  # the first look at processes knows no rates
        while True:
            await asyncio.sleep(args.every)
            view = _view(session.frame("resources"), args.source)
            found = await _processes(session, view, args.rows)
            if args.json:
                common.say({"at": view.at, "host": asdict(view.reading), "processes": asdict(found)})
            else:
                common.print_lines([*host_lines(view.reading), "", *process_lines(found)])
            if args.once:
                return common.DONE


def _has_rates(source: str, frame: Frame) -> bool:
    report = frame.report
    if not isinstance(report, ResourcesReport):
        return False
    views = [view for view in report.hosts if view.source == source] or report.hosts
    return any(view.reading.window for view in views if BETWEEN not in source or view.source == source)


def _view(frame: Frame, source: str) -> HostView:
    report = common.report_of(frame, ResourcesReport)
    if BETWEEN in source:
        if (found := report.host(source)) is None:
            known = ", ".join(view.source for view in report.hosts[:10])
            raise Unsupported(f"{source}: no host of that name has answered; there are {known}")
        return found
    if not report.hosts:
        raise Unsupported(f"{', '.join(frame.health)}: that is no host: it has no node_cpu_seconds_total")
    return report.hosts[0]


async def _processes(session: Session, view: HostView, rows: int) -> ProcessList:
    source = view.source
    if source not in session.sources("ProcessReader"):  # an exporter tells none
        return ProcessList(view.reading.host, view.at, (), 0)
    frame = await session.probe(TOPIC, source, "ProcessReader", lambda power: power.processes(rows))
    if isinstance(frame.report, ProcessList):
        return frame.report
    common.narrate(frame.error)
    return ProcessList(view.reading.host, view.at, (), 0)


def host_lines(r: HostReading) -> list[str]:
    """The host in a few lines."""
    c, m = r.cpu, r.memory
    lines = [
        f"{r.host}  up {fmt.duration(r.uptime)}  load {' '.join(f'{x:.2f}' for x in r.load)}",
        (
            f"cpu {fmt.ratio(c.busy)}  user {fmt.ratio(c.user + c.nice)}  system {fmt.ratio(c.system)}  "
            f"iowait {fmt.ratio(c.iowait)}  steal {fmt.ratio(c.steal)}  {len(r.cores)} cores"
        ),
        (
            f"memory {fmt.bytes_(m.used)} of {fmt.bytes_(m.total)} ({fmt.ratio(m.used_ratio)})  "
            f"cached {fmt.bytes_(m.cached)}  swap {fmt.bytes_(m.swap_total - m.swap_free)}"
        ),
    ]
    lines += [
        f"disk {d.device}  read {fmt.rate(d.read_bytes_per_s, 'bytes')}  "
        f"write {fmt.rate(d.write_bytes_per_s, 'bytes')}  busy {fmt.ratio(d.busy)}"
        for d in r.disks
    ]
    return lines + [
        f"net {n.interface}  in {fmt.rate(n.rx_bytes_per_s, 'bytes')}  "
        f"out {fmt.rate(n.tx_bytes_per_s, 'bytes')}"
        for n in r.nets
    ]


def process_lines(found: ProcessList) -> list[str]:
    """Processes, busiest first."""
    head = f"{'PID':>8} {'CPU':>7} {'MEMORY':>10} {'THR':>4} {'FDS':>6} {'USER':<10} COMMAND"
    return [head] + [
        f"{r.pid:>8} {fmt.ratio(r.cpu, 7)} {fmt.bytes_(r.rss, 10)} {r.threads:>4} "
        f"{'–' if r.fds is None else r.fds:>6} {r.user[:10]:<10} {r.command[:200]}"
        for r in found.rows
    ]
