"""`perftui cache`: look at cache servers and their keys, purge keys and bring them back."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Protocol, cast

from perftui.cli import (
    cachecurve,
    cachedoctor,
    cachehot,
    cachelook,
    cachepurge,
    cachereattach,
    cacherehearse,
    cachereport,
    cacheservers,
    cacheswitch,
    cachetrace,
    cachettl,
    cachevalue,
    cachewarm,
    cachewatch,
    cachework,
    common,
)
from perftui.model.cache import CommandSample, KeyInfo, KeyPage, Keyspace
from perftui.model.errors import Lost, PlanRejected, Unsupported

if TYPE_CHECKING:
    from perftui.model.accesses import AccessBurst
    from perftui.model.noderecord import NodesLook
    from perftui.session import Session

LEADS = {"primary", "cluster", "group"}


class Policy(Protocol):
    """Says and sets something that nodes of a namespace obey."""

    def changes(self, args: argparse.Namespace) -> bool:
        """Whether something is to be set."""
        ...

    async def change(self, session: Session, source: str, args: argparse.Namespace) -> int:
        """Plan, ask, set."""
        ...

    def show(self, look: NodesLook, args: argparse.Namespace) -> int:
        """Print what is in force."""
        ...


POLICIES: dict[str, Policy] = {
    "ttl": cachettl,
    "share": cacheswitch.SHARE,
    "local": cacheswitch.LOCAL,
    "early": cacheswitch.EARLY,
}


def add(parser: argparse.ArgumentParser) -> None:
    """What looks (`status`, `keys`, …, `cluster`), then what changes (`purge`, `failover`, …, `undo`)."""
    verbs = common.verbs(parser)
    status = verbs.add_parser("status", help="every server: traffic, hit ratio, memory, replication")
    common.options(status)
    cachewatch.add(status)
    keys = verbs.add_parser("keys", help="keys that match a pattern, or the shares of prefixes")
    keys.add_argument("pattern", metavar="PATTERN", nargs="?", default="*", help="glob, default *")
    keys.add_argument("--limit", metavar="N", type=int, default=100, help="keys to list, default 100")
    keys.add_argument("--prefixes", action="store_true", help="sample shares of keys and bytes by prefix")
    _look_options(keys)
    cachevalue.add(verbs, _source)
    for name, text in (
        ("big", "the biggest keys of a sample"),
        ("hot", "the keys asked for most, and hits by prefix, from half a second of the command stream"),
        ("latency", "how long commands take in a server, and what each of them costs it"),
        ("memory", "what is used of what is allowed, when it is full, and which prefixes hold it"),
        ("tiers", "hit ratios of L1, L2 and the edge, and what each namespace of the library does"),
        ("nodes", "processes that hold a cache of the library, and what they counted"),
        (
            "regions",
            "servers with a replica elsewhere, relays between regions, and how far each is behind",
        ),
    ):
        _look_options(verbs.add_parser(name, help=text))
    cacheservers.add(verbs, _source)
    slowlog = verbs.add_parser("slowlog", help="the newest slow commands, or large requests or replies")
    slowlog.add_argument("--kind", choices=cachelook.LOGS, default="slow", help="which log (slow)")
    _look_options(slowlog)
    cluster = verbs.add_parser("cluster", help="every cluster's nodes, slots and lags, and what is wrong")
    cluster.add_argument("--slots", action="store_true", help="the hottest hash slots: CPU, bytes, keys")
    _look_options(cluster)
    doctor = verbs.add_parser("doctor", help="what is wrong with servers, clusters and groups, worst first")
    cachedoctor.add(doctor)
    _look_options(doctor)
    curve = verbs.add_parser("curve", help="what half or twice the memory of a cache's nodes would miss")
    cachecurve.add(curve)
    _look_options(curve)
    cachetrace.add(
        verbs.add_parser("trace", help="record what is read, and rehearse policies on it"), _source
    )
    _add_changes(verbs)


def _add_changes(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    purge = verbs.add_parser("purge", help="move keys that match a pattern to quarantine, or remove by tag")
    cachepurge.add(purge)
    _source(purge, change=True)
    dictionary = verbs.add_parser(
        "dictionary", help="train a dictionary on a namespace's values, and write with it"
    )
    dictionary.add_argument("namespace", metavar="NAMESPACE", help="the cache's name")
    dictionary.add_argument(
        "--size", metavar="BYTES", type=int, default=16384, help="of the dictionary (16384)"
    )
    dictionary.add_argument("--values", metavar="N", type=int, default=2000, help="to learn from (2000)")
    dictionary.add_argument("--back", action="store_true", help="go back to the one before, or none")
    _source(dictionary, change=True)
    rehearse = verbs.add_parser("rehearse", help="kill a primary of the lab, or list what that took before")
    cacherehearse.add(rehearse)
    _source(rehearse, change=True)
    reattach = verbs.add_parser(
        "reattach", help="have a replica follow the primary that is one now; its keys go for a copy"
    )
    cachereattach.add(reattach)
    _source(reattach, change=True)
    failover = verbs.add_parser("failover", help="make a replica of a cluster the primary, while both live")
    failover.add_argument("node", metavar="NODE", help="the replica: host:port, or its id")
    _source(failover, change=True)
    warm = verbs.add_parser("warm", help="jobs that warm caches, and the sets of keys that nodes keep warm")
    cachewarm.add(warm, _source)
    ttl = verbs.add_parser("ttl", help="how long entries of a cache live that are given no TTL, or set it")
    cachettl.add(ttl, _source)
    cacheswitch.SHARE.add(verbs, "share", _source)
    cacheswitch.LOCAL.add(verbs, "local", _source)
    cacheswitch.EARLY.add(verbs, "early", _source)
    cachework.add(verbs, _source)
    reshard = verbs.add_parser("reshard", help="move hash slots with their keys between primaries")
    reshard.add_argument("node", metavar="FROM", help="the primary that holds them: host:port, or its id")
    reshard.add_argument("to", metavar="TO", help="the primary that takes them")
    reshard.add_argument("slots", metavar="SLOTS", help="ranges such as 0-99,200-200, or how many")
    _source(reshard, change=True)
    promote = verbs.add_parser(
        "promote", help="make a replica a primary of its own, as when its region is lost"
    )
    promote.add_argument("source", metavar="NAME", help="the replica's backend, or a pair of regions")
    promote.add_argument("--node", metavar="HOST:PORT", default="", help="of a pair: which region")
    promote.add_argument(
        "--bound", metavar="TIME", default="", help="refuse when it heard nothing for longer (60s)"
    )
    promote.add_argument("--force", action="store_true", help="promote it however long that is")
    common.options(promote, change=True)
    follow = verbs.add_parser("follow", help="let a server follow another: what it holds is replaced")
    follow.add_argument("source", metavar="NAME", help="the backend that is to follow, or a pair of regions")
    follow.add_argument("--node", metavar="HOST:PORT", default="", help="of a pair: which region")
    follow.add_argument("to", metavar="HOST:PORT", help="whom")
    common.options(follow, change=True)
    undo = verbs.add_parser("undo", help="bring back what a purge moved to quarantine, or saved in a file")
    cachepurge.add_undo(undo)
    _source(undo, change=True)


def _look_options(parser: argparse.ArgumentParser) -> None:
    _source(parser)
    cachewatch.add(parser)


def _source(parser: argparse.ArgumentParser, *, change: bool = False) -> None:
    parser.add_argument("--source", metavar="NAME", help="backend, default: the first primary")
    common.options(parser, change=change)


def run(args: argparse.Namespace) -> int:
    """Do what was typed."""
    if args.verb == "trace":
        if args.step == "replay":
            return cachetrace.replay(args)
        cachetrace.check(args)
        if args.dry_run:
            return common.DONE
    if args.verb == "tiers":
        from perftui.cli import cachetiers

        return common.go(cachetiers.show(args))
    return common.go(_run(args))


async def _run(args: argparse.Namespace) -> int:
    if getattr(args, "step", "") in cachewarm.DESK:
        return await cachewarm.go(args)
    only = {args.source} if getattr(args, "source", None) else None
    if args.verb == "rehearse":
        async with common.headless_session(
            args, only=only, kinds=None if only else cacherehearse.KINDS
        ) as session:
            return await cacherehearse.run(session, args)
    if args.verb == "reattach":
        async with common.headless_session(
            args, only=only, kinds=None if only else cachereattach.KINDS
        ) as session:
            return await cachereattach.run(session, args)
    if args.verb in {"cluster", "failover", "reshard"}:
        from perftui.cli import cachecluster, cacheslots

        async with common.headless_session(
            args, only=only, kinds=None if only else cachecluster.KINDS
        ) as session:
            if args.verb != "cluster":
                return await cachecluster.change(session, args)
            look = cacheslots.show if args.slots else cachecluster.show
            return await cachewatch.watched(session, args, ("cachecluster",), lambda: look(session, args))
    if args.verb == "regions":
        from perftui.cli import cacheregions

        async with common.headless_session(
            args, only=only, kinds=None if only else cacheregions.KINDS
        ) as session:
            return await cachewatch.watched(
                session, args, cacheregions.TOPICS, lambda: cacheregions.show(session, args)
            )
    kinds = cachedoctor.KINDS if args.verb == "doctor" else cachereport.KINDS
    async with common.headless_session(args, only=only, kinds=None if only else kinds) as session:
        if args.verb in cachevalue.VERBS:
            return await cachevalue.run(session, await _primary(session, args), args)
        changes = {"purge", "undo", "dictionary", "promote", "follow", *cacheservers.CHANGES}
        sets = args.verb in POLICIES and POLICIES[args.verb].changes(args)
        ordered = cachework.changes(args)
        if args.verb in changes or sets or ordered or getattr(args, "step", "") == "run":
            return await _change(session, args)
        if args.verb in {"trace", "warm", *POLICIES}:
            return await _look(session, args)
        topics = cachedoctor.TOPICS if args.verb == "doctor" else cachereport.TOPICS
        return await cachewatch.watched(session, args, topics, lambda: _look(session, args))


async def _primary(session: Session, args: argparse.Namespace) -> str:
    """The backend meant: the one named, else the first primary that answers, else the first cluster."""
    if getattr(args, "source", None):
        return str(args.source)
    report = await cachereport.servers(session, lambda nodes: any(node.role in LEADS for node in nodes))
    node = report.primary
    if node is None or node.reading is None:
        raise Lost(f"no cache answers: {node.health.error if node else 'none configured'}")
    return node.source


async def _change(session: Session, args: argparse.Namespace) -> int:
    source = await _primary(session, args)
    if args.verb in {"promote", "follow"}:
        from perftui.cli import cacheregions

        return await common.perform(session, cacheregions.action(session, source, args), args)
    if args.verb in cacheservers.CHANGES:
        return await common.perform(session, cacheservers.action(session, source, args), args)
    if args.verb == "warm":
        return await cachewarm.run(session, source, args)
    if args.verb in POLICIES:
        return await POLICIES[args.verb].change(session, source, args)
    if args.verb in cachework.VERBS:
        return await cachework.change(session, source, args)
    if args.verb == "dictionary":
        how = {} if args.back else {"size": args.size, "values": args.values}
        name = "cache.dictionary-back" if args.back else "cache.dictionary"
        return await common.perform(
            session, session.action(name, source, namespace=args.namespace, **how), args
        )
    made = cachepurge.action if args.verb == "purge" else cachepurge.back
    return await common.perform(session, await made(session, source, args), args)


async def _look(session: Session, args: argparse.Namespace) -> int:
    if args.verb == "doctor":
        return await cachedoctor.show(session, args)
    if args.verb in {"status", "slowlog"}:
        return await cachelook.newest(session, args)
    source = await _primary(session, args)
    if args.verb in cacheservers.VERBS:
        return await cacheservers.show(lambda port, call: _probe(session, source, port, call), args)
    if args.verb in {"latency", "memory"}:
        return await _measured(session, source, args)
    if args.verb == "trace":

        async def look(limit: int, length: float) -> AccessBurst:
            return cast(
                "AccessBurst",
                await _probe(session, source, "CommandSampler", lambda p: p.watch_accesses(limit, length)),
            )

        return await cachetrace.record(look, args)
    if args.verb in {"nodes", "curve", "warm", *POLICIES, *cachework.VERBS}:
        from perftui.cli import cachenodes

        if args.verb == "curve" and args.price_per_gb is None:
            args.price_per_gb = session.setting("cache.price_per_gb") or None
        nodes = await _probe(session, source, "NodeReader", lambda power: power.nodes())
        if args.verb == "warm":
            return await cachewarm.show(session, nodes, args)
        if args.verb in POLICIES:
            return POLICIES[args.verb].show(nodes, args)
        if args.verb in cachework.VERBS:
            return cachework.show(nodes, args)
        return (cachenodes.show if args.verb == "nodes" else cachecurve.show)(nodes, args)
    if args.verb == "hot":
        sample: CommandSample = await _probe(
            session, source, "CommandSampler", lambda power: power.sample_commands(5000, 0.5)
        )
        return cachehot.show(sample, source, args)
    if args.verb == "big" or args.prefixes:
        space: Keyspace = await _probe(
            session, source, "KeyspaceReader", lambda power: power.sample_keyspace(b"", 256)
        )
        return _space(space, args)
    return await _keys(session, source, args)


async def _measured(session: Session, source: str, args: argparse.Namespace) -> int:
    report = await cachereport.servers(session, cachelook.measured)
    if args.verb == "latency":
        return cachelook.latency(report, args)
    space = await _probe(session, source, "KeyspaceReader", lambda power: power.sample_keyspace(b"", 256))
    return cachelook.memory(report, space, args)


async def _probe(session: Session, source: str, port: str, call: Any) -> Any:
    frame = await session.probe("cache.cli", source, port, call)
    if frame.error:
        raise (Unsupported if frame.unsupported else Lost)(frame.error)
    return frame.report


async def _keys(session: Session, source: str, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

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
        common.say([_key_row(row) for row in rows], args.json)
    else:
        common.print_lines(map(_key_line, rows))
        listed = fmt.many(len(rows), "key")
        common.narrate(f"{listed} listed, {page.scanned:.0%} of {page.total:,} gone through")
    return common.DONE if rows else common.NO


def key_text(key: bytes) -> str:
    """A key for people and for JSON: text, with escapes where it is no UTF-8."""
    return key.decode("utf-8", "backslashreplace")


def _key_row(row: KeyInfo) -> dict[str, Any]:
    told = {"key": key_text(row.key), "type": row.kind, "encoding": row.encoding, "ttl_s": row.ttl_s}
    return told | {"bytes": row.bytes_, "freq": row.freq}


def _key_line(row: KeyInfo) -> str:
    from perftui.draw import format as fmt
    from perftui.draw.clean import inert

    ttl = "never" if row.ttl_s is None else fmt.age(row.ttl_s)
    head = f"{fmt.bytes_(row.bytes_, 10)}  {ttl:>6}  {row.kind:<7} {inert(row.encoding, 24):<10}"
    return f"{head} {inert(key_text(row.key), 200)}"


def _space(space: Keyspace, args: argparse.Namespace) -> int:
    from perftui.draw import format as fmt

    if args.verb == "big":
        if args.json:
            common.say([_key_row(row) for row in space.biggest], args.json)
        else:
            common.print_lines(map(_key_line, space.biggest))
        return common.DONE
    if args.json:
        common.say(space, args.json)
        return common.DONE
    for share in space.prefixes:
        size = f"{fmt.ratio(share.byte_share, 6)} ± {fmt.ratio(share.byte_error, 5)} of bytes"
        common.print_lines([f"{size} {fmt.ratio(share.key_share, 6)} of keys  {key_text(share.prefix)}"])
    how = "all" if space.exact else "a sample"
    common.narrate(f"{how}: {space.sampled:,} of {fmt.many(space.total, 'key')}")
    return common.DONE
