"""`perftui cache status`, `slowlog`, `latency`, `memory`: what servers say of themselves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from perftui.cli import cachehits, cachereport, common
from perftui.model.cache import CacheNode, CacheReading, CacheReport, Keyspace, SlowCommand
from perftui.model.commandlog import KINDS, PANEL, LargeCommand
from perftui.model.errors import Lost
from perftui.model.hitpast import HitPast, PastRatio

if TYPE_CHECKING:
    from perftui.session import Session

LOGS = ("slow", *KINDS)


def of(report: CacheReport, source: str | None) -> tuple[CacheNode, CacheReading]:
    """The server that is named, or the first primary, with what it said.

    Raises:
        Lost: it does not answer.
    """
    node = report.node(source) if source else report.primary
    if node is None or node.reading is None:
        raise Lost(f"no cache answers: {node.health.error if node else 'none configured'}")
    return node, node.reading


def measured(nodes: Sequence[CacheNode]) -> bool:
    """Whether every server has answered or failed, and rates are there: they take two looks."""
    waiting = any(n.health.link.value in {"waiting", "late"} for n in nodes)
    return bool(nodes) and not waiting and all(n.reading is None or n.reading.commands for n in nodes)


def latency(report: CacheReport, args: argparse.Namespace) -> int:
    """Print quantiles of the server's own time, what each command costs, and loads of the library."""
    node, facts = of(report, args.source)
    if args.json:
        common.say(_latency_row(node, facts), args.json)
    else:
        common.print_lines(_latency_lines(node, facts))
    for panel in ("latency", "slow log"):
        if said := facts.limit(panel):
            common.narrate(said)
    return common.DONE


def _latency_row(node: CacheNode, facts: CacheReading) -> dict[str, Any]:
    return {
        "source": node.source,
        "classes": [
            {"class": part.name, "per_s": part.per_s}
            | {name: getattr(part, name) for name in ("p50_s", "p95_s", "p99_s")}
            for part in facts.latency
        ],
        "commands": [asdict(cost) for cost in facts.commands],
        "client": [asdict(one) for one in (facts.tiers.client if facts.tiers is not None else ())],
        "loads": [
            {"namespace": view.namespace, "load_p95_s": view.load_p95_s}
            for view in node.namespaces
            if view.load_p95_s is not None
        ],
    }


def _latency_lines(node: CacheNode, facts: CacheReading) -> Iterator[str]:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert
    from perftui.draw.clientshare import ALONE, shares

    client = facts.tiers.client if facts.tiers is not None else ()
    yield f"{node.source}: time in the server alone, without network and queue"
    for part in facts.latency:
        quantiles = " ".join(
            f"{name} {fmt.duration(value)}"
            for name, value in (("p50", part.p50_s), ("p95", part.p95_s), ("p99", part.p99_s))
        )
        yield f"  {part.name:<6} {fmt.rate(part.per_s, width=9)}  {quantiles}"
    for cost in sorted(facts.commands, key=lambda c: -c.share):
        each = fmt.duration(cost.seconds_per_call, 9)
        failed = f"  {fmt.rate(cost.failed_per_s)} failed" if cost.failed_per_s else ""
        rate = fmt.rate(cost.calls_per_s, width=9)
        yield f"  {fmt.ratio(cost.share, 6)} {rate} of {each}  {inert(cost.name, 40)}{failed}"
    if client:
        yield f"{node.source}: what callers at the library's nodes waited for in the last minutes"
        yield from (f"  {name}: {text}" for name, text in shares(facts.latency, client))
    elif facts.tiers is None or not facts.tiers.nodes:
        yield f"{node.source}: {ALONE}"
    for view in node.namespaces:
        if view.load_p95_s is not None:
            yield f"  {inert(view.namespace)}: loads p95 {fmt.duration(view.load_p95_s)}"


def memory(report: CacheReport, space: Keyspace, args: argparse.Namespace) -> int:
    """Print what is used of what is allowed, when it is full, and the shares of prefixes."""
    node, facts = of(report, args.source)
    if args.json:
        common.say(_memory_row(node, facts, space), args.json)
    else:
        common.print_lines(_memory_lines(node, facts, space))
    return common.DONE


def _memory_row(node: CacheNode, facts: CacheReading, space: Keyspace) -> dict[str, Any]:
    names = ("used_bytes", "max_bytes", "rss_bytes", "peak_bytes", "policy", "keys", "evicted_per_s")
    return {
        "source": node.source,
        **{name: getattr(facts, name) for name in names},
        "expired_per_s": facts.expired_per_s,
        "rss_ratio": facts.rss_ratio,
        "client_buffer_bytes": facts.held.clients if facts.held else None,
        "replica_buffer_bytes": facts.held.replicas if facts.held else None,
        "backlog_bytes": facts.held.backlog if facts.held else None,
        "full_in_s": node.full_in_s,
        "sampled": space.sampled,
        "exact": space.exact,
        "prefixes": [asdict(share) for share in space.prefixes],
    }


