"""`perftui cache`: look at cache servers and their keys, purge keys and bring them back."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.cache import CacheNode, CacheReport, CommandSample, KeyInfo, KeyPage, Keyspace
from perftui.model.errors import ConfigError, Lost, PlanRejected, Unsupported

if TYPE_CHECKING:
    from perftui.session import Session

KINDS = ("valkey",)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def add(parser: argparse.ArgumentParser) -> None:
    """`status`, `keys`, `big`, `hot`, `slowlog`, `purge PATTERN`, `undo ID`."""
    verbs = common.verbs(parser)
    common.options(verbs.add_parser("status", help="every server: traffic, hit ratio, memory, replication"))
    keys = verbs.add_parser("keys", help="keys that match a pattern, or the shares of prefixes")
    keys.add_argument("pattern", metavar="PATTERN", nargs="?", default="*", help="glob, default *")
    keys.add_argument("--limit", metavar="N", type=int, default=100, help="keys to list, default 100")
    keys.add_argument("--prefixes", action="store_true", help="sample shares of keys and bytes by prefix")
    _source(keys)
    for name, text in (
        ("big", "the biggest keys of a sample"),
        ("hot", "the keys asked for most, from half a second of the command stream"),
        ("slowlog", "the newest entries of the slow log"),
    ):
        _source(verbs.add_parser(name, help=text))
    purge = verbs.add_parser("purge", help="move keys that match a pattern to quarantine")
    purge.add_argument("pattern", metavar="PATTERN", help="glob, such as 'product:*'")
    purge.add_argument("--keep", metavar="TIME", default="1h", help="how long undo is possible, default 1h")
    purge.add_argument("--delete", action="store_true", help="delete at once; cannot be undone")
    purge.add_argument("--resume", metavar="ID", default="", help="go on under the id of a purge cut short")
    _source(purge, change=True)
    undo = verbs.add_parser("undo", help="bring back what a purge moved to quarantine")
    undo.add_argument("id", metavar="ID", help="the id that the purge printed")
    _source(undo, change=True)


def _source(parser: argparse.ArgumentParser, *, change: bool = False) -> None:
    parser.add_argument("--source", metavar="NAME", help="backend, default: the first primary")
    common.options(parser, change=change)


def run(args: argparse.Namespace) -> int:
    """Do what was typed."""
    return common.go(_run(args))


async def _run(args: argparse.Namespace) -> int:
    only = {args.source} if getattr(args, "source", None) else None
    async with common.headless_session(args, only=only, kinds=None if only else KINDS) as session:
        if args.verb in {"purge", "undo"}:
            return await _change(session, args)
        if args.verb in {"status", "slowlog"}:
            report = await _report(session)
            return _status(report, args) if args.verb == "status" else _slowlog(report, args)
        return await _look(session, args)


async def _report(session: Session) -> CacheReport:
    """The report once every link has answered or failed, and rates are known where they can be."""
    frame = await common.first_frame(session, "cache", 4.0, lambda f: _settled(f.report))
    return common.report_of(frame, CacheReport)


def _settled(report: Any) -> bool:
    if not isinstance(report, CacheReport) or not report.nodes:
        return False
    waiting = [n for n in report.nodes if n.health.link.value in {"waiting", "late"}]
    return not waiting and all(n.reading is None or n.reading.ops_per_s is not None for n in report.nodes)


async def _primary(session: Session, args: argparse.Namespace) -> str:
    """The backend meant: the one named, else the first primary that answers."""
    if getattr(args, "source", None):
        return str(args.source)
    known = lambda f: isinstance(f.report, CacheReport) and any(n.role == "primary" for n in f.report.nodes)  # noqa: E731
    report = common.report_of(await common.first_frame(session, "cache", 4.0, known), CacheReport)
    node = report.primary
    if node is None or node.reading is None:
        raise Lost(f"no cache answers: {node.health.error if node else 'none configured'}")
    return node.source


async def _change(session: Session, args: argparse.Namespace) -> int:
    source = await _primary(session, args)
    if args.verb == "undo":
        action = session.action("cache.restore", source, quarantine=args.id)
        return await common.perform(session, action, args)
    keep = 0.0 if args.delete else seconds(args.keep)
    params = {"pattern": os.fsencode(args.pattern), "keep": keep, "quarantine": args.resume}
    return await common.perform(session, session.action("cache.purge", source, **params), args)


def seconds(text: str) -> float:
    """`90s`, `15m`, `1h`, `2d` in seconds; ConfigError for anything else or less than a second."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "s")
    try:
        value = float(number) * UNITS[unit]
    except ValueError:
        value = 0.0
    if not 1 <= value <= 30 * 86400:
        raise ConfigError(f"--keep takes a time such as 90s, 15m, 1h or 2d, at most 30d; not {text!r}")
    return value


