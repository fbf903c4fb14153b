"""Silences and maintenance windows from a shell: what is hushed now and next, and windows that come again."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from perftui.cli import common
from perftui.config.quiet import WEEKDAYS
from perftui.draw.clean import inert
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.alerts import Maintenance, Silence
    from perftui.model.calendar import Occasion
    from perftui.session import Session


def add(verbs: Any, seconds: Callable[[str], float]) -> None:
    """Declare `silences maintain unmaintain`."""
    list_ = verbs.add_parser(
        "silences", help="print what is silenced, and maintenance windows with their times"
    )
    common.options(list_)
    days = verbs.add_parser("calendars", help="print the holidays and planned events that calendars name")
    days.add_argument("name", nargs="?", default="", help="of one calendar; left out: all")
    days.add_argument("--days", type=float, default=60.0, metavar="60", help="how far ahead (60)")
    common.options(days)
    new = verbs.add_parser("maintain", help="hush what matches at times that come again")
    new.add_argument("name", help="of the window, such as nightly-backup")
    new.add_argument("matchers", help="""such as 'source=~"db.*"'""")
    new.add_argument(
        "--when", required=True, help="`sat 02:00`, `mon-fri 22:30`, `daily 03:00`, cron, or `calendar NAME`"
    )
    new.add_argument(
        "--for", dest="long", type=seconds, default=3600.0, metavar="1h", help="how long each time (1h)"
    )
    new.add_argument("--zone", default="UTC", help="time zone of `--when`, such as Europe/Berlin (UTC)")
    new.add_argument("--note", default="", help="words for the others")
    gone = verbs.add_parser("unmaintain", help="take a maintenance window away")
    gone.add_argument("name", help="of the window")
    for parser in (new, gone):
        common.options(parser, change=True)


async def silences(session: Session, args: argparse.Namespace) -> int:
    """What is hushed now or next; windows with their next five times."""
    from perftui.analysis.maintenance import next_times

    assert session.alerts is not None
    desk = session.alerts.desk
    now, shown, windows = time.time(), (await desk.report()).silences, await desk.windows()
    known = (await desk.calendars()).occasions
    times = {one.id: next_times(one, now, occasions=known) for one in windows}
    if args.json:
        common.say({"silences": shown, "windows": [{"window": w, "next": times[w.id]} for w in windows]})
        return common.DONE
    if not shown and not windows:
        common.narrate("nothing is silenced, and no maintenance window is planned")
    common.print_lines(_said(one, now) for one in shown)
    common.print_lines(_window(one, times[one.id]) for one in windows)
    return common.DONE


async def calendars(session: Session, args: argparse.Namespace) -> int:
    """What the calendars say from now on, and what cannot be used of them; 1 when there is such."""
    assert session.alerts is not None
    report = await session.alerts.desk.calendars()
    names = report.names
    if args.name:
        if args.name not in names:
            raise ConfigError(f"there is no calendar {args.name} in [alerts.calendars]")
        names = (args.name,)
    until = report.at + args.days * 86400
    shown = [one for one in report.occasions if one.calendar in names and one.start < until]
    shown = [one for one in shown if one.end > report.at]
    problems = {name: said for name, said in report.problems.items() if name in names}
    if args.json:
        common.say({"calendars": names, "occasions": shown, "problems": problems})
        return common.NO if problems else common.DONE
    common.print_lines(map(_occasion, shown))
    if not names:
        common.narrate('no calendar is configured: [alerts.calendars.NAME] with file = "….ics"')
    for name, said in problems.items():
        for words in said:
            common.narrate(f"{name}: {inert(words, 200)}")
    return common.NO if problems else common.DONE


def _occasion(one: Occasion) -> str:
    """In its calendar's own zone, which says what a day is."""
    zone = ZoneInfo(one.timezone)
    starts, ends = (dt.datetime.fromtimestamp(at, zone) for at in (one.start, one.end))
    like = f"like {WEEKDAYS[one.like]}" if one.like is not None else "left aside"
    span = f"{starts:%a %Y-%m-%d %H:%M} to {ends:%a %Y-%m-%d %H:%M} {one.timezone}"
    return f"{span}  {inert(one.title, 80)}  ({one.calendar}: {like})"


def _said(one: Silence, now: float) -> str:
    word = f"until {_stamp(one.until)}" if one.runs(now) else f"from  {_stamp(one.starts)}"
    tail = "  ".join(text for text in (one.who, one.note) if text)
    return f"{one.id:<24}  {word}  {', '.join(map(str, one.matchers))}  {tail}".rstrip()


def _window(one: Maintenance, times: tuple[float, ...]) -> str:
    next_ = ", ".join(_stamp(at)[:-3] for at in times)
    where = f"  ({one.place})" if one.place else ""
    long = "" if one.calendar else f" for {one.lasting:g} s"
    return f"{one.id:<24}  {one.again}{long}; next {next_ or 'none known'} UTC{where}"


def _maintain(session: Session, args: argparse.Namespace) -> Action:
    return session.action(
        "alerts.maintain",
        "alerts",
        name=args.name,
        matchers=args.matchers,
        when=args.when,
        seconds=round(args.long),
        timezone=args.zone,
        note=args.note,
    )


def _unmaintain(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.unmaintain", "alerts", name=args.name)


DEEDS = {"maintain": _maintain, "unmaintain": _unmaintain}


def _stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