def _memory_lines(node: CacheNode, facts: CacheReading, space: Keyspace) -> Iterator[str]:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    limit = fmt.bytes_(facts.max_bytes) if facts.max_bytes else "no limit"
    yield f"{node.source}: {fmt.bytes_(facts.used_bytes)} of {limit} used ({inert(facts.policy, 32)})"
    full = f", full in {fmt.duration(node.full_in_s)}" if node.full_in_s is not None else ""
    held = f"resident {fmt.bytes_(facts.rss_bytes)}, at most {fmt.bytes_(facts.peak_bytes)} so far"
    yield f"  {held}, {fmt.rate(facts.evicted_per_s)} evicted{full}"
    if facts.rss_ratio is not None and (beside := facts.held) is not None:
        buffers = f"clients' {fmt.bytes_(beside.clients)}, replicas' {fmt.bytes_(beside.replicas)}"
        backlog = f"replication backlog {fmt.bytes_(beside.backlog)}"
        yield f"  resident {facts.rss_ratio:.2f} times used; buffers: {buffers}; {backlog}"
    for share in space.prefixes:
        size, error = fmt.bytes_(share.bytes_, 10), fmt.ratio(share.byte_error, 5)
        name = inert(share.prefix.decode("utf-8", "backslashreplace"), 200)
        part = f"{fmt.ratio(share.byte_share, 6)} ± {error} {fmt.ratio(share.key_share, 6)} of keys"
        yield f"  {size} {part}  {name}"
    how = "all" if space.exact else "a sample"
    yield f"  from {how}: {fmt.count(space.sampled)} of {fmt.many(space.total, 'key')}"


async def newest(session: Session, args: argparse.Namespace) -> int:
    """Print every server's figures, or one's slow log, once every link has answered or failed."""
    report = await cachereport.servers(session, _settled)
    if args.verb != "status":
        return _slowlog(report, args)
    return _status(report, await cachehits.recorded(session, [node.source for node in report.nodes]), args)


def _settled(nodes: Sequence[CacheNode]) -> bool:
    waiting = [n for n in nodes if n.health.link.value in {"waiting", "late"}]
    rated = all(n.reading is None or n.reading.ops_per_s is not None for n in nodes)
    return bool(nodes) and not waiting and rated


def _status(report: CacheReport, past: Mapping[str, HitPast], args: argparse.Namespace) -> int:
    before = {source: told.l2 for source, told in past.items()}
    if args.json:
        rows = [_node_row(node, before.get(node.source, ())) for node in report.nodes]
        common.say(rows, args.json)
    else:
        common.print_lines(
            line for node in report.nodes for line in _node_lines(node, before.get(node.source, ()))
        )
    return common.DONE if any(n.health.link.value == "live" for n in report.nodes) else common.LOST


def _node_row(node: CacheNode, before: Sequence[PastRatio]) -> dict[str, Any]:
    facts = node.reading
    row: dict[str, Any] = {"source": node.source, "link": node.health.link.value, "error": node.health.error}
    if facts is None:
        return row
    return row | {
        "role": node.role,
        "product": facts.product,
        "version": facts.version,
        "ops_per_s": facts.ops_per_s,
        "hit_ratio": facts.hit_ratio,
        **cachehits.columns(before),
        "used_bytes": facts.used_bytes,
        "max_bytes": facts.max_bytes,
        "policy": facts.policy,
        "evicted_per_s": facts.evicted_per_s,
        "clients": facts.clients,
        "keys": facts.keys,
        "replicas": [{"address": r.address, "state": r.state} for r in facts.replication.replicas],
        "lag_bytes": node.lag_bytes,
        "lag_s": node.lag_s,
    }


def _node_lines(node: CacheNode, before: Sequence[PastRatio]) -> list[str]:
    from perftui.draw import format as fmt

    facts = node.reading
    if facts is None:
        return [f"{node.source}: {node.health.link.value} {node.health.error}"]
    lag = "" if node.lag_bytes is None else f", lag {fmt.bytes_(node.lag_bytes)} {fmt.duration(node.lag_s)}"
    limit = fmt.bytes_(facts.max_bytes) if facts.max_bytes else "no limit"
    traffic = f"{fmt.rate(facts.ops_per_s)} commands, hit ratio {fmt.ratio(facts.hit_ratio)}"
    memory = f"{fmt.bytes_(facts.used_bytes)} of {limit} used ({facts.policy})"
    return [
        f"{node.source}: {facts.product} {facts.version} {node.role}, {node.health.link.value}",
        f"  hit ratio of the last {cachehits.text(before)}" if before else f"  {cachehits.text(before)}",
        f"  {traffic}, {fmt.many(facts.keys, 'key')}, {fmt.many(facts.clients, 'client')}",
        f"  {memory}, {fmt.rate(facts.evicted_per_s)} evicted{lag}",
    ]


def _slowlog(report: CacheReport, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

    node = report.node(args.source) if args.source else report.primary
    facts = node.reading if node else None
    if args.kind != LOGS[0]:
        return _large(facts, args)
    entries = facts.slow if facts is not None else ()
    if args.json:
        common.say(list(entries), args.json)
        return common.DONE
    common.print_lines(_log_line(entry, fmt.duration(entry.took_s, 9)) for entry in entries)
    return common.DONE


def _large(facts: CacheReading | None, args: argparse.Namespace) -> int:
    """Entries of one kind; why there are none goes to standard error."""
    from perftui.draw import format as fmt
    from perftui.draw.largetext import nothing_large

    told = facts.large.entries if facts is not None and facts.large is not None else ()
    entries = [entry for entry in told if entry.kind == args.kind]
    if args.json:
        common.say(entries, args.json)
    else:
        common.print_lines(_log_line(entry, fmt.bytes_(entry.bytes_, 9)) for entry in entries)
    if facts is not None and (why := facts.limit(PANEL)):
        common.narrate(why)
    elif facts is not None and not entries:
        common.narrate(nothing_large(facts.large))
    return common.DONE


def _log_line(entry: SlowCommand | LargeCommand, size: str) -> str:
    from perftui.draw import format as fmt

    return "  ".join(filter(None, (fmt.stamp(entry.at), size, entry.node, entry.client, entry.text)))
