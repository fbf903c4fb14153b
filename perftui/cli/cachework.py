"""`perftui cache loads` and `writes`: what nodes load for long, what waits there; ending or retrying it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from perftui.cli import cachewatch, common
from perftui.model.noderecord import NodesLook
from perftui.model.nodework import LONG, NodeWork
from perftui.model.tiers import TierStats

if TYPE_CHECKING:
    from perftui.session import Session

VERBS = ("loads", "writes")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser], source: Callable[..., None]) -> None:
    """Declare both verbs and their steps; `source` adds the options of the backend."""
    loads = verbs.add_parser("loads", help="loads of the library's nodes that run long, or end one")
    cancel = _looks(loads, source).add_parser("cancel", help="end the load of a key, at every node")
    cancel.add_argument("namespace", metavar="NAMESPACE", help="the cache's name")
    cancel.add_argument("key", metavar="KEY", help="as it is told, or its mark (--json)")
    source(cancel, change=True)
    writes = verbs.add_parser("writes", help="what waits at the library's nodes, or try it again")
    retry = _looks(writes, source).add_parser("retry", help="try again what the database refused")
    retry.add_argument("namespace", metavar="NAMESPACE", help="the cache's name")
    source(retry, change=True)


def _looks(
    parser: argparse.ArgumentParser, source: Callable[..., None]
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    source(parser)
    cachewatch.add(parser)
    return parser.add_subparsers(dest="step", metavar="STEP")


def changes(args: argparse.Namespace) -> bool:
    """Whether something is to be done."""
    return args.verb in VERBS and args.step is not None


async def change(session: Session, source: str, args: argparse.Namespace) -> int:
    """Plan, ask, order, and wait for the nodes."""
    what = {"namespace": args.namespace}
    if args.step == "cancel":
        action = session.action("cache.cancel-load", source, **what, key=args.key)
    else:
        action = session.action("cache.retry-writes", source, **what)
    return await common.perform(session, action, args)


def show(look: NodesLook, args: argparse.Namespace) -> int:
    """Print what runs long, or what waits; 1 when nothing does."""
    nodes = [one.stats for one in look.records if one.stats.work is not None]
    nodes.sort(key=lambda stats: (stats.namespace, stats.node))
    found = _loads(nodes, args) if args.verb == "loads" else _writes(nodes, args)
    if not nodes:
        common.narrate(
            "no node tells what it does: none publishes (`publish=False`?), or their version says nothing"
        )
    elif not found:
        nothing = f"no load runs for longer than {LONG:g} s"
        common.narrate(nothing if args.verb == "loads" else "nothing waits, and there is no dead letter")
    for why, count in (look.unreadable or {}).items():
        common.narrate(f"{count} records could not be read: {why}")
    return common.DONE if found else common.NO


def _loads(nodes: list[TierStats], args: argparse.Namespace) -> bool:
    found = [(stats, load) for stats in nodes for load in _work(stats).loads]
    found.sort(key=lambda one: -one[1].age_s)
    if args.json:
        rows = [
            {
                "namespace": stats.namespace,
                "node": stats.node,
                "key": load.key,
                "mark": load.mark,
                "age_s": load.age_s,
            }
            for stats, load in found
        ]
        common.say(rows, args.json)
    else:
        from perftui.draw import format as fmt

        common.print_lines(
            f"{fmt.duration(load.age_s, 10)}  {s.namespace}  {s.node[:8]}  {load.key}" for s, load in found
        )
    for stats in nodes:
        more = _work(stats).long - len(_work(stats).loads)
        if more > 0:
            common.narrate(f"{more} more run at {stats.node[:8]}: a node tells of its five oldest")
    return bool(found)


def _writes(nodes: list[TierStats], args: argparse.Namespace) -> bool:
    waits = ("waiting", "dead", "dead_shared", "recovering")
    told = [(stats, _node(stats)) for stats in nodes]
    rows = [row for stats, row in told if _work(stats).waiting or any(row[name] for name in waits)]
    items = [
        {"namespace": stats.namespace, "node": stats.node, "what": i.what, "key": i.key, "age_s": i.age_s}
        for stats in nodes
        for i in _work(stats).waiting
    ]
    if args.json:
        common.say({"nodes": rows, "items": items}, args.json)
    else:
        common.print_lines(line for row in rows for line in _lines(row, items))
    return bool(rows)


def _node(stats: TierStats) -> dict[str, Any]:
    figure = {name: stats.gauges.get(name, 0.0) for name in ("writes.oldest_s", "recovery.oldest_s")}
    count = {
        name: round(stats.gauges.get(name, 0.0))
        for name in ("writes.waiting", "writes.dead", "writes.dead_shared", "recovery.queue")
    }
    return {
        "namespace": stats.namespace,
        "node": stats.node,
        "waiting": count["writes.waiting"],
        "waiting_s": figure["writes.oldest_s"],
        "dead": count["writes.dead"],
        "dead_shared": count["writes.dead_shared"],
        "recovering": count["recovery.queue"],
        "recovering_s": figure["recovery.oldest_s"],
        "error": _work(stats).error,
    }


def _lines(row: dict[str, Any], items: list[dict[str, Any]]) -> Iterator[str]:
    from perftui.draw import format as fmt

    late = f" (the oldest for {fmt.duration(row['waiting_s'])})" if row["waiting"] else ""
    slow = f" (the oldest for {fmt.duration(row['recovering_s'])})" if row["recovering"] else ""
    shared = f", {fmt.count(row['dead_shared'])} in the journal of all nodes" if row["dead_shared"] else ""
    told = (
        f"{fmt.count(row['waiting'])} writes wait for the database{late}",
        f"{fmt.count(row['dead'])} dead letters{shared}",
        f"{fmt.count(row['recovering'])} wait for L2{slow}",
    )
    yield f"{row['namespace']} at {row['node']}: {', '.join(told)}"
    if row["error"]:
        yield f"  failed last: {row['error']}"
    for item in items:
        if (item["namespace"], item["node"]) == (row["namespace"], row["node"]):
            yield f"  {fmt.duration(item['age_s'], 10)}  {item['what']}  {item['key']}"


def _work(stats: TierStats) -> NodeWork:
    return stats.work or NodeWork()
