"""What every noun of the command line shares: options, a session without a face, and one way to act."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from perftui.model.errors import (
    ActionError,
    BackendError,
    Cancelled,
    ConfigError,
    Lost,
    PartlyDone,
    PerftuiError,
    PlanRejected,
    StoreError,
)
from perftui.model.health import Link

if TYPE_CHECKING:
    from perftui.config import Config, Environment
    from perftui.model.action import Action, Plan, Progress, Receipt
    from perftui.model.frame import Frame
    from perftui.session import Session

R = TypeVar("R")

DONE, NO, USAGE, LOST, REFUSED, PARTLY, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
"""Exit codes, the same for every command."""

LAB = "lab"  # the environment of the lab's own configuration


def options(parser: argparse.ArgumentParser, *, change: bool = False, json_: bool = True) -> None:
    """Add the shared options; `change` adds those of commands that change something."""
    parser.add_argument("--env", metavar="NAME", help="environment to use; production must be named")
    parser.add_argument("--config", metavar="FILE", help="configuration file to use")
    if json_:
        parser.add_argument("--json", action="store_true", help="print JSON")
    if change:
        parser.add_argument("--dry-run", action="store_true", help="print the plan and change nothing")
        parser.add_argument("--yes", action="store_true", help="do it without asking")


def verbs(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """The place where a noun's verbs are added; one must be given, and arrives as `args.verb`."""
    return parser.add_subparsers(dest="verb", metavar="VERB", required=True)


def narrate(text: str) -> None:
    """Say something to the person at the terminal; never data."""
    from perftui.draw.clean import inert

    for line in text.splitlines() or [""]:
        print(f"perftui: {inert(line, 2000)}", file=sys.stderr, flush=True)


MORE = "csv, more"
"""How to print records below a header that stands there already."""


def say(value: Any, how: bool | str = True) -> None:
    """Print a value on stdout: as JSON, or as CSV where `how`, the value of `--json` or `--csv`, says so."""
    if how in ("csv", MORE):
        from perftui.export import rows

        print(rows.text(value, header=how != MORE), end="")
        return
    from perftui.export.json import dumps

    print(dumps(value))


def columns() -> int:
    """How wide what is drawn may be: as wide as the terminal, 80 where there is none."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of data on stdout, made inert: names in them come from strangers."""
    from perftui.draw.clean import inert

    for line in lines:
        print(inert(line, 2000))


def exit_code(error: PerftuiError) -> int:
    """The exit code an error leads to."""
    if isinstance(error, ConfigError):
        return USAGE
    if isinstance(error, BackendError | StoreError):
        return LOST
    if isinstance(error, PartlyDone):
        return PARTLY
    if isinstance(error, Cancelled):
        return PARTLY if error.receipt is not None and error.receipt.done else INTERRUPTED
    return REFUSED if isinstance(error, ActionError) else NO


def flags(args: argparse.Namespace) -> dict[str, Any]:
    """The options that stand over the configuration file, where given."""
    names = ("theme", "mouse", "ascii", "diff", "read_only")
    return {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}


def configuration(args: argparse.Namespace) -> Config:
    """The configuration the options name, its warnings told on stderr."""
    config = loaded(getattr(args, "config", None), getattr(args, "env", None), flags(args))
    for warning in config.warnings:
        narrate(warning)
    return config


def loaded(path: Path | str | None, env: str | None, over: Mapping[str, Any] | None = None) -> Config:
    """The configuration; where no file knows the environment `lab`, that of the lab that is up."""
    from perftui.config import load

    try:
        return load(path, env, over)
    except ConfigError as error:
        if path is not None or env != LAB:
            raise
        from perftui.lab import remote

        facts = remote.running()
        if facts is None:
            raise ConfigError(f"{error}\nno lab is up: perftui lab up --detach") from None
        return load(remote.config_of(facts), env, over)


def of_kinds(environment: Environment, kinds: Iterable[str]) -> set[str]:
    """Names of the environment's backends of these kinds."""
    wanted = set(kinds)
    return {name for name, backend in environment.backends.items() if backend.kind in wanted}


@asynccontextmanager
async def headless_session(
    args: argparse.Namespace, *, only: set[str] | None = None, kinds: Iterable[str] | None = None
) -> AsyncIterator[Session]:
    """A started session with only the needed backends opened, closed at the end.

    `only` names backends, `kinds` their kinds; neither means all. ConfigError when none is left.
    """
    from perftui.session import Session

    config = configuration(args)
    environment = config.environment
    names = only if kinds is None else of_kinds(environment, kinds) | (only or set())
    if names is not None and not names & set(environment.backends):
        said = ", ".join(sorted(kinds or only or ()))
        raise ConfigError(f"environment {environment.name} has no backend of this sort ({said})")
    session = Session.open(config, environment, only=names, read_only=config.read_only)
    try:
        await session.start()
        yield session
    finally:
        await session.close()


