"""`perftui cache regions`: servers with a replica elsewhere, relays, and how far each is behind."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perftui.analysis import relays
from perftui.cli import cachepurge, common
from perftui.draw import format as fmt
from perftui.model.cache import CacheReport
from perftui.model.cachecluster import ClusterReport, ClusterView
from perftui.model.errors import Lost, PlanRejected
from perftui.model.regionlag import lag_of

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.finding import Finding
    from perftui.model.frame import Frame
    from perftui.session import Session

KINDS = ("valkey-regions", "valkey", "valkey-cluster", "valkey-sentinel")
FEEDS = {"cachecluster": ("valkey-regions", "valkey-cluster", "valkey-sentinel"), "cache": ("valkey",)}
TOPICS = tuple(FEEDS)
PATIENCE = 8.0


async def show(session: Session, args: argparse.Namespace) -> int:
    """Print every region and every relay; 1 with a finding about one.

    Raises:
        Lost: nothing is configured that could have any, or nothing answers.
    """
    frames = [await _frame(session, topic, kinds) for topic, kinds in FEEDS.items()]
    pairs = common.of_kinds(session.env, ("valkey-regions",))
    views: tuple[ClusterView, ...] = ()
    links: tuple[relays.Heard, ...] = ()
    found: list[Finding] = []
    for frame in frames:
        report = frame.report if frame is not None else None
        if frame is None or not isinstance(report, ClusterReport | CacheReport):
            continue
        links += relays.heard(relays.told(report))
        found += [one for one in frame.findings if one.source in pairs or one.id.startswith("cache.relay")]
        if isinstance(report, ClusterReport):
            views = tuple(view for view in report.clusters if view.source in pairs)
    if not any(frames):
        raise Lost(f"no regions are configured: kind = {' or '.join(KINDS)}")
    if args.json:
        rows = [row for view in views for row in _rows(view)]
        common.say([*rows, *map(_relay, links)], args.json)
    else:
        common.print_lines(line for view in views for line in _lines(view))
        common.print_lines(map(_relay_line, links))
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


async def _frame(session: Session, topic: str, kinds: tuple[str, ...]) -> Frame | None:
    """The first frame in which all have answered or failed; None where no backend feeds it."""
    if not {name for name in common.of_kinds(session.env, kinds) if name in session.looks}:
        return None
    return await common.first_frame(session, topic, PATIENCE, lambda frame: _settled(frame.report))


def _settled(report: object) -> bool:
    rows: Any = ()
    if isinstance(report, ClusterReport):
        rows = report.clusters
    elif isinstance(report, CacheReport):
        rows = report.nodes
    return bool(rows) and not any(row.health.link.value in {"waiting", "late"} for row in rows)


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


def _relay(one: relays.Heard) -> dict[str, Any]:
    what = {name: getattr(one.link, name) for name in ("peer", "behind", "lag_s", "silent_s", "lost")}
    head = {"source": one.source, "kind": "relay", "namespace": one.node.namespace, "node": one.node.node}
    return head | what


def _relay_line(one: relays.Heard) -> str:
    link = one.link
    behind = f"{fmt.many(int(link.behind), 'change')} and {fmt.duration(link.lag_s)} behind"
    answer = f"last answer {fmt.duration(link.silent_s)} ago"
    lost = f", lost its place {fmt.many(link.lost, 'time')}" if link.lost else ""
    return f"{one.source}: {one.node.namespace} hears {link.peer}, {behind}, {answer}{lost}"
