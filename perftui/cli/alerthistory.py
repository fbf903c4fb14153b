"""What happened to alerts, from a shell: narrowed, as lines, JSON or a table for spreadsheets."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.cli.audit import span

if TYPE_CHECKING:
    from perftui.model.alerts import AlertEvent, RuleStats
    from perftui.session import Session

WEEK = 7 * 86400.0
DAYS_30 = 30 * 86400.0
MOST = 50_000
HEADER = ("time", "kind", "rule", "severity", "source", "title", "value", "who", "note", "fingerprint")


def add(verbs: Any) -> None:
    """Declare `history` and `noise`."""
    history = verbs.add_parser("history", help="print what happened, and each rule's figures")
    history.add_argument("--rule", default="", metavar="NAME", help="only this rule")
    history.add_argument("--match", default="", metavar="MATCHERS", help="""such as 'severity="critical"'""")
    history.add_argument("--who", default="", metavar="NAME", help="only what this person did")
    history.add_argument("--kind", default="", metavar="WORD", help="only firing, resolved, acknowledged, …")
    history.add_argument("--since", type=span, default=0.0, metavar="2h", help="only the last while (30d)")
    history.add_argument("--until", type=span, default=0.0, metavar="1h", help="only what is older than this")
    history.add_argument("--csv", action="store_true", help="print a table for spreadsheets")
    common.options(history)
    noise = verbs.add_parser("noise", help="print how noisy alerts were, for whom, and what would cure it")
    noise.add_argument("--since", type=span, default=0.0, metavar="7d", help="the last while (7d)")
    common.options(noise)


async def run(session: Session, args: argparse.Namespace) -> int:
    """Print the lines that match, newest first."""
    from perftui.analysis.alertquiet import stats

    assert session.alerts is not None
    now = time.time()
    past = await session.alerts.desk.events(args.since or now - DAYS_30, MOST)
    if len(past) == MOST:
        common.narrate(f"only the newest {MOST:,} lines were looked at: narrow it with --since")
    wanted = _wanted(args)
    found = [event for event in past if wanted(event)]
    rules = {event.rule for event in found}
    figures = [one for one in stats(past, args.until or now) if one.rule in rules]
    if args.json:
        common.say({"events": found, "rules": figures})
    elif args.csv:
        _table(found)
    else:
        if not found:
            common.narrate("no alert did anything in that time")
        common.print_lines(map(_line, reversed(found)))
        common.print_lines(map(_figures, figures))
    return common.DONE


async def noise(session: Session, args: argparse.Namespace) -> int:
    """Print the report."""
    assert session.alerts is not None
    now = time.time()
    report = await session.alerts.desk.noise(args.since or now - WEEK, now)
    if args.json:
        common.say(report)
    else:
        from perftui.draw.noise import lines

        common.print_lines(lines(report))
    return common.DONE


def _wanted(args: argparse.Namespace) -> Callable[[AlertEvent], bool]:
    from perftui.analysis.matchers import matches, parse_matchers

    matchers = parse_matchers(args.match)

    def holds(event: AlertEvent) -> bool:
        names = {"rule": event.rule, "alertname": event.rule, "source": event.source, "kind": event.kind}
        known = {**names, "severity": event.severity.name.lower(), **dict(event.labels)}
        return (
            args.rule in ("", event.rule)
            and args.kind in ("", event.kind)
            and (not args.who or args.who in (event.who, event.who.partition("@")[0]))
            and (not args.until or event.at <= args.until)
            and matches(matchers, known)
        )

    return holds


def _table(found: Sequence[AlertEvent]) -> None:
    from perftui.export.csv import table

    table(sys.stdout, HEADER, (_row(event) for event in found))


def _row(event: AlertEvent) -> Sequence[object]:
    at = dt.datetime.fromtimestamp(event.at, dt.UTC).isoformat()
    head = (at, event.kind, event.rule, event.severity.name.lower(), event.source, event.title)
    return (*head, event.value, event.who, event.note, event.fingerprint)


def _line(event: AlertEvent) -> str:
    tail = "  ".join(text for text in (event.who, event.note) if text)
    at = dt.datetime.fromtimestamp(event.at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{at}  {event.kind:<14}  {event.rule}  {event.source}  {event.title}  {tail}"


def _figures(one: RuleStats) -> str:
    means = (("to acknowledge", one.mtta_s), ("to resolve", one.mttr_s))
    said = "".join(f", {value:.0f} s {word} on average" for word, value in means if value is not None)
    return f"{one.rule}: fired {one.fired}, {one.firing_s:.0f} s in all{said}"
