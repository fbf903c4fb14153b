"""Who is told of alerts, from a shell: the way an alert takes, a test of a channel, what was delivered."""

from __future__ import annotations

import argparse
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.elsewhere import Held
    from perftui.model.notify import Delivery, Route
    from perftui.session import Session

LOOKS = ("route", "deliveries", "channels", "oncall", "elsewhere")


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare `route test deliveries channels oncall elsewhere assign comment`."""
    route = verbs.add_parser("route", help="print which channels hear of an alert, and why")
    route.add_argument("labels", help="""such as '{severity="critical", source="db"}', or a fingerprint""")
    test = verbs.add_parser("test", help="send one message through a channel, marked as a test")
    test.add_argument("channel", help="its name in the configuration")
    deliveries = verbs.add_parser("deliveries", help="print who was told of what, and how that went")
    deliveries.add_argument("--alert", default="", metavar="FINGERPRINT", help="only about this alert")
    channels = verbs.add_parser("channels", help="print the channels as they stand")
    oncall = verbs.add_parser("oncall", help="print who would be called now, and by which schedule or rota")
    elsewhere = verbs.add_parser("elsewhere", help="print the alerts and silences that Alertmanagers hold")
    assign = verbs.add_parser("assign", help="say who sees to an alert, or to several")
    assign.add_argument("fingerprint", nargs="+", help="its fingerprint, or how that begins")
    assign.add_argument("who", help="""a name; "" for nobody""")
    comment = verbs.add_parser("comment", help="leave a word in an alert's history, or in that of several")
    comment.add_argument("fingerprint", nargs="+", help="its fingerprint, or how that begins")
    comment.add_argument("text", help="the words")
    for parser in (route, deliveries, channels, oncall, elsewhere):
        common.options(parser)
    for parser in (test, assign, comment):
        common.options(parser, change=True)


async def look(session: Session, args: argparse.Namespace) -> int:
    """One of `LOOKS`; `route` answers 1 when nobody would be told, `oncall` when nobody would be called."""
    return await _LOOKS[args.verb](session, args)


async def _route(session: Session, args: argparse.Namespace) -> int:
    assert session.alerts is not None
    desk = session.alerts.desk
    if args.labels.lstrip().startswith("{") or "=" in args.labels:
        ways = desk.route_of(_labels(args.labels))
    else:
        ways = desk.route_of_alert(await desk.alert(args.labels))
    known = desk.telling.ways
    told = [name for way in ways for name in way[-1].channels if name in known]
    if args.json:
        rows = [{"path": [r.name for r in way], "route": way[-1]} for way in ways]
        common.say({"channels": list(dict.fromkeys(told)), "ways": rows})
    else:
        common.print_lines(map(_way, ways))
    if not told:
        common.narrate(
            "no one will be told" + ("" if known else ": no channel is configured, [channels.NAME]")
        )
    return common.DONE if told else common.NO


def _labels(text: str) -> dict[str, str]:
    from perftui.analysis.matchers import parse_matchers

    matchers = parse_matchers(text)
    for one in matchers:
        if one.op != "=":
            raise ConfigError(f'{one}: an alert has labels, each with one value: write name="value"')
    return {one.name: one.value for one in matchers}


def _way(way: tuple[Route, ...]) -> str:
    last = way[-1]
    path = " → ".join(_step(route) for route in way)
    times = f"wait {last.group_wait:g} s, change {last.group_interval:g} s, repeat {last.repeat_interval:g} s"
    then = f"; without an acknowledgement: {last.escalation}" if last.escalation else ""
    return f"{path} → {', '.join(last.channels) or 'nobody'}  (by {', '.join(last.group_by)}; {times}{then})"


def _step(route: Route) -> str:
    matchers = ", ".join(map(str, route.matchers))
    return f"{route.name} {{{matchers}}}"


async def _deliveries(session: Session, args: argparse.Namespace) -> int:
    assert session.alerts is not None
    found = await session.alerts.desk.deliveries(args.alert)
    if args.json:
        common.say(found)
        return common.DONE

    def line(one: Delivery) -> str:
        went = f"sent {_stamp(one.sent_at)}" if one.sent_at else one.state.value
        tries = f" after {one.tries} tries" if one.tries > 1 else ""
        tail = "  ".join(text for text in (one.to, one.said) if text)
        return (
            f"{_stamp(one.at)}  {one.channel:<12}  {one.what.value:<11}  {went}{tries}  {one.title}  {tail}"
        )

    common.print_lines(map(line, found))
    return common.DONE


async def _channels(session: Session, args: argparse.Namespace) -> int:
    assert session.alerts is not None
    report = await session.alerts.desk.notices()
    if args.json:
        common.say(report.channels)
        return common.DONE
    from perftui.draw.notices import channel_words

    common.print_lines(f"{one.name:<16}  {one.kind:<12}  {channel_words(one)}" for one in report.channels)
    if not report.channels:
        common.narrate("no one will be told: no channel is configured, [channels.NAME]")
    return common.DONE


async def _oncall(session: Session, args: argparse.Namespace) -> int:
    assert session.alerts is not None
    report = await session.alerts.desk.oncall()
    if args.json:
        common.say(report)
    else:
        common.print_lines([report.words])
    return common.DONE if report.first else common.NO


async def _elsewhere(session: Session, args: argparse.Namespace) -> int:
    assert session.alerts is not None
    found = await session.alerts.desk.elsewhere()
    if args.json:
        common.say(found)
    for each in found:
        if each.said:
            common.narrate(f"{each.channel}: {each.said}")
    if not found:
        common.narrate("there is no channel of kind alertmanager to read, [channels.NAME]")
    if not args.json:
        common.print_lines(line for each in found for line in _held(each))
    return common.LOST if any(each.said for each in found) else common.DONE if found else common.NO


def _held(each: Held) -> Iterator[str]:
    for a in each.alerts:
        told = ", ".join(a.receivers)
        yield f"{each.channel}  {a.state:<9}  {a.severity:<8}  {_stamp(a.since)}  {a.rule}  {a.title}  {told}"
    for s in each.silences:
        head = f"{each.channel}  silence    until {_stamp(s.until)}"
        yield f"{head}  {', '.join(s.matchers)}  {s.who}  {s.note}"


def _test(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.test", "alerts", channel=args.channel)


def _assign(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.assign", "alerts", who=args.who, **_marks(args))


def _comment(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.comment", "alerts", text=args.text, **_marks(args))


def _marks(args: argparse.Namespace) -> dict[str, Any]:
    first, *others = args.fingerprint
    return {"fingerprint": first, "others": others}


_LOOKS = {
    "route": _route,
    "deliveries": _deliveries,
    "channels": _channels,
    "oncall": _oncall,
    "elsewhere": _elsewhere,
}
DEEDS = {"test": _test, "assign": _assign, "comment": _comment}


def _stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
