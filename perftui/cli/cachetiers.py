"""`perftui cache tiers`: hit ratios of L1, L2 and the edge, and what each namespace of the library does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from perftui.cli import cachehits, cachelook, cachereport, cachewatch, common
from perftui.model.cache import CacheNode
from perftui.model.cdn import CdnReport
from perftui.model.hitpast import HitPast
from perftui.model.tierview import EVICTIONS, NamespaceView, TierNode, TierTraffic

if TYPE_CHECKING:
    from perftui.session import Session

EDGES = ("varnish", "pyedge")
TWO_RECORDS = 8.0  # seconds in which every node has published twice


async def show(args: argparse.Namespace) -> int:
    """Print; 1 when no process publishes."""
    only = {args.source} if args.source else None
    kinds = EDGES if only else cachereport.KINDS + EDGES
    async with common.headless_session(args, only=only, kinds=kinds) as session:
        topics = (*cachereport.TOPICS, "cdn")
        return await cachewatch.watched(session, args, topics, lambda: _told(session, args))


async def _told(session: Session, args: argparse.Namespace) -> int:
    report = await cachereport.servers(session, _rated, TWO_RECORDS)
    node, facts = cachelook.of(report, args.source)
    edge = await _edge_ratio(session)
    past = (await cachehits.recorded(session, [node.source])).get(node.source)
    if args.json:
        common.say(_row(node, edge, past), args.json)
    else:
        common.print_lines(_lines(node, edge, past))
    if not node.namespaces:
        common.narrate(facts.limit("nodes") or "no process publishes counters yet")
    return common.DONE if node.namespaces else common.NO


def _rated(nodes: Sequence[CacheNode]) -> bool:
    """Whether every primary has rates, its own and those of the nodes that publish there."""
    known = [node.reading for node in nodes if node.role != "replica" and node.reading is not None]
    return bool(known) and all(
        facts.hits_per_s is not None
        and (facts.tiers is None or all(n.traffic is not None for n in facts.tiers.nodes))
        for facts in known
    )


async def _edge_ratio(session: Session) -> float | None:
    """What the first edge serves of all it is asked; None without one."""
    if not common.of_kinds(session.env, EDGES):
        return None

    def known(report: Any) -> bool:
        return isinstance(report, CdnReport) and any(e.facts.hit_ratio is not None for e in report.edges)

    report = (await common.first_frame(session, "cdn", 4.0, lambda f: known(f.report))).report
    edges = report.edges if isinstance(report, CdnReport) else ()
    return next((edge.facts.hit_ratio for edge in edges), None)


def _row(node: CacheNode, edge: float | None, past: HitPast | None) -> dict[str, Any]:
    facts = node.reading
    assert facts is not None
    traffic = facts.tiers.traffic if facts.tiers is not None else None
    ratios = {
        "l1_hit_ratio": traffic.l1_hit_ratio if traffic is not None else None,
        "l2_hit_ratio": facts.hit_ratio,
        "l3_hit_ratio": edge,
        **cachehits.columns(past.l1 if past else (), "l1_hit_ratio"),
        **cachehits.columns(past.l2 if past else (), "l2_hit_ratio"),
    }
    nodes = facts.tiers.nodes if facts.tiers is not None else ()
    return {
        "source": node.source,
        **ratios,
        "namespaces": [_namespace(view, past) for view in node.namespaces],
        "nodes": [_node(one) for one in nodes],
    }


def _namespace(view: NamespaceView, past: HitPast | None) -> dict[str, Any]:
    return {
        "namespace": view.namespace,
        "nodes": view.nodes,
        **_rates(view.traffic),
        **cachehits.columns(past.of(view.namespace) if past else ()),
        "load_p95_s": view.load_p95_s,
        "l1_bytes": view.l1_bytes,
        "l1_bound_bytes": view.l1_bound or None,
        "codec": view.codec,
        "saved_ratio": view.saved_ratio,
    }


def _node(node: TierNode) -> dict[str, Any]:
    return {
        "namespace": node.namespace,
        "node": node.node,
        "at": node.at,
        **_rates(node.traffic),
        "l1_entries": node.l1_entries,
        "l1_bytes": node.l1_bytes,
        "l1_bound_bytes": node.l1_bound or None,
        "waiting": node.waiting,
        "linked": node.linked,
        "breaker_open": node.breaker_open,
    }


def _rates(traffic: TierTraffic | None) -> dict[str, float | None]:
    names = ("requests", "hit_ratio", "l1_hit_ratio", "stale_ratio")
    rates = {name: getattr(traffic, name, None) for name in names}
    rates |= {f"{name}_per_s": getattr(traffic, name, None) for name in ("coalesced", "evicted")}
    gone = dict(traffic.evictions) if traffic is not None else {}
    return rates | {f"l1_gone_{cause}_per_s": gone.get(cause) for cause in EVICTIONS}


def _lines(node: CacheNode, edge: float | None, past: HitPast | None) -> list[str]:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    row = _row(node, edge, past)
    l3 = f"L3 {fmt.ratio(edge)}" if edge is not None else "L3: no edge connected"
    lines = [
        f"{node.source}: L1 {fmt.ratio(row['l1_hit_ratio'])} · L2 {fmt.ratio(row['l2_hit_ratio'])} · {l3}"
    ]
    if past is not None:
        before = {"L1": past.l1, "L2": past.l2}
        lines += [f"  {tier} of the last {cachehits.text(told)}" for tier, told in before.items() if told]
    for view in row["namespaces"]:
        many, hit = fmt.many(view["nodes"], "node"), fmt.ratio(view["hit_ratio"])
        asked = f"{many}, {fmt.rate(view['requests'])}, hit {hit}"
        more = f"stale {fmt.ratio(view['stale_ratio'])}, load p95 {fmt.duration(view['load_p95_s'])}"
        held = f"{fmt.rate(view['coalesced_per_s'])} joined, {fmt.rate(view['evicted_per_s'])} evicted"
        packed = f"codec {inert(view['codec'] or fmt.NOTHING)}, saved {fmt.ratio(view['saved_ratio'])}"
        kept = f"L1 {fmt.bytes_(view['l1_bytes'])}, {packed}"
        lines.append(f"  {inert(view['namespace'])}: {asked}, {more}, {held}, {kept}")
        if past is not None and (told := past.of(view["namespace"])):
            lines.append(f"    hit of the last {cachehits.text(told)}")
    return lines
