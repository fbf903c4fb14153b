"""`perftui cache rehearse`: kill a primary of the lab and judge the failover, or list what was rehearsed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.cli.when import seconds
from perftui.model.errors import StoreError, Unsupported
from perftui.model.rehearsal import Rehearsal

if TYPE_CHECKING:
    from perftui.session import Session

KINDS = ("valkey-cluster", "valkey-sentinel")


def add(parser: argparse.ArgumentParser) -> None:
    """Whom, and against what."""
    parser.add_argument(
        "node", metavar="NODE", nargs="?", help="the primary to kill: host:port or its id; none: list results"
    )
    parser.add_argument(
        "--budget",
        metavar="TIME",
        type=seconds,
        help="outage allowed at a node timeout of 0.5s (cache.failover_budget)",
    )


async def run(session: Session, args: argparse.Namespace) -> int:
    """List (1 when there are none), or do it: 1 when it was over its budget.

    Raises:
        Unsupported: no cluster or group that is connected is held by a lab of ours.
        StoreError: what is kept cannot be read.
    """
    await session.open_memory()
    assert session.memory is not None
    if not await session.memory.store.ready():
        raise StoreError(session.memory.store.problem)
    if args.node is None:
        return _list((await session.memory.rehearsals.rehearsals()).found, args)
    able = session.sources("FailoverRehearser")
    source = args.source or next(iter(able), "")
    if source not in able:
        missing = source or "no cluster or group"
        raise Unsupported(f"{missing} is not held by a lab of ours: it has no `control`")
    done: list[Rehearsal] = []
    log = session.memory.rehearsals

    async def keep(result: Rehearsal) -> None:
        done.append(result)
        await log.keep(result)

    budget = args.budget if args.budget is not None else session.setting("cache.failover_budget")
    action = session.action("cache.rehearse", source, node=args.node, budget=budget, keep=keep)
    code = await common.perform(session, action, args)
    return common.NO if code == common.DONE and any(not result.passed for result in done) else code


def _list(found: tuple[Rehearsal, ...], args: argparse.Namespace) -> int:
    wanted = [result for result in found if args.source in (None, result.source)]
    if args.json:
        common.say([_row(result) for result in wanted], args.json)
    else:
        common.print_lines(line for result in wanted for line in _lines(result))
    if not wanted:
        common.narrate("nothing was rehearsed yet: perftui cache rehearse NODE, on servers of the lab")
    return common.DONE if wanted else common.NO


def _row(result: Rehearsal) -> dict[str, Any]:
    return {
        "at": result.seen.at,
        "source": result.source,
        "node": result.node,
        "taken_by": result.seen.taken_by or None,
        "score": result.score,
        "passed": result.passed,
        "outage_s": result.outage_s,
        "budget_s": result.budget_s,
        "node_timeout_s": result.node_timeout_s,
        "errors": result.errors,
        "other_errors": result.seen.other_errors,
        "lag_bytes": result.lag_bytes,
        "steps": [{"after_s": s.after_s, "kind": s.kind, "node": s.node} for s in result.seen.steps],
    }


def _lines(result: Rehearsal) -> Iterator[str]:
    from perftui.draw import format as fmt
    from perftui.draw.failover import step_text, verdict

    yield f"{fmt.stamp(result.seen.at)}  {result.source}: {verdict(result)}"
    yield from (f"  {step_text(step)}" for step in result.seen.steps)
