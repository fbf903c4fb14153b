"""`perftui cdn`: look at edges, purge URLs and tags with proof."""

from __future__ import annotations

import argparse

from perftui.cli import cdnrelay, common
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.model.cdn import CdnReport, EdgeLook, UrlUse
from perftui.model.errors import ConfigError
from perftui.model.ports import EdgeContent, EdgeVerifier

KINDS = ("varnish", "pyedge")


def add(parser: argparse.ArgumentParser) -> None:
    """`status`, `top`, `look URL`, `purge URL… | --tag TAG…` and `relay`."""
    verbs = common.verbs(parser)
    status = verbs.add_parser("status", help="what every edge serves and holds")
    common.options(status)
    top = verbs.add_parser("top", help="the most requested URLs of an edge's recent log")
    top.add_argument("--limit", type=int, default=20, metavar="N", help="rows at most")
    look = verbs.add_parser("look", help="GET a URL as a visitor and say how the edge answered")
    look.add_argument("url", metavar="URL")
    purge = verbs.add_parser("purge", help="purge URLs or tags and prove it by the MISS that follows")
    purge.add_argument("targets", nargs="*", metavar="URL", help="paths or URLs")
    purge.add_argument("--tag", nargs="+", default=[], metavar="TAG", help="tags instead of URLs")
    for parser_ in (top, look, purge):
        parser_.add_argument("--cdn", metavar="NAME", help="backend to ask; needed when there are several")
    cdnrelay.add(verbs)
    common.options(top)
    common.options(look)
    common.options(purge, change=True)


def run(args: argparse.Namespace) -> int:
    """Do what was typed."""
    work = {"status": _status, "top": _top, "look": _look, "purge": _purge, "relay": cdnrelay.relay}[
        args.verb
    ]
    return common.go(work(args))


async def _status(args: argparse.Namespace) -> int:
    async with common.headless_session(args, kinds=KINDS) as session:
        report = common.report_of(await common.first_frame(session, "cdn", 5.0), CdnReport)
        if args.json:
            common.say(report)
            return common.DONE
        for edge in report.edges:
            facts = edge.facts
            print(
                f"{edge.source} ({facts.product}): {fmt.number(facts.requests_per_s)} requests/s, "
                f"hit {fmt.ratio(facts.hit_ratio)}, {fmt.count(facts.objects)} objects"
            )
        return common.DONE


def _edge(args: argparse.Namespace) -> str:
    environment = common.configuration(args).environment
    names = sorted(common.of_kinds(environment, KINDS))
    if args.cdn:
        names = [name for name in names if name == args.cdn]
    if len(names) != 1:
        have = ", ".join(sorted(common.of_kinds(environment, KINDS))) or "none"
        raise ConfigError(f"which edge? --cdn NAME names one of: {have}")
    return names[0]


async def _top(args: argparse.Namespace) -> int:
    edge = _edge(args)

    async def recent(power: EdgeContent) -> tuple[UrlUse, ...]:
        return await power.recent_urls(args.limit)

    async with common.headless_session(args, only={edge}) as session:
        common.report_of(await common.first_frame(session, "cdn", 5.0), CdnReport)
        uses = common.report_of(await session.probe("cdn.content", edge, EdgeContent, recent), tuple)
        if args.json:
            common.say(list(uses))
            return common.DONE
        for use in uses:
            print(f"{use.requests:>7} {fmt.ratio(use.hits / use.requests):>7}  {inert(use.url, 200)}")
        return common.DONE


async def _look(args: argparse.Namespace) -> int:
    edge = _edge(args)

    async def look(power: EdgeVerifier) -> EdgeLook:
        return await power.look_at(args.url)

    async with common.headless_session(args, only={edge}) as session:
        common.report_of(await common.first_frame(session, "cdn", 5.0), CdnReport)
        seen = common.report_of(await session.probe("cdn.look", edge, EdgeVerifier, look), EdgeLook)
        if args.json:
            common.say(seen)
        else:
            state = seen.state.name if seen.state else "no cache state told"
            print(f"{inert(seen.url, 200)}: {seen.status} {state} in {fmt.duration(seen.took)}")
        return common.DONE


async def _purge(args: argparse.Namespace) -> int:
    if bool(args.targets) == bool(args.tag):
        raise ConfigError("say either URLs or --tag TAG…")
    edge = _edge(args)
    kind, targets = ("tag", args.tag) if args.tag else ("url", args.targets)
    async with common.headless_session(args, only={edge}) as session:
        common.report_of(await common.first_frame(session, "cdn", 5.0), CdnReport)
        return await common.perform(
            session, session.action("cdn.purge", edge, targets=targets, kind=kind), args
        )