async def _look(session: Session, args: argparse.Namespace) -> int:
    source = await _primary(session, args)
    if args.verb == "hot":
        sample: CommandSample = await _probe(
            session, source, "CommandSampler", lambda power: power.sample_commands(5000, 0.5)
        )
        return _hot(sample, args)
    if args.verb == "big" or args.prefixes:
        space: Keyspace = await _probe(
            session, source, "KeyspaceReader", lambda power: power.sample_keyspace(b"", 256)
        )
        return _space(space, args)
    return await _keys(session, source, args)


async def _probe(session: Session, source: str, port: str, call: Any) -> Any:
    frame = await session.probe("cache.cli", source, port, call)
    if frame.error:
        raise (Unsupported if "cannot do this" in frame.error else Lost)(frame.error)
    return frame.report


async def _keys(session: Session, source: str, args: argparse.Namespace) -> int:
    if args.limit < 1:
        raise PlanRejected("--limit takes a number above 0")
    rows: list[KeyInfo] = []
    pattern, cursor = os.fsencode(args.pattern), 0
    while True:
        want = min(1000, args.limit - len(rows))
        page: KeyPage = await _probe(
            session, source, "KeyspaceReader", lambda power, c=cursor, w=want: power.page_keys(pattern, c, w)
        )
        rows += page.rows
        cursor = page.cursor
        if cursor == 0 or len(rows) >= args.limit:
            break
    rows = rows[: args.limit]
    if args.json:
        common.say([_key_row(row) for row in rows])
    else:
        common.print_lines(map(_key_line, rows))
        common.narrate(f"{len(rows)} keys listed, {page.scanned:.0%} of {page.total:,} gone through")
    return common.DONE if rows else common.NO


def key_text(key: bytes) -> str:
    """A key for people and for JSON: text, with escapes where it is no UTF-8."""
    return key.decode("utf-8", "backslashreplace")


def _key_row(row: KeyInfo) -> dict[str, Any]:
    return {"key": key_text(row.key), "type": row.kind, "ttl_s": row.ttl_s, "bytes": row.bytes_}


def _key_line(row: KeyInfo) -> str:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    ttl = "never" if row.ttl_s is None else fmt.age(row.ttl_s)
    return f"{fmt.bytes_(row.bytes_, 10)}  {ttl:>6}  {row.kind:<7} {inert(key_text(row.key), 200)}"


def _space(space: Keyspace, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

    if args.verb == "big":
        if args.json:
            common.say([_key_row(row) for row in space.biggest])
        else:
            common.print_lines(map(_key_line, space.biggest))
        return common.DONE
    if args.json:
        common.say(space)
        return common.DONE
    for share in space.prefixes:
        size = f"{fmt.ratio(share.byte_share, 6)} ± {fmt.ratio(share.byte_error, 5)} of bytes"
        common.print_lines([f"{size} {fmt.ratio(share.key_share, 6)} of keys  {key_text(share.prefix)}"])
    how = "all" if space.exact else "a sample"
    common.narrate(f"{how}: {space.sampled:,} of {space.total:,} keys")
    return common.DONE


def _hot(sample: CommandSample, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

    if args.json:
        rows = [
            {"key": key_text(h.key), "count": h.count, "share": h.share, "error": h.error}
            for h in sample.keys
        ]
        common.say({"commands": sample.commands, "took_s": sample.took_s, "keys": rows})
        return common.DONE
    common.print_lines(
        f"{fmt.ratio(h.share, 6)} ± {fmt.ratio(h.error, 5)}  {key_text(h.key)}" for h in sample.keys[:30]
    )
    common.narrate(f"{sample.commands:,} commands in {fmt.duration(sample.took_s)}")
    return common.DONE


def _status(report: CacheReport, args: argparse.Namespace) -> int:
    if args.json:
        common.say([_node_row(node) for node in report.nodes])
    else:
        common.print_lines(line for node in report.nodes for line in _node_lines(node))
    return common.DONE if any(n.health.link.value == "live" for n in report.nodes) else common.LOST


def _node_row(node: CacheNode) -> dict[str, Any]:
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


def _node_lines(node: CacheNode) -> list[str]:
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
        f"  {traffic}, {fmt.count(facts.keys)} keys, {facts.clients} clients",
        f"  {memory}, {fmt.rate(facts.evicted_per_s)} evicted{lag}",
    ]


def _slowlog(report: CacheReport, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

    node = report.node(args.source) if args.source else report.primary
    slow = node.reading.slow if node and node.reading else ()
    if args.json:
        common.say(list(slow))
    else:
        common.print_lines(
            f"{fmt.stamp(e.at)}  {fmt.duration(e.took_s, 9)}  {e.client}  {e.text}" for e in slow
        )
    return common.DONE
