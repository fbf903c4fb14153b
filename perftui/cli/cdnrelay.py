"""`perftui cdn relay`: do at the edges what services queued in their cache servers."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import BackendError, ConfigError, Lost, PartlyDone
from perftui.model.health import Link
from perftui.model.purgequeue import PurgesLook

if TYPE_CHECKING:
    from perftui.session import Session

CACHES = ("valkey", "valkey-cluster", "valkey-sentinel", "valkey-regions")
EDGES = ("varnish", "pyedge")
ENTRIES = 100  # of the queue at a time
PATIENCE = 5.0


def add(verbs: Any) -> None:
    """Declare the verb."""
    parser = verbs.add_parser("relay", help="do the purges that services queued in their cache servers")
    parser.add_argument("--cache", metavar="NAME", help="the one cache server to ask; default: all")
    parser.add_argument("--cdn", metavar="NAME", help="the one edge to purge; default: all")
    parser.add_argument(
        "--watch", type=float, metavar="S", help="go on, looking every S seconds (0.5 to 3600)"
    )
    common.options(parser, change=True)


async def relay(args: argparse.Namespace) -> int:
    """Until no queue has any more, or for good."""
    if args.watch is not None and not 0.5 <= args.watch <= 3600:
        raise ConfigError("--watch takes 0.5 to 3600 seconds")
    environment = common.configuration(args).environment
    caches, edges = (
        {name for name in common.of_kinds(environment, kinds) if only in {None, name}}
        for kinds, only in ((CACHES, args.cache), (EDGES, args.cdn))
    )
    if not caches or not edges:
        raise ConfigError("a relay needs a cache server and an edge: none of that name, or of their kinds")
    async with common.headless_session(args, only=caches | edges) as session:
        await common.first_frame(session, "health", PATIENCE, _settled)
        while True:
            try:
                done = [await _drain(session, cache, sorted(edges), args) for cache in sorted(caches)]
            except BackendError as error:
                if args.watch is None:
                    raise
                common.narrate(f"{error}; what was queued stays there")
                done = []
            if args.watch is None:
                return max(done)
            await asyncio.sleep(args.watch)


async def _drain(session: Session, cache: str, edges: list[str], args: argparse.Namespace) -> int:
    """What one server has queued; it leaves the queue when every edge has taken it."""
    while True:
        look = await _queued(session, cache)
        if look.unreadable:
            common.narrate(f"{len(look.unreadable)} entries of {cache} are no purges: left out")
        tags = list(dict.fromkeys(tag for purge in look.purges for tag in purge.tags))
        for edge in edges if tags else ():
            code = await _purge(session, edge, tags, args)
            if code != common.DONE:
                return code
        entries = [(purge.queue, purge.id) for purge in look.purges] + list(look.unreadable)
        if not entries or args.dry_run:
            return common.DONE
        code = await common.perform(session, session.action("cdn.dequeue", cache, entries=entries), args)
        if code != common.DONE or len(entries) >= look.waiting:
            return code


async def _queued(session: Session, cache: str) -> PurgesLook:
    frame = await session.probe("cdn.relay", cache, "PurgeQueue", lambda power: power.queued_purges(ENTRIES))
    if not isinstance(frame.report, PurgesLook):
        raise Lost(frame.error or f"{cache} does not say what is queued")
    return frame.report


async def _purge(session: Session, edge: str, tags: list[str], args: argparse.Namespace) -> int:
    """Accepted is enough: an edge that holds nothing of a tag has nothing to prove."""
    action = session.action("cdn.purge", edge, targets=tags, kind="tag")
    if args.dry_run:
        return await common.perform(session, action, args)
    try:
        receipt = await session.conductor.perform(
            action,
            lambda asked, plan: common.confirm(asked, plan, yes=args.yes),
            report=lambda progress: None,
        )
    except PartlyDone as error:
        if error.receipt is None or error.receipt.failed:
            raise
        receipt = error.receipt
    common.print_receipt(receipt, args)
    return common.DONE


def _settled(frame: Any) -> bool:
    return all(health.link is not Link.WAITING for health in frame.health.values())
