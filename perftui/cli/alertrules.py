"""Rule files from a shell: checked, put in force, printed for a Prometheus server."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.cli.audit import span
from perftui.model.errors import BackendError, ConfigError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.model.backtest import Backtest, Course, Why
    from perftui.model.metrics import Speech
    from perftui.session import Session

DAY = 86400.0


def add(verbs: Any) -> None:
    """Declare `check import export backtest slo why`."""
    check = verbs.add_parser("check", help="say what a Prometheus server would say to a rule file")
    check.add_argument("file", nargs="+", help="rule file, - for standard input")
    check.add_argument("--json", action="store_true", help="print JSON")
    import_ = verbs.add_parser("import", help="put a rule file in force; the version before is kept")
    import_.add_argument("file", help="rule file, - for standard input")
    common.options(import_, change=True)
    export = verbs.add_parser("export", help="print the rules in force as a rule file for Prometheus")
    export.add_argument("--for", dest="version", default="", metavar="2.42", help="what this server knows")
    export.add_argument("--only", choices=("own", "file"), help="those of perftui, or those of the rule file")
    common.options(export, json_=False)
    backtest = verbs.add_parser("backtest", help="say what rules would have done on what was recorded")
    backtest.add_argument("file", nargs="?", default="", help="rule file; the rules in force when left out")
    backtest.add_argument("--rule", default="", metavar="NAME", help="only this rule")
    backtest.add_argument("--since", type=span, default=0.0, metavar="24h", help="how far back (24h)")
    common.options(backtest)
    slo = verbs.add_parser("slo", help="print rules for a promise: burn-rate alerts and the budget left")
    slo.add_argument("name", help="of the promise, such as checkout")
    slo.add_argument("--objective", type=float, required=True, metavar="99.9", help="percent that goes well")
    slo.add_argument(
        "--ratio", required=True, metavar="EXPR", help="of what fails, with $window for its range"
    )
    slo.add_argument("--days", type=int, default=30, help="how long the promise reaches (30)")
    slo.add_argument("--add", action="store_true", help="put them in the rule file")
    common.options(slo, change=True)
    why = verbs.add_parser("why", help="say why a rule or an alert does what it does, or doesn't")
    why.add_argument("what", metavar="RULE|FINGERPRINT", help="a rule's name, or how a fingerprint begins")
    common.options(why)


def read(path: str) -> str:
    """A file's text; ConfigError when it cannot be had."""
    from perftui.analysis.yamlbounds import LARGEST

    try:
        if path == "-":
            return sys.stdin.read(LARGEST + 1)
        with open(path, encoding="utf-8") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8") from error


def check(args: argparse.Namespace) -> int:
    """Exit 1 when a file would be refused."""
    from perftui.analysis.rulefile import read_rules
    from perftui.model.rulefile import RuleFileError

    found: list[dict[str, Any]] = []
    for path in args.file:
        text = read(path)
        try:
            file = read_rules(text, path)
            found.append({"path": path, "groups": len(file.groups), "rules": len(file.rules), "mistakes": []})
        except RuleFileError as error:
            found.append({"path": path, "groups": 0, "rules": 0, "mistakes": error.mistakes})
    if args.json:
        common.say(found)
    for one in () if args.json else found:
        counted = f"{one['path']}: {one['rules']} rules in {one['groups']} groups"
        lines = [line for m in one["mistakes"] for line in m.at(one["path"]).splitlines()]
        common.print_lines(lines or [counted])
    return common.NO if any(one["mistakes"] for one in found) else common.DONE


def replacing(session: Session, args: argparse.Namespace) -> Action:
    """The action behind `import`."""
    path = "stdin" if args.file == "-" else args.file
    return session.action("alerts.rules", "alerts", text=read(args.file), path=path)


async def export(session: Session, args: argparse.Namespace) -> int:
    """The rules in force; what the server does not know is told on stderr."""
    from perftui.analysis.ruleexport import NEWEST, exported, folded, joined, version_of

    assert session.alerts is not None
    desk, version = session.alerts.desk, version_of(args.version) if args.version else NEWEST
    kinds = session.env.kinds
    report = await desk.report()
    rules = [status.rule for status in report.rules if not status.rule.expr]
    ours, said = exported(rules, desk.group.interval, kinds, version)
    theirs, more = folded(await desk.rule_text(), version)
    for line in (*(said if args.only != "file" else ()), *(more if args.only != "own" else ())):
        common.narrate(line)
    both = (
        joined(theirs, ours, into=True)
        if any(not rule.off for rule in rules) or not theirs.strip()
        else theirs
    )
    text = {"own": ours, "file": theirs}.get(args.only) or both
    print(clean_lines(text) if sys.stdout.isatty() else text, end="")
    return common.DONE


