"""`perftui cache cluster`, `failover`, `reshard`: a cluster's nodes and slots, and who holds them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cachecluster import ClusterReading, ClusterReport, ClusterView, words
from perftui.model.errors import Lost

if TYPE_CHECKING:
    from perftui.session import Session

KINDS = ("valkey-cluster", "valkey-sentinel")


async def show(session: Session, args: argparse.Namespace) -> int:
    """Nodes of every cluster and group; exit code 1 when one has a finding."""
    frame = await common.first_frame(session, "cachecluster", 6.0, lambda f: settled(f.report))
    report = common.report_of(frame, ClusterReport)
    if not report.clusters:
        raise Lost(f"no cluster or group is configured: kind = {' or '.join(KINDS)}")
    found = [f for f in frame.findings if not args.source or f.source == args.source]
    if args.json:
        common.say([_plain(view) for view in report.clusters], args.json)
    else:
        common.print_lines(line for view in report.clusters for line in _lines(view))
        common.print_lines(
            f"{f.severity.name.lower():<9} {inert(f.title)}: {inert('; '.join(f.evidence))}" for f in found
        )
    return common.NO if found or any(view.reading is None for view in report.clusters) else common.DONE


def settled(report: Any) -> bool:
    """Once every link has answered or failed, and rates are known."""
    if not isinstance(report, ClusterReport) or not report.clusters:
        return False
    waiting = any(v.health.link.value in {"waiting", "late"} for v in report.clusters)
    return not waiting and all(v.reading is None or _rated(v.reading) for v in report.clusters)


def _rated(reading: ClusterReading) -> bool:
    return all(m.reading is None or m.reading.ops_per_s is not None for m in reading.members)


def _plain(view: ClusterView) -> dict[str, Any]:
    if view.reading is None:
        return {"source": view.source, "link": view.health.link.value, "error": view.health.error}
    members = []
    for member in view.reading.members:
        row = asdict(member)
        facts = row.pop("reading")
        told = ("used_bytes", "keys", "ops_per_s", "clients", "version")
        row |= {name: facts[name] if facts else None for name in told}
        row["link_up"] = facts["replication"]["link_up"] if facts and member.role == "replica" else None
        members.append(row | {"state": member.state, "lag_bytes": view.reading.lag(member)})
    return {
        "source": view.source,
        "link": view.health.link.value,
        "epoch": view.reading.epoch,
        "members": members,
        "outages": [asdict(outage) for outage in view.reading.outages],
    }


def _lines(view: ClusterView) -> Iterator[str]:
    if view.reading is None:
        yield f"{view.source}: {view.health.link.value.upper()} {inert(view.health.error)}"
        return
    yield f"{view.source}: epoch {view.reading.epoch}"
    for member in view.reading.grouped:
        facts, lag = member.reading, view.reading.lag(member)
        told = f"{fmt.number(facts.ops_per_s)}/s, {fmt.bytes_(facts.used_bytes)}" if facts else member.why
        behind = f", {fmt.bytes_(lag)} behind" if lag is not None and member.role == "replica" else ""
        slots = f", slots {words(member.slots)}" if member.slots else ""
        head = f"  {inert(member.address):<21} {member.role:<8} {member.state:<9}"
        yield f"{head} {inert(told)}{slots}{behind}"


async def change(session: Session, args: argparse.Namespace) -> int:
    """Make the named replica the primary (sentinels: replace the named primary), or move slots."""
    ports = {"failover": ("FailoverDriver", "GroupFailover"), "reshard": ("SlotMover",)}[args.verb]
    able = {source: port for port in reversed(ports) for source in session.sources(port)}
    source = args.source or next(iter(reversed(able)), "")
    if source not in able:
        raise Lost(f"{source or 'nothing'} is no cluster or group: kind = {' or '.join(KINDS)}")
    params = {"node": args.node} | ({"to": args.to, "slots": args.slots} if args.verb == "reshard" else {})
    name = "sentinel-failover" if able[source] == "GroupFailover" else args.verb
    return await common.perform(session, session.action(f"cache.{name}", source, **params), args)
