"""`perftui cache regions`: servers with a replica elsewhere, relays, and how far each is behind."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perftui.cli import cachepurge, common
from perftui.draw import format as fmt
from perftui.model.cache import CacheReport
from perftui.model.cachecluster import ClusterReport, ClusterView
from perftui.model.errors import Lost, PlanRejected
from perftui.model.regionlag import lag_of
from perftui.model.tierview import RelayLink, TierNode

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.finding import Finding
    from perftui.model.frame import Frame
    from perftui.session import Session

KINDS = ("valkey-regions", "valkey")
TOPICS = ("cachecluster", "cache")
PATIENCE = 8.0


async def show(session: Session, args: argparse.Namespace) -> int:
    """Print every region and every relay; 1 with a finding about one.

    Raises:
        Lost: nothing is configured that could have any, or nothing answers.
    """
    frames = [await _frame(session, topic, kind) for topic, kind in zip(TOPICS, KINDS, strict=True)]
    found: list[Finding] = []
    views: tuple[ClusterView, ...] = ()
    links: list[tuple[str, TierNode, RelayLink]] = []
    for frame in frames:
        if frame is not None and isinstance(frame.report, ClusterReport):
            views = frame.report.clusters
            found += frame.findings
        elif frame is not None and isinstance(frame.report, CacheReport):
            links = list(_links(frame.report))
            found += [one for one in frame.findings if one.id.startswith("cache.relay")]
    if not any(frames):
        raise Lost(f"no regions are configured: kind = {' or '.join(KINDS)}")
    if args.json:
        rows = [row for view in views for row in _rows(view)]
        common.say([*rows, *(_relay(*link) for link in links)], args.json)
    else:
        common.print_lines(line for view in views for line in _lines(view))
        common.print_lines(_relay_line(*link) for link in links)
        common.print_lines(f"{f.severity.name.lower():<9} {f.title}: {'; '.join(f.evidence)}" for f in found)
    if not views and not links:
        common.narrate("no server has a replica elsewhere, and no node of the library relays")
    return common.NO if found or any(view.reading is None for view in views) else common.DONE


def action(session: Session, source: str, args: argparse.Namespace) -> Action:
    """Promotion or following, of a server or of a region of a pair.

    Raises:
        PlanRejected: a pair without `--node`.
    """
    pair = source in session.sources("RegionPair")
    node = {"node": args.node} if pair else {}
    if pair and not args.node:
        raise PlanRejected(f"{source} is a pair of regions: say which with --node HOST:PORT")
    if args.verb == "follow":
        return session.action("cache.rejoin" if pair else "cache.follow", source, to=args.to, **node)
    bound = {"bound": cachepurge.seconds(args.bound)} if args.bound else {}
    return session.action(
        "cache.takeover" if pair else "cache.promote", source, force=args.force, **bound, **node
    )


async def _frame(session: Session, topic: str, kind: str) -> Frame | None:
    """The first frame in which all have answered or failed; None where no backend feeds it."""
    if not {name for name in common.of_kinds(session.env, (kind,)) if name in session.looks}:
        return None
    return await common.first_frame(session, topic, PATIENCE, lambda frame: _settled(frame.report))


def _settled(report: object) -> bool:
    rows: Any = ()
    if isinstance(report, ClusterReport):
        rows = report.clusters
    elif isinstance(report, CacheReport):
        rows = report.nodes
    return bool(rows) and not any(row.health.link.value in {"waiting", "late"} for row in rows)


def _links(report: CacheReport) -> Iterator[tuple[str, TierNode, RelayLink]]:
    for server in report.nodes:
        tiers = server.reading.tiers if server.reading is not None else None
        for node in tiers.nodes if tiers is not None else ():
            for relay in node.relays:
                yield server.source, node, relay


def _rows(view: ClusterView) -> Iterator[dict[str, Any]]:
    head = {"source": view.source, "kind": "region", "link": view.health.link.value}
    if view.reading is None:
        yield head | {"error": view.health.error}
        return
    names = ("address", "role", "state", "primary", "epoch", "why")
    for member in view.reading.members:
        lag = lag_of(view.reading, member)
        told = {name: getattr(member, name) for name in names}
        yield head | told | {"lag_bytes": lag.bytes_, "lag_s": lag.seconds}


def _lines(view: ClusterView) -> Iterator[str]:
    if view.reading is None:
        yield f"{view.source}: {view.health.link.value.upper()} {view.health.error}"
        return
    yield f"{view.source}: epoch {view.reading.epoch}"
    for member in view.reading.members:
        lag = lag_of(view.reading, member)
        told = member.why
        if member.role == "replica" and member.reading is not None:
            told = f"{fmt.bytes_(lag.bytes_)} and {fmt.duration(lag.seconds)} behind {member.primary}"
        yield f"  {member.address:<21} {member.role:<8} {member.state:<9} {told}".rstrip()


def _relay(source: str, node: TierNode, relay: RelayLink) -> dict[str, Any]:
    told = {name: getattr(relay, name) for name in ("peer", "behind", "lag_s", "silent_s", "lost")}
    return {"source": source, "kind": "relay", "namespace": node.namespace, "node": node.node} | told


def _relay_line(source: str, node: TierNode, relay: RelayLink) -> str:
    behind = f"{fmt.count(int(relay.behind))} changes and {fmt.duration(relay.lag_s)} behind"
    silent = f", silent for {fmt.duration(relay.silent_s)}" if relay.silent_s > 1 else ""
    lost = f", lost its place {relay.lost} times" if relay.lost else ""
    return f"{source}: {node.namespace} hears {relay.peer}, {behind}{silent}{lost}"
