"""`perftui profile`: find targets, sample their stacks, look at what is kept, write it for other tools."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import Cancelled, ConfigError, Lost, Unsupported
from perftui.model.profiler import Profile, ProfileMeta, ProfilerReport, ThreadStack

if TYPE_CHECKING:
    from perftui.model.action import Progress
    from perftui.model.resources import ProcessList
    from perftui.session import Session

VERBS = ("targets", "record", "dump", "list", "show")
SETTLE = 0.6  # seconds between the two looks that CPU use needs
TOP = 20


def add(parser: argparse.ArgumentParser) -> None:
    """`PID` (short for `record PID`), `record PID`, `targets`, `dump PID`, `list`, `show ID`."""
    parser.add_argument(
        "verb",
        metavar="PID|VERB",
        help="a PID to sample, or: targets, record PID, dump PID, list, show ID",
    )
    parser.add_argument("what", metavar="PID|ID", nargs="?", default="", help="process or kept profile")
    parser.add_argument("--seconds", metavar="N", type=float, default=10.0, help="how long, default 10")
    parser.add_argument("--rate", metavar="HZ", type=int, default=100, help="samples a second, default 100")
    parser.add_argument("--out", metavar="F", help="write the profile to this file (- for stdout)")
    parser.add_argument(
        "--format",
        choices=("speedscope", "collapsed", "svg", "json"),
        help="format of --out, default: by its ending, else json",
    )
    common.options(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and attach to nobody")


def run(args: argparse.Namespace) -> int:
    """Do what was typed."""
    if args.verb.isdigit() and not args.what:
        args.verb, args.what = "record", args.verb
    if args.verb not in VERBS:
        raise ConfigError(f"profile takes a PID or one of {', '.join(VERBS)}, not {args.verb!r}")
    if args.verb in {"record", "dump"} and not args.what.isdigit():
        raise ConfigError(f"profile {args.verb} takes a PID, not {args.what!r}: see perftui profile targets")
    if args.verb == "show" and not args.what:
        raise ConfigError("profile show takes the id of a kept profile: see perftui profile list")
    return common.go(_targets(args) if args.verb == "targets" else _with_sampler(args))


async def _with_sampler(args: argparse.Namespace) -> int:
    async with common.headless_session(args, kinds=("pyspy",)) as session:
        frame = await common.first_frame(session, "profiler", 5.0)
        report = common.report_of(frame, ProfilerReport)
        if args.verb == "list":
            return _list(report, args)
        if args.verb == "dump":
            return await _dump(session, report.source, args)
        if args.verb == "show":
            return _give(await _load(session, report.source, args.what), args)
        return await _record(session, report.source, args)


async def _record(session: Session, source: str, args: argparse.Namespace) -> int:
    params = {"pid": int(args.what), "seconds": args.seconds, "rate": args.rate}
    action = session.action("profile.cpu", source, **params)
    if args.dry_run:
        return await common.perform(session, action, args)
    loop = asyncio.get_running_loop()
    # ctrl+c ends the sampling, not the command: what was taken by then is still written.
    loop.add_signal_handler(
        signal.SIGINT, lambda: [session.conductor.cancel(r.id) for r in session.conductor.running]
    )
    code = common.DONE
    try:
        receipt = await session.conductor.perform(action, None, report=_progress)
    except Cancelled as stopped:
        if stopped.receipt is None or "profile" not in stopped.receipt.facts:
            raise
        receipt, code = stopped.receipt, common.PARTLY
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    common.narrate(receipt.summary)
    profile = await _load(session, source, str(receipt.facts["profile"]))
    return _give(profile, args) or code


def _progress(progress: Progress) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{progress.note}", end="\r", file=sys.stderr, flush=True)


async def _load(session: Session, source: str, profile_id: str) -> Profile:
    frame = await session.probe("profiler.profile", source, "ProfileShelf", lambda p: p.profile(profile_id))
    if frame.error or not isinstance(frame.report, Profile):
        raise Unsupported(frame.error or f"no profile {profile_id}")
    return frame.report


def _give(profile: Profile, args: argparse.Namespace) -> int:
    """To the file, else the hot functions to stdout."""
    from perftui.engines.profiler.formats import WRITERS, format_of

    if not args.out:
        _print_top(profile, args)
        return common.DONE
    text = WRITERS[args.format or format_of(args.out) or "json"](profile)
    if args.out == "-":
        sys.stdout.write(text)
        return common.DONE
    try:
        Path(args.out).write_text(text, encoding="utf-8", errors="surrogatepass")
    except OSError as error:
        raise ConfigError(f"cannot write {args.out}: {error.strerror}") from error
    common.narrate(f"wrote {args.out}: {len(text):,} characters")
    return common.DONE


def _print_top(profile: Profile, args: argparse.Namespace) -> None:
    from perftui.analysis.flame import functions
    from perftui.draw import format as fmt

    rows = functions(profile.tree, profile.frames, TOP)
    if args.json:
        common.say({"meta": profile.meta, "total": profile.total, "functions": rows})
        return
    common.print_lines(
        [
            f"{'self':>6} {'±':>5} {'total':>6}  function",
            *(
                f"{fmt.ratio(f.share_self, 6)} {fmt.ratio(f.margin, 5)} {fmt.ratio(f.share_total, 6)}"
                f"  {f.frame.name}  {f.frame.where}"
                for f in rows
            ),
        ]
    )


def _list(report: ProfilerReport, args: argparse.Namespace) -> int:
    if args.json:
        common.say(report.kept)
    else:
        common.print_lines(map(_meta_line, report.kept))
    return common.DONE if report.kept else common.NO


def _meta_line(meta: ProfileMeta) -> str:
    note = f" ({meta.note})" if meta.note else ""
    return f"{meta.id}  {meta.samples} samples in {meta.seconds:.1f} s  {meta.target.command}{note}"


async def _dump(session: Session, source: str, args: argparse.Namespace) -> int:
    pid = int(args.what)
    frame = await session.probe("profiler.stacks", source, "StackDumper", lambda p: p.dump_stacks(pid))
    if frame.error:
        raise Lost(frame.error)
    threads: tuple[ThreadStack, ...] = frame.report
    if args.json:
        common.say(threads)
        return common.DONE
    for thread in threads:
        state = "running" if thread.active else "waiting"
        common.print_lines(
            [f"thread {thread.thread} {thread.name} {state}{' holds the GIL' * thread.holds_gil}"]
        )
        common.print_lines(f"  {f.name}  {f.where}" for f in thread.frames)
    return common.DONE


async def _targets(args: argparse.Namespace) -> int:
    """Python processes by CPU use; two looks, since use is a difference."""
    async with common.headless_session(args, kinds=("host",)) as session:
        sources = session.sources("ProcessReader")
        if not sources:
            raise ConfigError("no host is configured")
        await common.first_frame(session, "resources", 5.0)
        await _processes(session, sources[0])
        await asyncio.sleep(SETTLE)
        rows = [r for r in (await _processes(session, sources[0])).rows if r.language == "python"]
    if args.json:
        common.say(rows)
        return common.DONE if rows else common.NO
    from perftui.draw import format as fmt

    common.print_lines(
        [
            f"{'PID':>8} {'CPU':>7} {'memory':>10}  {'user':<10} command",
            *(
                f"{r.pid:>8} {fmt.ratio(r.cpu, 7)} {fmt.bytes_(r.rss, 10)}  {r.user:<10} {r.command[:160]}"
                for r in rows
            ),
        ]
    )
    return common.DONE if rows else common.NO


async def _processes(session: Session, source: str) -> ProcessList:
    def ask(power: Any) -> Any:
        return power.processes(5000)

    frame = await session.probe("resources.processes", source, "ProcessReader", ask)
    if frame.error:
        raise Lost(frame.error)
    found: ProcessList = frame.report
    return found
