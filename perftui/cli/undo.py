"""What was done from any console or shell of this user, and taking it back: what `u` does on the screen."""

from __future__ import annotations

import argparse
import time
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from perftui.cli import common
from perftui.cli.alerts import desk
from perftui.cli.grafana import hosted
from perftui.config.paths import undo_file
from perftui.draw import format as fmt
from perftui.model.dashboards import HOST
from perftui.model.errors import PlanRejected
from perftui.runtime.undobook import Kept, UndoBook

if TYPE_CHECKING:
    from perftui.model.action import Action, Plan
    from perftui.session import Session


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "run", nargs="?", default="", metavar="ID", help="of what was done; default the latest"
    )
    parser.add_argument("--list", action="store_true", help="print what can be taken back, latest first")
    common.options(parser, change=True)


def run(args: argparse.Namespace) -> int:
    """List, or take one back."""
    config = common.loaded(args.config, args.env)
    environment = config.environment
    name = environment.name
    kept = UndoBook(undo_file()).kept(name)
    if args.list:
        return _list(kept, args)
    chosen = next((one for one in kept if one.run == (args.run or one.run)), None)
    if chosen is None:
        what = f"{args.run}: " if args.run else ""
        raise PlanRejected(f"{what}nothing to undo on {name}; perftui undo --list prints what can be")
    if chosen.source in environment.backends:
        return common.go(_undo(chosen, args, common.headless_session(args, only={chosen.source})))
    # What has no backend is Grafana's, or the alerts' own, at their desk in the store.
    return common.go(_undo(chosen, args, hosted(config) if chosen.source == HOST else desk(args)))


def _list(kept: tuple[Kept, ...], args: argparse.Namespace) -> int:
    if args.json:
        common.say(kept)
        return common.DONE
    common.print_lines(
        f"{one.run}  {fmt.age(time.time() - one.at):>4} ago  {one.user}  {one.action}  {one.target}"
        f"  {one.summary}"
        for one in kept
    )
    if not kept:
        common.narrate("nothing can be undone")
    return common.DONE


async def _undo(kept: Kept, args: argparse.Namespace, opened: AbstractAsyncContextManager[Session]) -> int:
    async with opened as session:
        conductor = session.conductor
        action = session.action(kept.action, kept.source, **kept.params)
        conductor.adopt(kept, action)
        common.narrate(f"done {fmt.age(time.time() - kept.at)} ago by {kept.user}")
        if args.dry_run:
            common.print_plan(action, conductor.undo_plan(kept.run), as_json=args.json)
            return common.DONE

        async def ask(asked: Action, plan: Plan) -> bool:
            return await common.confirm(asked, plan, yes=args.yes)

        receipt = await conductor.undo(kept.run, ask)
        common.print_receipt(receipt, args)
    return common.DONE