def clean_lines(text: str) -> str:
    """A text with its lines, and nothing in them that a terminal would obey."""
    from perftui.draw.clean import inert

    return "".join(f"{inert(line, 100_000)}\n" for line in text.splitlines())


async def backtest(session: Session, args: argparse.Namespace) -> int:
    """A few lines a rule: how often, how long, when last, and what another `for` or threshold would do."""
    from perftui.draw.backtest import of_incidents

    end = time.time()
    start = args.since or end - DAY
    found = [one async for one in _backtests(session, args, start, end)]
    if not found:
        raise ConfigError(f"there is no rule {args.rule}" if args.rule else "there is no rule")
    assert session.alerts is not None
    real = await session.alerts.desk.real(found, start, end)
    if args.json:
        common.say({"rules": found, "incidents": real})
    for one in () if args.json else found:
        common.print_lines(said(one))
    if real and not args.json:
        common.print_lines(of_incidents(real))
    return common.NO if all(one.error for one in found) else common.DONE


async def _backtests(
    session: Session, args: argparse.Namespace, start: float, end: float
) -> AsyncIterator[Backtest]:
    from perftui.analysis.promrules import groups_of
    from perftui.analysis.rulefile import read_rules

    assert session.alerts is not None
    desk, tester = session.alerts.desk, session.alerts.backtester
    if args.file:
        groups = groups_of(read_rules(read(args.file), args.file))
    else:
        report = await desk.report()
        groups = desk.shelf.groups
        own = [s.rule for s in report.rules if not s.rule.expr and args.rule in ("", s.rule.name)]
        async for one in tester.own(own, start, end):
            yield one
    async for one in tester.groups(groups, start, end, args.rule):
        yield one


def said(one: Backtest) -> Iterator[str]:
    """A backtest as lines."""
    from perftui.draw.backtest import choices, firings, verdict

    yield f"{one.rule.name:<26}  {one.error or verdict(one)}"
    for text in (*firings(one), *choices(one)) if one.spells and not one.error else ():
        yield f"{'':<28}{text}"


async def why(session: Session, args: argparse.Namespace) -> int:
    """The rule, its parts with their values, and what decides about its alerts."""
    assert session.alerts is not None
    session.alerts.desk.read_as(await _speech(session))
    found = await session.alerts.desk.explain_rule(args.what)
    if args.json:
        common.say(found)
    else:
        common.print_lines(why_lines(found))
        if found.course is not None:
            common.print_lines(drawn(found.course, common.columns()))
    return common.DONE


async def _speech(session: Session) -> Speech:
    """The dialect of the environment's server; generation 2 where there is none, or it does not answer."""
    from perftui.cli.monitor_query import server_of
    from perftui.model.metrics import Speech

    name = next((n for n, kind in session.env.kinds.items() if kind == "prometheus"), "")
    if not name:
        return Speech()
    server = server_of(session.config, name)
    try:
        await server.open()
        return Speech(name, (await server.flavour()).dialect)
    except BackendError as error:
        common.narrate(f"{error}")
        return Speech()
    finally:
        await server.close()


def why_lines(why: Why) -> Iterator[str]:
    """All of it as lines; values as of what history has, a minute old at most."""
    from perftui.draw import format as fmt
    from perftui.draw.ruletext import condition

    yield f"{why.rule.name}: {condition(why.rule)}" + (f"  ({why.rule.place})" if why.rule.place else "")
    for part in why.parts:
        yield f"  {'  ' * part.depth}{part.text}  {part.found}"
        for labels, value in part.values:
            names = ", ".join(f"{name}={text}" for name, text in labels if name != "__name__")
            shown = fmt.value(value, why.rule.unit).strip()
            yield f"  {'  ' * part.depth}  {shown}  {names}"
    if not why.alerts and why.parts:
        yield "no alert of it now"
    yield from why.lines


def drawn(course: Course, width: int) -> list[str]:
    """The value around the firing as text, with the threshold and the instants."""
    from perftui.draw.course import course_rows
    from perftui.draw.rows import Look, plain

    return ["", *plain(course_rows(course, width, Look(colour=False)))]


async def slo(session: Session, args: argparse.Namespace) -> int:
    """A promise as rules: printed, or added to the rule file."""
    from perftui.analysis.burnrate import Promise, promise_rules
    from perftui.analysis.ruleexport import joined
    from perftui.analysis.rulefile import read_rules

    assert session.alerts is not None
    text = promise_rules(Promise(args.name, round(args.objective / 100, 9), args.ratio, args.days))
    read_rules(text, f"slo {args.name}")
    if not args.add:
        print(text, end="")
        return common.DONE
    whole = joined(await session.alerts.desk.rule_text(), text)
    action = session.action("alerts.rules", "alerts", text=whole, path=f"slo {args.name}")
    return await common.perform(session, action, args)
