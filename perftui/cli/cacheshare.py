"""`perftui cache share`: whether processes that miss a key together load it once, and setting it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from perftui.cli import common
from perftui.model.namespacepolicy import DEFAULT, OFF, ON
from perftui.model.noderecord import NodesLook

if TYPE_CHECKING:
    from perftui.session import Session


def add(parser: argparse.ArgumentParser, source: Callable[..., None]) -> None:
    """Declare the arguments; `source` adds the options of the backend."""
    parser.add_argument("namespace", metavar="NAMESPACE", help="the cache's name")
    parser.add_argument(
        "shared",
        choices=(ON, OFF, DEFAULT),
        nargs="?",
        help="left out: say what is in force; default: as the nodes' own options say",
    )
    source(parser, change=True)


def changes(args: argparse.Namespace) -> bool:
    """Whether something is to be set."""
    return bool(args.shared)


async def change(session: Session, source: str, args: argparse.Namespace) -> int:
    """Plan, ask, set."""
    action = session.action("cache.share-loads", source, namespace=args.namespace, shared=args.shared)
    return await common.perform(session, action, args)


def show(look: NodesLook, args: argparse.Namespace) -> int:
    """Print what is in force at each node; 1 when none says it."""
    mine = [one.stats for one in look.records if one.stats.namespace == args.namespace]
    told = sorted((stats.node, stats.shared) for stats in mine if stats.shared is not None)
    if args.json:
        common.say(
            [{"node": node, "shared": one.now, "own_shared": one.own} for node, one in told], args.json
        )
    else:
        common.print_lines(
            f"{node}: {_word(one.now)}" + ("" if one.now == one.own else f", {_word(one.own)} by its options")
            for node, one in told
        )
    if not told:
        common.narrate(f"no node says whether it shares loads of {args.namespace!r}")
    return common.DONE if told else common.NO


def _word(shared: bool) -> str:
    return "shared" if shared else "not shared"
