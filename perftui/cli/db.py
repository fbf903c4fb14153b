"""`perftui db`: what PostgreSQL runs, waits for and plans, and the end of what blocks."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.database import (
    DatabaseReport,
    Explanation,
    PlanNode,
    ServerReport,
    Session,
    Statement,
    WaitNode,
)
from perftui.model.errors import ConfigError, Lost, Unsupported

if TYPE_CHECKING:
    from perftui.session import Session as Console

KINDS = ("postgres",)
LONGEST = 1 << 20
PATIENCE = 8.0


def add(parser: argparse.ArgumentParser) -> None:
    """`top`, `active`, `locks`, `replicas`, `explain FILE|-`, `cancel PID`, `terminate PID`."""
    verbs = common.verbs(parser)
    for name, text in (
        ("top", "the statements that cost most since the command began, from pg_stat_statements"),
        ("active", "sessions: state, wait, age, statement"),
        ("locks", "who waits for whom, root blockers first"),
        ("replicas", "every replica's lag in bytes and seconds, and the slots"),
    ):
        _source(verbs.add_parser(name, help=text))
    explain = verbs.add_parser("explain", help="the plan of a statement; it is planned, not run")
    explain.add_argument("file", metavar="FILE|-", help="file with one statement, - for stdin")
    explain.add_argument(
        "--analyze", action="store_true", help="run it in a read-only transaction, rolled back, at most 10 s"
    )
    _source(explain)
    for name, text in (
        ("cancel", "cancel the statement a session is running"),
        ("terminate", "end a session; its transaction rolls back"),
    ):
        stop = verbs.add_parser(name, help=text)
        stop.add_argument("pid", metavar="PID", type=int, help="process id of the session")
        _source(stop, change=True)


def _source(parser: argparse.ArgumentParser, *, change: bool = False) -> None:
    parser.add_argument("--source", metavar="NAME", help="backend, default: the first primary")
    common.options(parser, change=change)


def run(args: argparse.Namespace) -> int:
    """Do what was typed."""
    if args.verb == "explain":
        args.statement = _statement(args.file)
    return common.go(_run(args))


def _statement(name: str) -> str:
    """The text of the file, or of stdin; ConfigError when it cannot be read or is over 1 MiB."""
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(LONGEST + 1)
        else:
            with open(name, "rb") as file:
                raw = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{name}: {os.strerror(error.errno or 0)}") from error
    if len(raw) > LONGEST:
        raise ConfigError(f"{name}: longer than 1 MiB")
    return raw.decode("utf-8", "replace")


async def _run(args: argparse.Namespace) -> int:
    only = {args.source} if args.source else None
    async with common.headless_session(args, only=only, kinds=None if only else KINDS) as console:
        if args.verb == "explain":
            return await _explain(console, args)
        if args.verb in {"cancel", "terminate"}:
            server = await _server(console, args)
            action = console.action(f"db.{args.verb}", server.source, pid=args.pid)
            return await common.perform(console, action, args)
        return await _show(console, args)


async def _server(console: Console, args: argparse.Namespace, *, counted: bool = False) -> ServerReport:
    """The server meant: the one named, else the first primary; with its statements when `counted`."""

    def ready(frame: Any) -> bool:
        server = _meant(frame.report, args)
        links = {health.link.value for health in frame.health.values()}
        if server is None or (server.standby and "waiting" in links):
            return False
        reading = server.reading
        return (
            not counted
            or reading.workload is not None
            or any("statistics" in one.what for one in reading.limits)
        )

    frame = await common.first_frame(console, "database", PATIENCE, ready)
    report = common.report_of(frame, DatabaseReport)
    server = _meant(report, args)
    if server is None:
        raise Lost(f"{args.source}: no PostgreSQL of this name answers")
    return server


def _meant(report: Any, args: argparse.Namespace) -> ServerReport | None:
    if not isinstance(report, DatabaseReport):
        return None
    return report.server(args.source) if args.source else report.primary


async def _show(console: Console, args: argparse.Namespace) -> int:
    server = await _server(console, args, counted=args.verb == "top")
    if args.verb == "top":
        return _top(server, args)
    if args.verb == "active":
        return _active(server, args)
    return _locks(server, args) if args.verb == "locks" else _replicas(server, args)


def _top(server: ServerReport, args: argparse.Namespace) -> int:
    work = server.reading.workload
    if work is None:
        limit = next(one for one in server.reading.limits if "statistics" in one.what)
        raise Unsupported(f"{server.source}: {limit.what}: {limit.remedy}")
    if args.json:
        common.say(work)
        return common.DONE
    common.print_lines(["  time  calls/s      mean  statement", *map(_statement_line, work.statements[:20])])
    common.narrate(f"{server.source}: {work.calls_per_s:.3g} calls/s over {work.seconds:.1f} s")
    return common.DONE


def _statement_line(item: Statement) -> str:
    from perftui.analysis.sqlshape import line
    from perftui.draw import format as fmt

    figures = f"{fmt.ratio(item.share, 6)} {fmt.number(item.calls_per_s, 8)} {fmt.duration(item.mean_s, 9)}"
    return f"{figures}  {line(item.text, 200)}"


def _active(server: ServerReport, args: argparse.Namespace) -> int:
    sessions = [session for session in server.reading.sessions if not session.own]
    if args.json:
        common.say(sessions)
    else:
        common.print_lines(map(_session_line, sessions))
        used = server.reading.connections
        common.narrate(f"{server.source}: {used.active} active, {used.used} of {used.maximum} connected")
    return common.DONE


def _session_line(session: Session) -> str:
    from perftui.analysis.sqlshape import line
    from perftui.draw import format as fmt

    age = fmt.duration(session.query_age if session.active else session.state_age, 9)
    wait = f" {session.wait_class}/{session.wait_event}" if session.active and session.wait_class else ""
    blocked = f" blocked by {', '.join(map(str, session.blocked_by))}" if session.blocked_by else ""
    who = f"{session.pid:>7} {session.user}@{session.database} {session.app}"
    return f"{age} {who}: {session.state or session.kind}{wait}{blocked}  {line(session.query, 160)}"


def _locks(server: ServerReport, args: argparse.Namespace) -> int:
    if args.json:
        common.say({"waiting": server.waiting, "locks": server.reading.locks})
    else:
        common.print_lines(_wait_line(server, node) for node in server.waiting)
        common.narrate(f"{server.source}: {server.reading.connections.waiting} sessions wait for a lock")
    return common.DONE


def _wait_line(server: ServerReport, node: WaitNode) -> str:
    session = server.session(node.pid)
    wanted = next((one for one in server.reading.locks if one.pid == node.pid and not one.granted), None)
    wants = f" wants {wanted.mode} on {wanted.target}" if wanted else ""
    blocks = f" blocks {node.blocks}" if node.blocks else ""
    return (
        f"{'  ' * node.depth}{node.pid}{blocks}{wants}  {_session_line(session).strip() if session else ''}"
    )


def _replicas(server: ServerReport, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

    reading = server.reading
    if args.json:
        common.say({"replicas": reading.replicas, "slots": reading.slots, "receiver": reading.receiver})
        return common.DONE
    for one in reading.replicas:
        behind = f"{fmt.duration(one.lag_s)} and {fmt.bytes_(one.replay_bytes)} behind"
        common.print_lines([f"{one.name} {one.state} {one.sync}: {behind}"])
    if reading.receiver is not None:
        own = reading.receiver
        behind = f"{fmt.bytes_(own.behind_bytes)} to replay, {fmt.duration(own.lag_s)} behind"
        common.print_lines([f"{server.source} {own.status or 'not streaming'} from {own.sender}: {behind}"])
    for slot in reading.slots:
        use = "active" if slot.active else "inactive"
        common.print_lines([f"slot {slot.name}: {use}, keeps {fmt.bytes_(slot.retained_bytes)}"])
    return common.DONE


async def _explain(console: Console, args: argparse.Namespace) -> int:
    server = await _server(console, args)

    async def call(power: Any) -> Explanation:
        answer: Explanation = await power.explain(args.statement, analyze=args.analyze)
        return answer

    frame = await console.probe("database.plan", server.source, "Explainer", call, 15.0)
    answer = frame.report
    if frame.error or not isinstance(answer, Explanation):
        raise Unsupported(frame.error or f"{server.source}: no plan came back")
    if args.json:
        common.say(answer)
    else:
        common.print_lines(map(_plan_line, answer.plan.nodes))
        common.print_lines(f"! {one.title}: {one.evidence} → {one.remedy}" for one in answer.plan.advice)
    return common.DONE


def _plan_line(node: PlanNode) -> str:
    from perftui.draw import format as fmt

    label = "  " * min(node.depth, 40) + node.kind + (f" on {node.target}" if node.target else "")
    if node.rows is None:
        figures = f"cost {fmt.number(node.own_cost, 7)} rows {fmt.number(node.rows_est, 7)}"
        return f"{fmt.ratio(node.share, 7)} {figures}  {label}"
    rows = f"rows {fmt.number(node.rows, 7)} of {fmt.number(node.rows_est, 7)}"
    figures = f"{fmt.duration(node.own_time_s, 9)} {rows}"
    return f"{fmt.ratio(node.share, 7)} {figures}  {label}"
