"""Rule files from a shell: checked, and put in force."""

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
    """Declare `check import`."""
    check = verbs.add_parser("check", help="say what a Prometheus server would say to a rule file")
    check.add_argument("file", nargs="+", help="rule file, - for standard input")
    check.add_argument("--json", action="store_true", help="print JSON")
    import_ = verbs.add_parser("import", help="put a rule file in force; the version before is kept")
    import_.add_argument("file", help="rule file, - for standard input")
    common.options(import_, change=True)


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
