"""`perftui cache reattach`: have a replica follow the primary that is one now."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from perftui.cli import cachereport, common
from perftui.model.errors import Lost

if TYPE_CHECKING:
    from perftui.session import Session

SINGLE = "valkey"
KINDS = ("valkey-sentinel", "valkey-regions", "valkey-cluster", SINGLE)


def add(parser: argparse.ArgumentParser) -> None:
    """Which replica, and, where no other server says it, whom it is to follow."""
    parser.add_argument(
        "node", metavar="NODE", help="the replica: host:port in a group, pair or cluster, or a backend's name"
    )
    parser.add_argument(
        "--to",
        metavar="HOST:PORT",
        default="",
        help="the primary; else who sentinels, regions or the other servers say it is; of a cluster, any",
    )


async def run(session: Session, args: argparse.Namespace) -> int:
    """Plan, ask, do it.

    Raises:
        Lost: nothing that is connected has such a replica.
    """
    able = session.sources("ReplicaAttacher")
    alone = [name for name in able if session.env.backends[name].kind == SINGLE]
    if args.node in alone:
        to = args.to or await _leader(session, args.node)
        return await common.perform(session, session.action("cache.reattach", args.node, to=to), args)
    source = args.source or next((name for name in able if name not in alone), "")
    if source not in able or source in alone:
        raise Lost(f"{args.node} is no backend of kind {SINGLE}, and no group, pair or cluster is connected")
    action = session.action("cache.reattach", source, node=args.node, to=args.to)
    return await common.perform(session, action, args)


async def _leader(session: Session, source: str) -> str:
    """The primary that is one now, as the other servers tell; empty: none does."""
    report = await cachereport.servers(session, lambda nodes: all(node.reading for node in nodes))
    node = report.node(source)
    return node.leader if node is not None else ""
