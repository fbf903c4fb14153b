"""`perftui cache warm`: jobs that warm caches by the clock, sets that nodes warm, and having both done."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from perftui.cli import cachepredict, common
from perftui.model.errors import ConfigError, StoreError
from perftui.model.noderecord import NodesLook
from perftui.model.schedule import TUNING
from perftui.model.warmask import WarmSet, warm_sets
from perftui.model.warmjob import WARMING, JobRow, JobsReport
from perftui.model.warmused import Warmed, newest, warmed

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.session import Session

DESK: Final = ("add", "edit", "on", "off", "remove", "pause", "resume")
"""Steps that need the store alone."""


def add(parser: argparse.ArgumentParser, source: Callable[..., None]) -> None:
    """Declare the steps; `source` adds the options of the backend."""
    steps = parser.add_subparsers(dest="step", metavar="|".join(("list", "run", *DESK)), required=True)
    source(steps.add_parser("list", help="the jobs, and the warm sets and predictions of each node"))
    run = steps.add_parser("run", help="run a job now, or have the nodes of a cache warm a set; waits for it")
    run.add_argument("what", metavar="JOB|NAMESPACE", help="a job's name, else a cache's")
    run.add_argument("--set", dest="name", metavar="SET", help="the cache's set (start), and no job")
    source(run, change=True)
    new = steps.add_parser("add", help="a job: which keys of a cache are warmed when, and how fast")
    new.add_argument("job", metavar="NAME", help="what it is to be called")
    new.add_argument("--namespace", metavar="CACHE", required=True, help="the cache's name")
    _details(new, required=True)
    edit = steps.add_parser("edit", help="change what is given of a job")
    edit.add_argument("job", metavar="NAME", help="which job")
    edit.add_argument("--namespace", metavar="CACHE", help="another cache")
    _details(edit, required=False)
    for name, text in (
        ("on", "let a job run again"),
        ("off", "a job runs no more"),
        ("remove", "forget a job"),
    ):
        steps.add_parser(name, help=text).add_argument("job", metavar="NAME", help="which job")
    steps.add_parser("pause", help="no job runs, on any console or agent, before `resume`")
    steps.add_parser("resume", help="the jobs that are on run again")
    for name in DESK:
        common.options(steps.choices[name], change=True)


def _details(parser: argparse.ArgumentParser, *, required: bool) -> None:
    when = parser.add_mutually_exclusive_group(required=required)
    when.add_argument("--cron", metavar="EXPR", help="when, such as '0 6 * * 1-5'")
    when.add_argument("--every", metavar="TIME", help="or how often, such as 15m")
    parser.add_argument("--timezone", metavar="ZONE", help="of the cron expression (UTC)")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument(
        "--top", metavar="N", help="the N keys a node is asked for most; left out: the set's own"
    )
    keys.add_argument("--keys", metavar="KEY", nargs="+", help="these keys")
    keys.add_argument("--file", metavar="FILE", help="the keys of a file, one a line; read now")
    keys.add_argument("--own", action="store_true", help="the keys of the nodes' own warm set")
    parser.add_argument("--set", dest="warm_set", metavar="SET", help="whose loader loads (start)")
    parser.add_argument("--rate", metavar="N", help="loads a second at most (50)")
    parser.add_argument("--missed", choices=("skip", "once"), help="runs nobody was there for (skip)")
    parser.add_argument(
        "--source", dest="backend", metavar="NAME", help="the cache server; the first that can"
    )


async def go(args: argparse.Namespace) -> int:
    """Do a step of `DESK`."""
    from perftui.cli.alerts import desk

    async with desk(args) as session:
        return await common.perform(session, _deed(session, args), args)


def _deed(session: Session, args: argparse.Namespace) -> Action:
    if args.step in {"pause", "resume"}:
        mode = "off" if args.step == "pause" else "on"
        return session.action("tune.set", TUNING, loop=WARMING, mode=mode)
    if args.step == "remove":
        return session.action("cache.warm-remove", WARMING, job=args.job)
    if args.step in {"on", "off"}:
        return session.action("cache.warm-switch", WARMING, job=args.job, on=args.step == "on")
    return session.action(f"cache.warm-{args.step}", WARMING, job=args.job, **_said(args))


def _said(args: argparse.Namespace) -> Mapping[str, Any]:
    """What was given, as the actions take it."""
    every = f"every {args.every}" if args.every else None
    keys = (
        f"top {args.top}"
        if args.top
        else f"file {args.file}"
        if args.file
        else " ".join(("keys", *args.keys))
        if args.keys
        else "set"
        if args.own
        else None
    )
    said = {"namespace": args.namespace, "when": args.cron or every, "keys": keys}
    said |= {name: getattr(args, name) for name in ("timezone", "warm_set", "rate", "missed", "backend")}
    return {name: value for name, value in said.items() if value is not None}


async def run(session: Session, source: str, args: argparse.Namespace) -> int:
    """Run a job of that name, else warm a set of the cache of that name."""
    if args.name is None and (await _report(session)).named(args.what):
        action = session.action("cache.warm-job", WARMING, job=args.what)
    else:
        action = session.action("cache.warm", source, namespace=args.what, name=args.name or "start")
    return await common.perform(session, action, args)


async def _report(session: Session) -> JobsReport:
    """The jobs in the store; none, and a word, where it cannot be read."""
    try:
        memory, _, tuning = await session.open_memory()
        await memory.store.ready()  # the tables are there once it has said so
        return await tuning.warmer.report()
    except (StoreError, ConfigError) as error:
        common.narrate(f"warm jobs are not known: {error}")
        return JobsReport(0.0)


async def show(session: Session, look: NodesLook, args: argparse.Namespace) -> int:
    """Print jobs, sets and predictions; 1 when there is none of them."""
    report, sets, predicted = await _report(session), warm_sets(look.records), cachepredict.rows(look)
    said = ((one.stats.namespace, told) for one in look.records for told in warmed(one.stats.gauges))
    used = newest(said)
    found = bool(sets or report.rows or predicted)
    if args.json:
        told = {"warmed": [_warmed(*one) for one in used.items()], "sets": [asdict(one) for one in sets]}
        common.say({"jobs": report, **told, "predicted": predicted})
        return common.DONE if found else common.NO
    common.print_lines(job_line(row, used.get((row.job.namespace, row.job.name))) for row in report.rows)
    common.print_lines(map(_line, sets))
    common.print_lines(cachepredict.lines(look))
    if report.paused:
        common.narrate("jobs are paused: perftui cache warm resume")
    elif report.rows and not report.agent:
        common.narrate("no agent runs: consoles run the jobs while they are open")
    if not sets:
        common.narrate("no node publishes a warm set: docs/cache-library.md, Warm from the start")
    return common.DONE if found else common.NO


def job_line(row: JobRow, told: Warmed | None = None) -> str:
    """One job on one line, with what became of the keys that its newest run loaded."""
    from perftui.draw import format as fmt

    job, state = row.job, row.state
    what = f"{job.name}: {job.namespace} {job.keys}, {job.schedule.when}, {job.rate:g} loads/s"
    later = f", next {fmt.stamp(row.upcoming[0])} UTC" if row.upcoming else "" if job.on else ", off"
    if state.run:
        return f"{what}{later}; runs: {fmt.count(state.settled)} of {fmt.many(state.total or 0, 'key')}"
    if state.outcome is None:
        return what + later
    did = f"{fmt.stamp(state.ended)} {state.outcome.value}: {state.result}"
    return f"{what}{later}; {did}{_precision(told)}"


def _precision(told: Warmed | None) -> str:
    from perftui.draw import format as fmt

    if told is None:
        return f"; precision {fmt.NOTHING}"
    least, open_ = ("at least ", f", {fmt.count(told.left)} may be yet") if told.left else ("", "")
    used = f"{fmt.count(told.used)} of {fmt.many(told.of, 'key')} used{open_}"
    return f"; precision {least}{fmt.ratio(told.precision)} ({used})"


def _warmed(key: tuple[str, str], one: Warmed) -> dict[str, Any]:
    return {"namespace": key[0], **asdict(one), "precision": one.precision}


def _line(one: WarmSet) -> str:
    from perftui.draw import format as fmt

    now = f"{fmt.count(one.total - one.left)} of {fmt.many(one.total, 'key')}"
    doing = " loading" if one.leads else " waiting" if one.left else ""
    runs, loaded = fmt.many(one.runs, "run"), fmt.count(one.loaded)
    ever = f"{runs}: loaded {loaded}, fresh already {fmt.count(one.skipped)}"
    return f"{one.namespace} {one.name} at {one.node}: {now}{doing}; {ever}, failed {fmt.count(one.failed)}"
