"""`perftui cache ttl`: how long entries of a namespace live that are given no TTL, and setting it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from perftui.analysis import reuse
from perftui.cli import common
from perftui.model.namespacepolicy import DEFAULT
from perftui.model.noderecord import NodesLook

if TYPE_CHECKING:
    from perftui.session import Session


def add(parser: argparse.ArgumentParser, source: Callable[..., None]) -> None:
    """Declare the arguments; `source` adds the options of the backend."""
    parser.add_argument("namespace", metavar="NAMESPACE", help="the cache's name")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("ttl", metavar="DURATION", nargs="?", help="such as 5m; left out: say what is in force")
    how.add_argument("--default", action="store_true", help="as the nodes' own options say")
    source(parser, change=True)


def changes(args: argparse.Namespace) -> bool:
    """Whether something is to be set."""
    return bool(args.default or args.ttl)


async def change(session: Session, source: str, args: argparse.Namespace) -> int:
    """Plan, ask, set."""
    ttl = DEFAULT if args.default else args.ttl
    action = session.action("cache.set-ttl", source, namespace=args.namespace, ttl=ttl)
    return await common.perform(session, action, args)


def show(look: NodesLook, args: argparse.Namespace) -> int:
    """Print what is in force at each node; 1 when none says it."""
    from perftui.draw import format as fmt

    mine = [one.stats for one in look.records if one.stats.namespace == args.namespace]
    told = sorted((stats.node, stats.ttl) for stats in mine if stats.ttl is not None)
    if args.json:
        common.say(
            [{"node": node, "ttl_s": _finite(ttl.now), "own_ttl_s": _finite(ttl.own)} for node, ttl in told],
            args.json,
        )
    else:
        common.print_lines(
            f"{node}: {fmt.life(ttl.now)}"
            + ("" if ttl.now == ttl.own else f", {fmt.life(ttl.own)} by its options")
            for node, ttl in told
        )
    if not told:
        common.narrate(f"no node says a TTL of {args.namespace!r}")
    elif again := _again(look, args.namespace, max(ttl.now for _, ttl in told)):
        common.narrate(again)
    return common.DONE if told else common.NO


def _again(look: NodesLook, namespace: str, ttl: float) -> str:
    """When what is loaded at this TTL comes again, where nodes have seen enough of it."""
    from perftui.draw import format as fmt

    seen = reuse.by_namespace(look.records).get(namespace)
    middle = reuse.quantile(seen, 0.5, ttl) if seen is not None and 0 < ttl < math.inf else None
    if seen is None or middle is None:
        return ""
    nodes = "1 node" if seen.nodes == 1 else f"{seen.nodes} nodes"
    return f"what is loaded comes again after {fmt.duration(middle)} (median; {nodes}, {seen.seen:,} times)"


def _finite(ttl: float) -> float | None:
    """JSON has no infinity: null is for ever."""
    return ttl if math.isfinite(ttl) else None
