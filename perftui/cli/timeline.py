"""What happened, as a console or agent wrote it into the store."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from perftui.cli import common, when

if TYPE_CHECKING:
    from perftui.config import Config
    from perftui.model.event import Event

DAY = 86400.0


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    common.options(parser, json_=False)
    parser.add_argument(
        "--since",
        type=when.instant,
        default=None,
        metavar="T",
        help="from 2h (ago), 14:02 or a date on; default 1d",
    )
    parser.add_argument("--to", type=when.instant, default=None, metavar="T", help="until when; default now")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only this kind; may be repeated")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--md", action="store_true", help="print a post-mortem as Markdown")
    parser.add_argument(
        "--out", metavar="FILE", help="`--md`: write this file (0600), with its charts as SVG files beside"
    )
    parser.add_argument("--at", type=when.instant, metavar="T", help="`changes`: what led to this instant")
    parser.add_argument("--series", metavar="NAME", help="`changes`: the figure looked at on both sides")
    parser.add_argument(
        "words",
        nargs="*",
        help="only events that hold all these words; `changes [ALERT]`: what happened in the half hour "
        "before an alert (the newest firing one, or one by its rule or fingerprint), likeliest first",
    )


def run(args: argparse.Namespace) -> int:
    """Print the events, oldest first; 2 for a range that ends before it begins, 3 for no store."""
    if args.words[:1] == ["changes"]:
        from perftui.cli import changes

        return changes.run(args)
    end = time.time() if args.to is None else args.to
    since = end - DAY if args.since is None else args.since
    if since >= end:
        common.narrate("--to must come after --since")
        return common.USAGE
    if args.md:
        from perftui.cli import postmortem

        return postmortem.run(args, (since, end), lambda e: _wanted(e, args))
    found = asyncio.run(_load(common.configuration(args), since, end))
    events = [e for e in found if _wanted(e, args)]
    if args.json:
        common.say(events)
    else:
        common.print_lines(map(_line, events))
    if not events:
        common.narrate("nothing was written down for that time")
    return common.DONE


def _wanted(event: Event, args: argparse.Namespace) -> bool:
    return (not args.kind or event.kind in args.kind) and _matches(event, args.words)


async def _load(config: Config, since: float, end: float) -> tuple[Event, ...]:
    """Events of the store, if there is one (looking makes none), and what commands did."""
    from perftui.config.paths import audit_file
    from perftui.runtime.past import deeds

    async with when.stored(config) as past:
        if past is None:
            return deeds(audit_file(), config.environment.name, since, end)
        return await past.events(since, end)


def _matches(event: Event, words: Iterable[str]) -> bool:
    fields = (event.kind, event.source, event.title, event.detail, event.actor)
    text = " ".join(fields).lower()
    return all(word.lower() in text for word in words)


def _stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _lasted(event: Event) -> str:
    if event.until is None:
        return "open" if event.kind == "finding" else ""
    return f"{event.until - event.at:.1f} s"


def _line(event: Event) -> str:
    more = f"  {event.detail}" if event.detail else ""
    by = f"  by {event.actor}" if event.actor else ""
    lasted = f"  ({_lasted(event)})" if _lasted(event) else ""
    return f"{_stamp(event.at)}  {event.kind:<8}  {event.source}  {event.title}{more}{lasted}{by}"
