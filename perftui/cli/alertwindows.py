"""Silences and maintenance windows from a shell: what is hushed now and next, and windows that come again."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perftui.cli import common

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.alerts import Maintenance, Silence
    from perftui.session import Session


def add(verbs: Any, seconds: Callable[[str], float]) -> None:
    """Declare `silences maintain unmaintain`."""
    list_ = verbs.add_parser(
        "silences", help="print what is silenced, and maintenance windows with their times"
    )
    common.options(list_)
    new = verbs.add_parser("maintain", help="hush what matches at times that come again")
    new.add_argument("name", help="of the window, such as nightly-backup")
    new.add_argument("matchers", help="""such as 'source=~"db.*"'""")
    new.add_argument("--when", required=True, help="`sat 02:00`, `mon-fri 22:30`, `daily 03:00`, or cron")
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
    times = {one.id: next_times(one, now) for one in windows}
    if args.json:
        common.say({"silences": shown, "windows": [{"window": w, "next": times[w.id]} for w in windows]})
        return common.DONE
    common.print_lines(_said(one, now) for one in shown)
    common.print_lines(_window(one, times[one.id]) for one in windows)
    return common.DONE


def _said(one: Silence, now: float) -> str:
    word = f"until {_stamp(one.until)}" if one.runs(now) else f"from  {_stamp(one.starts)}"
    tail = "  ".join(text for text in (one.who, one.note) if text)
    return f"{one.id:<24}  {word}  {', '.join(map(str, one.matchers))}  {tail}".rstrip()


def _window(one: Maintenance, times: tuple[float, ...]) -> str:
    next_ = ", ".join(_stamp(at)[:-3] for at in times)
    where = f"  ({one.place})" if one.place else ""
    return f"{one.id:<24}  {one.cron} {one.timezone} for {one.lasting:g} s; next {next_} UTC{where}"


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
