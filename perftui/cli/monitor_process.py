"""`perftui monitor process PID`: one process now, and its course as far as that was recorded."""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from perftui.analysis.hostmeasures import ABOUT, PROCESS_FIGURES
from perftui.cli import common, when
from perftui.draw import format as fmt
from perftui.draw.rows import Look, plain
from perftui.draw.sparkline import sparkline
from perftui.model.errors import ConfigError, Lost, PlanRejected
from perftui.model.resources import ProcessLook, ProcessRow
from perftui.model.series import SeriesKey

if TYPE_CHECKING:
    from perftui.runtime.past import Past
    from perftui.session import Session

HELP = "one process: its figures now and their course as far as it was recorded"
TOPIC = "resources.process"
KINDS = ("host",)
BETWEEN = 1.0  # seconds between the two looks that rates need
COLUMNS = 60

Course = dict[str, tuple[list[float], list[float]]]
"""Series' name → times and values."""


def add(parser: argparse.ArgumentParser) -> None:
    """The process and the span."""
    parser.add_argument("pid", metavar="PID", type=int, help="process id")
    parser.add_argument("--source", metavar="NAME", help="host backend (default: the first)")
    when.options(parser, since="15m")
    common.options(parser)


def run(args: argparse.Namespace) -> int:
    """Print it; 1 when there is no such process and nothing is recorded of one."""
    if args.pid < 1:
        raise ConfigError(f"{args.pid} is no process id")
    return common.go(_print(args))


async def _print(args: argparse.Namespace) -> int:
    config = common.configuration(args)
    source = args.source or next(iter(sorted(common.of_kinds(config.environment, KINDS))), "")
    row = await _now(args, source)
    async with when.stored(config) as past:
        name, course = await _course(past, source, args, row)
    if row is None and not course:
        common.narrate(f"there is no process {args.pid} on {source}, and none is recorded in that span")
        return common.NO
    if args.json:
        series = {key: {"at": at, "value": value} for key, (at, value) in course.items()}
        common.say({"source": source, "pid": args.pid, "name": name, "process": row, "series": series})
    else:
        common.print_lines([*_said(row, name, args.pid), *(_line(*item) for item in course.items())])
    return common.DONE


async def _now(args: argparse.Namespace, source: str) -> ProcessRow | None:
    """The process as it is, with the rates of a second; None when there is none."""
    async with common.headless_session(args, only={source}) as session:
        first = await _look(session, source, args.pid, 0.0)
        if first.row is None:
            return None
        await asyncio.sleep(BETWEEN)
        return (await _look(session, source, args.pid, first.started)).row


async def _look(session: Session, source: str, pid: int, started: float) -> ProcessLook:
    frame = await session.probe(
        TOPIC, source, "ProcessReader", lambda power: power.look_closely(pid, started)
    )
    if not isinstance(frame.report, ProcessLook) or frame.error:
        raise Lost(frame.error or f"{source} tells nothing of processes")
    return frame.report


@asynccontextmanager
async def present(args: argparse.Namespace, power: str) -> AsyncIterator[tuple[Session, str, float]]:
    """A session, the host meant and the start of `args.pid` on it; PlanRejected when nobody has that pid."""
    only = {args.source} if args.source else None
    async with common.headless_session(args, only=only, kinds=None if only else KINDS) as session:
        source = next(iter(session.sources(power)), "")
        frame = await session.probe(TOPIC, source, power, lambda p: p.find_process(args.pid))
        if frame.error:
            raise Lost(frame.error)
        if frame.report is None:
            raise PlanRejected(f"there is no process {args.pid} on {source}")
        yield session, source, frame.report.started


async def _course(
    past: Past | None, source: str, args: argparse.Namespace, row: ProcessRow | None
) -> tuple[str, Course]:
    """What is recorded of the process that has the pid, or of the last one that had it."""
    if past is None:
        return row.name if row else "", {}
    keys = [k for k in past.keys(f"{source}/process.*") if _is(k, args.pid) and k.name in PROCESS_FIGURES]
    names = {dict(k.labels)["process"].rpartition(" ")[0] for k in keys}
    found: dict[str, Course] = {}
    for key in keys:
        start = max(args.start, row.started - ABOUT) if row else args.start
        rows = await past.rows(key, start, args.end)
        pairs = [(at, v) for at, v in zip(rows.at, rows.mean, strict=True) if not math.isnan(v)]
        if pairs:
            name = dict(key.labels)["process"].rpartition(" ")[0]
            found.setdefault(name, {})[key.name] = ([at for at, _ in pairs], [v for _, v in pairs])
    if row is not None:
        return row.name, found.get(row.name, {})
    newest = max(found, key=lambda n: max(at[-1] for at, _ in found[n].values()), default="")
    return newest or next(iter(names), ""), found.get(newest, {})


def _is(key: SeriesKey, pid: int) -> bool:
    return dict(key.labels).get("process", "").rpartition(" ")[2] == str(pid)


def _said(row: ProcessRow | None, name: str, pid: int) -> list[str]:
    if row is None:
        return [f"{name} {pid}  has ended"]
    fds = "–" if row.fds is None else f"{row.fds}" + (f" of {row.fd_limit}" if row.fd_limit else "")
    share = f" ({fmt.bytes_(row.pss).strip()} its share)" if row.pss is not None else ""
    io = [_rate(value) for value in (row.read_per_s, row.write_per_s)]
    return [
        f"{row.name} {row.pid}  {row.command[:500]}",
        f"user {row.user or '–'}  nice {row.nice}  state {row.state}  since {fmt.stamp(row.started)}",
        f"cpu {fmt.ratio(row.cpu).strip()}  memory {fmt.bytes_(row.rss).strip()}{share}",
        f"threads {row.threads}  descriptors {fds}  read {io[0]}  written {io[1]}",
    ]


def _rate(value: float | None) -> str:
    return "–" if value is None else fmt.rate(value, "bytes").strip()


def _line(name: str, course: tuple[list[float], list[float]]) -> str:
    """Name, the course over equal stretches, and least, mean and most."""
    at, value = course
    unit = PROCESS_FIGURES[name][1]
    whole = (at[-1] - at[0]) or 1.0
    cells: list[list[float]] = [[] for _ in range(min(COLUMNS, len(at)))]
    for a, v in zip(at, value, strict=True):
        cells[min(len(cells) - 1, int((a - at[0]) / whole * len(cells)))].append(v)
    drawn = plain([sparkline([max(c) if c else None for c in cells], len(cells), Look(), low=0)])[0]
    least, mean, most = (
        fmt.value(v, unit).strip() for v in (min(value), sum(value) / len(value), max(value))
    )
    return f"{name:<26} {drawn}  {least} – {most}, mean {mean}, {len(at)} samples"
