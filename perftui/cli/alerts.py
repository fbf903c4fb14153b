"""Alerts from a shell: what fires, who knows, which rules there are, and the same deeds as by key."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from perftui.cli import alertbuild, alerthistory, alertrules, alertwindows, common, notices
from perftui.cli.audit import span
from perftui.model.errors import StoreError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.alerts import Alert, AlertsReport, RuleStatus
    from perftui.session import Session

STALE = 30.0  # seconds after which nobody evaluates the rules any more


def add(parser: argparse.ArgumentParser) -> None:
    """Declare `list ack silence unsilence threshold history rules`, those of rule files and of being told."""
    verbs = common.verbs(parser)
    list_ = verbs.add_parser("list", help="print the alerts as they stand")
    list_.add_argument("--firing", action="store_true", help="only those that fire")
    list_.add_argument(
        "--fail-on", choices=("info", "warning", "critical"), help="exit 1 when one so bad or worse is open"
    )
    common.options(list_)
    ack = verbs.add_parser("ack", help="acknowledge an alert; whoever is first stands")
    ack.add_argument("fingerprint", nargs="+", help="its fingerprint, or how that begins; of several: each")
    ack.add_argument("--note", default="", help="words for the others")
    ack.add_argument("--for", dest="long", type=seconds, default=0.0, metavar="2h", help="only for so long")
    silence = verbs.add_parser("silence", help="no notice of alerts that match")
    silence.add_argument("matchers", help="""such as 'source="db", severity="warning"'""")
    silence.add_argument(
        "--for", dest="long", type=seconds, default=3600.0, metavar="1h", help="how long (1h)"
    )
    silence.add_argument("--note", default="", help="words for the others")
    end = verbs.add_parser("unsilence", help="end a silence")
    end.add_argument("silence", help="its id")
    threshold = verbs.add_parser("threshold", help="move a rule's threshold, after a rehearsal on history")
    threshold.add_argument("rule", help="the rule's name")
    threshold.add_argument("value", nargs="?", type=float, help="base units; left out: as configured")
    mark = verbs.add_parser("mark", help="say that an unusual value is normal or was an incident")
    mark.add_argument("fingerprint", help="its fingerprint, or how that begins")
    mark.add_argument("what", choices=("normal", "incident"), help="the series' threshold moves up or down")
    for parser_ in (ack, silence, end, threshold, mark):
        common.options(parser_, change=True)
    alerthistory.add(verbs)
    common.options(verbs.add_parser("rules", help="print the rules in force"))
    alertrules.add(verbs)
    alertwindows.add(verbs, seconds)
    alertbuild.add(verbs)
    notices.add(verbs)


def seconds(text: str) -> float:
    """`2h` in seconds."""
    return time.time() - span(text)


def run(args: argparse.Namespace) -> int:
    """Do the verb."""
    if args.verb == "check":
        return alertrules.check(args)
    if args.verb == "server-rules":
        return common.go(alertbuild.served(args))
    return common.go(_act(args) if args.verb in _DEEDS else _look(args))


@asynccontextmanager
async def desk(args: argparse.Namespace) -> AsyncIterator[Session]:
    """A session that reads no backend and has the store open."""
    from perftui.session import Session

    config = common.configuration(args)
    session = Session.open(config, config.environment, only=set(), read_only=config.read_only)
    try:
        await session.open_memory()
        assert session.memory is not None
        if not await session.memory.store.ready():
            raise StoreError(session.memory.store.problem)
        yield session
    finally:
        await session.close()


async def _look(args: argparse.Namespace) -> int:
    async with desk(args) as session:
        if args.verb in _FILES:
            return await _FILES[args.verb](session, args)
        if args.verb in notices.LOOKS:
            return await notices.look(session, args)
        assert session.alerts is not None
        report = await session.alerts.desk.report()
    _narrate_age(report, session.env.name)
    return {"list": _list, "rules": _rules}[args.verb](report, args)


def _narrate_age(report: AlertsReport, env: str) -> None:
    if not report.evaluated:
        common.narrate(
            f"no console or agent has evaluated the rules of environment {env} yet: "
            f"`perftui run --env {env}` does"
        )
    elif time.time() - report.evaluated > STALE:
        common.narrate(
            f"nobody evaluates the rules now; this is how things stood at {_stamp(report.evaluated)}"
        )


def _list(report: AlertsReport, args: argparse.Namespace) -> int:
    shown = [a for a in report.alerts if not args.firing or a.state.value == "firing"]
    bad = args.fail_on and any(a.severity.name.lower() in _at_least(args.fail_on) for a in report.open)
    code = common.NO if bad else common.DONE
    if args.json:
        common.say(shown)
        return code

    from perftui.draw.format import against

    def line(alert: Alert) -> str:
        goal = f"  {against(alert.value, alert.op, alert.threshold, alert.unit)}" if alert.op else ""
        owner = f"  {alert.ack.who}" if alert.ack else ""
        since = _stamp(alert.fired_at or alert.began)
        severity = alert.severity.name.lower()
        head = f"{alert.fingerprint}  {alert.word:<12}  {severity:<8}  {since}"
        return f"{head}  {alert.source}  {alert.rule}  {alert.title}{goal}{owner}"

    common.print_lines(map(line, shown))
    return code


def _at_least(word: str) -> tuple[str, ...]:
    words = ("info", "warning", "critical")
    return words[words.index(word) :]


def _rules(report: AlertsReport, args: argparse.Namespace) -> int:
    from perftui.draw.ruletext import rule_text

    if args.json:
        common.say([{"status": status, "text": rule_text(status.rule)} for status in report.rules])
        return common.DONE

    def line(status: RuleStatus) -> str:
        rule = status.rule
        note = "  (off)" if rule.off else "  (set by hand)" if rule.threshold != status.default else ""
        note = f"  ({rule.place}, in place of perftui's own)" if status.replaces else note
        return f"{rule.name:<26}  {rule.severity.name.lower():<8}  {rule_text(rule)}{note}"

    common.print_lines(map(line, report.rules))
    return common.DONE


def _ack(session: Session, args: argparse.Namespace) -> Action:
    first, *others = args.fingerprint
    more = {"others": others} if others else {}
    return session.action(
        "alerts.ack", "alerts", fingerprint=first, note=args.note, seconds=args.long, **more
    )


def _silence(session: Session, args: argparse.Namespace) -> Action:
    return session.action(
        "alerts.silence", "alerts", matchers=args.matchers, seconds=args.long, note=args.note
    )


def _unsilence(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.unsilence", "alerts", silence=args.silence)


def _threshold(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.threshold", "alerts", rule=args.rule, threshold=args.value)


def _mark(session: Session, args: argparse.Namespace) -> Action:
    return session.action("alerts.mark", "alerts", fingerprint=args.fingerprint, what=args.what)


_DEEDS = {
    "mark": _mark,
    "ack": _ack,
    "silence": _silence,
    "unsilence": _unsilence,
    "threshold": _threshold,
    "import": alertrules.replacing,
    "new": alertbuild.making,
    "copy": alertbuild.making,
    **alertwindows.DEEDS,
    **notices.DEEDS,
}


_FILES = {
    "export": alertrules.export,
    "backtest": alertrules.backtest,
    "why": alertrules.why,
    "slo": alertrules.slo,
    "history": alerthistory.run,
    "noise": alerthistory.noise,
    "silences": alertwindows.silences,
    "calendars": alertwindows.calendars,
}


async def _act(args: argparse.Namespace) -> int:
    async with desk(args) as session:
        asked = alertbuild.copying(session, args) if args.verb == "copy" else None
        action = await asked if asked else _DEEDS[args.verb](session, args)
        return await common.perform(session, action, args)


def _stamp(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
