"""Rule files from a shell: checked, put in force, printed for a Prometheus server."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.model.action import Action
    from perftui.session import Session


def add(verbs: Any) -> None:
    """Declare `check import export`."""
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
    kinds = {name: entry.kind for name, entry in session.env.backends.items()}
    report = await desk.report()
    rules = [status.rule for status in report.rules if not status.rule.expr]
    ours, said = exported(rules, desk.group.interval, kinds, version)
    theirs, more = folded(await desk.rule_text(), version)
    for line in (*(said if args.only != "file" else ()), *(more if args.only != "own" else ())):
        common.narrate(line)
    text = {"own": ours, "file": theirs}.get(args.only) or joined(theirs, ours)
    print(clean_lines(text) if sys.stdout.isatty() else text, end="")
    return common.DONE


def clean_lines(text: str) -> str:
    """A text with its lines, and nothing in them that a terminal would obey."""
    from perftui.draw.clean import inert

    return "".join(f"{inert(line, 100_000)}\n" for line in text.splitlines())
