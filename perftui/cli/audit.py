"""What was done, by whom and how it ended, and whether the record of it is whole."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import time

from perftui.cli import common

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare `list verify`."""
    verbs = common.verbs(parser)
    list_ = verbs.add_parser("list", help="print what was done, newest first")
    list_.add_argument("--json", action="store_true", help="print JSON")
    list_.add_argument("--env", metavar="NAME", help="only this environment")
    list_.add_argument(
        "--since", type=span, default=0.0, metavar="2h", help="only the last while (s, m, h, d)"
    )
    list_.add_argument("--limit", type=int, default=100, metavar="N", help="at most N lines (default 100)")
    list_.add_argument("words", nargs="*", help="only lines that hold all these words")
    verify = verbs.add_parser("verify", help="check the chain; 1 when a line was changed or cut off")
    verify.add_argument("--json", action="store_true", help="print JSON")


def span(text: str) -> float:
    """`2h` as the epoch seconds it began."""
    found = re.match(r"(\d+(?:\.\d+)?)([smhd])\Z", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span such as 90s, 20m, 2h or 1d")
    return time.time() - float(found[1]) * _UNITS[found[2]]


def run(args: argparse.Namespace) -> int:
    """Do the verb."""
    return _list(args) if args.verb == "list" else _verify(args)


def _list(args: argparse.Namespace) -> int:
    from perftui.config.paths import audit_file
    from perftui.model.auditlog import AuditEntry
    from perftui.runtime.audit import Audit

    found = Audit(audit_file()).entries(1_000_000, args.since, " ".join(args.words))
    entries = [entry for entry in found if not args.env or entry.env == args.env][: args.limit]
    if args.json:
        common.say(entries)
        return common.DONE

    def line(entry: AuditEntry) -> str:
        at = dt.datetime.fromtimestamp(entry.at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
        took = f" ({entry.duration:.1f} s)" if entry.duration else ""
        return (
            f"{at}  {entry.outcome.value:<9}  {entry.env}  {entry.user}  {entry.action}  {entry.target}"
            f"  {entry.detail or entry.plan}{took}"
        )

    common.print_lines(line(entry) for entry in entries)
    return common.DONE


def _verify(args: argparse.Namespace) -> int:
    from perftui.config.paths import audit_file
    from perftui.runtime.audit import Audit

    verdict = Audit(audit_file()).verify()
    if args.json:
        common.say(verdict)
    else:
        common.print_lines([str(verdict)])
    return common.DONE if verdict.ok else common.NO
