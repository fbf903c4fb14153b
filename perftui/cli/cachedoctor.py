"""`perftui cache doctor`: what is wrong with caches, clusters and groups, for scripts that act on it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from perftui.analysis.wholecluster import front
from perftui.cli import cachelook, common
from perftui.model.cache import CacheNode, CacheReport
from perftui.model.cachecluster import ClusterReport
from perftui.model.errors import Lost
from perftui.model.finding import Finding, Severity
from perftui.model.tierview import TierFacts

if TYPE_CHECKING:
    from perftui.model.frame import Frame
    from perftui.session import Session

KINDS = ("valkey", "valkey-cluster", "valkey-sentinel", "valkey-regions")
CACHES = "cache"
TOPICS = (CACHES, "cachecluster")
PATIENCE = 8.0
FULL, SPACE = "cache.memory-near-limit", "cache.cli"
PAGES = 64  # random places of a sample of the keys
LEVELS = tuple(severity.name.lower() for severity in Severity)


def add(parser: argparse.ArgumentParser) -> None:
    """`--fail-on`."""
    parser.add_argument(
        "--fail-on", choices=LEVELS, default="warning", help="exit 1 with one so bad or worse (warning)"
    )
    parser.add_argument(
        "--nodes", action="store_true", help="also what waits at nodes, and how late they hear of changes"
    )


async def show(session: Session, args: argparse.Namespace) -> int:
    """Print what is found; 1 with findings at or above `--fail-on`.

    Raises:
        Lost: nothing answers; of several, what is lost is told and the others are judged.
    """
    frames = [frame for topic in TOPICS if (frame := await _frame(session, topic)) is not None]
    full = await _sampled(session, frames)
    if full:
        told = await common.first_frame(session, CACHES, PATIENCE, lambda frame: _looked(frame.report, full))
        frames = [told, *(frame for frame in frames if frame.topic != CACHES)]
    judged = [f for frame in frames if frame.report is not None and not frame.stale for f in frame.findings]
    silent = {
        n: h for frame in frames for n, h in frame.health.items() if h.link.value in {"lost", "refused"}
    }
    if not any(h.link.value == "live" for frame in frames for h in frame.health.values()):
        raise Lost("; ".join(f"{n}: {h.error}" for n, h in sorted(silent.items())) or "nothing answers")
    found = sorted((f for f in judged if f.source not in silent), key=lambda f: (-f.severity, f.source, f.id))
    rows = [_row(finding) for finding in found]
    tiers = [facts for frame in frames for facts in _tiers(frame.report)] if args.nodes else []
    if args.json:
        common.say({"findings": rows, **_nodes(tiers)} if args.nodes else rows, args.json)
    else:
        common.print_lines(_lines(found))
        common.print_lines(line for facts in tiers for line in _node_lines(facts))
    for name, health in sorted(silent.items()):
        common.narrate(f"{name} is {health.link.value} and was not judged: {health.error}")
    least = Severity[args.fail_on.upper()]
    if any(finding.severity >= least for finding in found):
        return common.NO
    if silent:
        return common.LOST
    if not found:
        common.narrate("nothing to say")
    return common.DONE


async def _frame(session: Session, topic: str) -> Frame | None:
    """The first frame in which all have answered or failed; None where no backend feeds it."""
    kinds = {"cache": ("valkey",), "cachecluster": KINDS[1:]}[topic]
    if not {name for name in common.of_kinds(session.env, kinds) if name in session.looks}:
        return None
    return await common.first_frame(session, topic, PATIENCE, lambda frame: _settled(frame.report))


async def _sampled(session: Session, frames: Sequence[Frame]) -> set[str]:
    """Look up which keys hold memories that are nearly full; the servers that said it."""
    found = set()
    single = [frame for frame in frames if frame.topic == CACHES]  # of clusters a look tells of no sample
    for source in {finding.source for frame in single for finding in frame.findings if finding.id == FULL}:
        asked = await session.probe(
            SPACE, source, "KeyspaceReader", lambda power: power.sample_keyspace(b"", PAGES)
        )
        found |= set() if asked.error else {source}
    return found


def _looked(report: object, full: set[str]) -> bool:
    """Whether a look has what was found at them."""
    nodes = report.nodes if isinstance(report, CacheReport) else ()
    there = [node.reading for node in nodes if node.source in full]
    return bool(there) and all(reading is None or reading.space is not None for reading in there)


def _rated(node: CacheNode) -> bool:
    """Whether its lookups are in the figures of the last minute, and what its nodes do is known."""
    facts = node.reading
    if facts is None:
        return True
    nodes = facts.tiers.nodes if facts.tiers is not None else ()
    lookups = (facts.hits_per_s or 0.0) + (facts.misses_per_s or 0.0)
    return (not lookups or node.hit_ratio_1m is not None) and all(one.traffic is not None for one in nodes)


def _settled(report: object) -> bool:
    if isinstance(report, CacheReport):
        return cachelook.measured(report.nodes) and all(map(_rated, report.nodes))
    views = report.clusters if isinstance(report, ClusterReport) else ()
    if not views or any(view.health.link.value in {"waiting", "late"} for view in views):
        return False
    members = [m for view in views if view.reading is not None for m in view.reading.members]
    rated = all(m.reading is None or m.reading.ops_per_s is not None for m in members)
    return rated and all(map(_rated, map(front, views)))


def _row(finding: Finding) -> dict[str, object]:
    offer = finding.offer
    return {
        "severity": finding.severity.name.lower(),
        "id": finding.id,
        "source": finding.source,
        "title": finding.title,
        "evidence": list(finding.evidence),
        "gain": finding.gain or None,
        "gain_unit": finding.gain_unit,
        "effort": finding.effort.name.lower(),
        "action": offer.action if offer else None,
        "action_title": offer.title if offer else None,
        "action_params": dict(offer.params) if offer else {},
    }


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    for finding in found:
        yield f"{finding.severity.name.lower():<9}{finding.source}: {finding.title}"
        yield from (f"         {text}" for text in finding.evidence)
        if finding.offer is not None:
            yield f"         mends it: {finding.offer.title} ({finding.offer.action})"


def _tiers(report: object) -> list[tuple[str, TierFacts]]:
    """What nodes tell in each server that answers, and in each cluster as one."""
    nodes: Sequence[CacheNode] = report.nodes if isinstance(report, CacheReport) else ()
    views = report.clusters if isinstance(report, ClusterReport) else ()
    told = ((one.source, one.reading) for one in (*nodes, *map(front, views)))
    return [(name, facts.tiers) for name, facts in told if facts is not None and facts.tiers is not None]


def _nodes(told: Sequence[tuple[str, TierFacts]]) -> dict[str, object]:
    names = ("waiting", "waiting_s", "writes", "writes_s", "dead", "dead_shared", "linked", "breaker_open")
    every = [(source, node) for source, facts in told for node in facts.nodes]
    return {
        "staleness": [{"source": source, **asdict(one)} for source, facts in told for one in facts.heard],
        "nodes": [
            {"source": source, "namespace": node.namespace, "node": node.node}
            | {name: getattr(node, name) for name in names}
            for source, node in every
        ],
    }


def _node_lines(told: tuple[str, TierFacts]) -> Iterator[str]:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    source, facts = told
    for one in facts.heard:
        late = f"p50 {fmt.duration(one.p50_s)} p99 {fmt.duration(one.p99_s)} max {fmt.duration(one.max_s)}"
        yield f"{source}: {inert(one.namespace)}: changes heard after {late}, {fmt.count(one.lost)} unheard"
    for node in facts.nodes:
        waits = (node.waiting, "waiting"), (node.writes, "behind"), (node.dead + node.dead_shared, "dead")
        parts = [f"{fmt.count(count)} {word}" for count, word in waits if count]
        parts += ["hears nothing"] if not node.linked else []
        parts += ["leaves L2 alone"] if node.breaker_open else []
        if parts:
            yield f"{source}: {inert(node.namespace)} {inert(node.node[:8], 8)}: {', '.join(parts)}"