def go(work: Coroutine[Any, Any, int]) -> int:
    """Run a command's coroutine to its exit code."""
    return asyncio.run(work)


async def first_frame(
    session: Session, topic: str, seconds: float, ready: Callable[[Frame], bool] | None = None
) -> Frame:
    """The first frame of `topic` that is `ready` (default: a report with a live link), within `seconds`.

    After that time, or once every link is lost or refused, whatever stands there: its health says why.
    """
    accept = ready or _live
    try:
        async with asyncio.timeout(seconds):
            async for frame in session.watch(topic):
                if accept(frame) or _gone(frame):
                    return frame
    except TimeoutError:
        pass
    return session.frame(topic)


def _live(frame: Frame) -> bool:
    links = {health.link for health in frame.health.values()}
    return frame.report is not None and not frame.stale and bool(links & {Link.LIVE, Link.LATE})


def _gone(frame: Frame) -> bool:
    links = [health.link for health in frame.health.values()]
    return bool(links) and all(link in {Link.LOST, Link.REFUSED} for link in links)


def report_of(frame: Frame, kind: type[R]) -> R:
    """The frame's report; Lost with every link's error when there is none."""
    if isinstance(frame.report, kind) and not frame.stale:
        return frame.report
    said = [f"{name}: {h.link.value} {h.error}".strip() for name, h in sorted(frame.health.items())]
    raise Lost("; ".join(said) or frame.error or f"nothing connected feeds {frame.topic}")


async def perform(session: Session, action: Action, args: argparse.Namespace) -> int:
    """Plan, then ask (or `--yes`, or only tell with `--dry-run`), do it, print the receipt."""
    if getattr(args, "dry_run", False):
        plan = await session.conductor.plan(action)
        print_plan(action, plan, as_json=bool(getattr(args, "json", False)))
        return DONE

    async def ask(asked: Action, plan: Plan) -> bool:
        return await confirm(asked, plan, yes=bool(getattr(args, "yes", False)))

    try:
        receipt = await session.conductor.perform(action, ask, report=_progress)
    except (PartlyDone, Cancelled) as error:
        if error.receipt is not None:
            print_receipt(error.receipt, args)
        narrate(str(error))
        return exit_code(error)
    print_receipt(receipt, args)
    for done in session.conductor.undoable[:1]:
        if done.action is action and done.booked:
            narrate(f"perftui undo {done.id} takes it back")
    return DONE


def _progress(progress: Progress) -> None:
    """One line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        from perftui.draw.clean import inert

        total = "" if progress.total is None else f" of {progress.total:,}"
        text = f"{progress.done:,}{total} {inert(progress.note, 80)}"
        print(f"\r\x1b[K{text}", end="\r", file=sys.stderr, flush=True)


async def confirm(action: Action, plan: Plan, *, yes: bool) -> bool:
    """Whether the operator agrees: told by `--yes`, else asked on the terminal; PlanRejected without one."""
    for line in plan_lines(action, plan):
        narrate(line)
    if yes:
        return True
    if not on_terminal():
        raise PlanRejected("not confirmed: there is no terminal to ask on; pass --yes to do it")
    from perftui.draw.clean import inert

    wanted = inert(plan.challenge, 2000) or "y"
    print(f"Type {wanted} to go on: ", end="", file=sys.stderr, flush=True)
    return (await typed_line()).strip() == wanted


def on_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def typed_line() -> str:
    """A line from the terminal without blocking the loop: its pollers and deadlines go on."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()
    handle = sys.stdin.fileno()

    def read() -> None:
        if not typed.done():
            typed.set_result(os.read(handle, 4096).decode(errors="replace"))

    loop.add_reader(handle, read)
    try:
        return await typed
    finally:
        loop.remove_reader(handle)


def plan_lines(action: Action, plan: Plan) -> list[str]:
    """The plan as lines for a person."""
    undo = "can be undone" if plan.reversible else "cannot be undone"
    note = f": {plan.undo_note}" if plan.undo_note else ""
    return [
        f"{action.title} on {action.target} ({action.risk.value}): {plan.summary}",
        *(f"  {line}" for line in plan.affects),
        *(f"  warning: {line}" for line in plan.warnings),
        f"  {undo}{note}",
    ]


def print_plan(action: Action, plan: Plan, *, as_json: bool) -> None:
    """The plan on stdout: as lines, or all of it as JSON."""
    if as_json:
        say({"action": action.id, "target": action.target, "risk": action.risk, "plan": plan})
        return
    print_lines(plan_lines(action, plan))


def print_receipt(receipt: Receipt, args: argparse.Namespace) -> None:
    """The outcome on stdout: a sentence, or all of it as JSON."""
    if getattr(args, "json", False):
        say(receipt)
        return
    untouched = [f"  untouched: {receipt.untouched}"] if receipt.untouched else []
    print_lines([receipt.summary, *(f"  failed: {line}" for line in receipt.failed), *untouched])
