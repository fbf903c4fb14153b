"""New rules from a shell: built from metric, operator and threshold, or taken from a Prometheus server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from perftui.cli import common
from perftui.model.errors import ConfigError

if TYPE_CHECKING:
    from perftui.config import Config
    from perftui.model.action import Action
    from perftui.model.metrics import ServerRule
    from perftui.session import Session

OPERATORS = (">", "<", ">=", "<=", "==", "!=", "above", "below")


def add(verbs: Any) -> None:
    """Declare `new server-rules copy`."""
    new = verbs.add_parser("new", help="add a rule to the rule file; the plan says what it would have done")
    new.add_argument("name", help="of the alert, such as CheckoutSlow")
    new.add_argument("metric", help="backend/series, or PromQL")
    new.add_argument("op", choices=OPERATORS, help="how it is compared")
    new.add_argument("threshold", type=float, help="base units")
    new.add_argument("--for", dest="hold", default="0s", metavar="5m", help="how long it must be true (0s)")
    new.add_argument(
        "--severity", choices=("info", "warning", "critical"), default="warning", help="how bad (warning)"
    )
    new.add_argument("--group", default="built", help="group of the rule file (built)")
    copy = verbs.add_parser("copy", help="copy a server's rule into the rule file, or watch it there")
    served_ = verbs.add_parser("server-rules", help="print the rules a Prometheus server evaluates")
    for parser in (served_, copy):
        parser.add_argument("server", help="its backend's name")
    copy.add_argument("rule", help="name of the rule")
    copy.add_argument("--watch", action="store_true", help="watch what the server says of it instead")
    common.options(served_)
    for parser in (new, copy):
        common.options(parser, change=True)


def making(session: Session, args: argparse.Namespace) -> Action:
    """The action behind `new`."""
    return session.action(
        "alerts.new",
        "alerts",
        name=args.name,
        metric=args.metric,
        op=args.op,
        threshold=args.threshold,
        hold=args.hold,
        severity=args.severity,
        group=args.group,
    )


async def copying(session: Session, args: argparse.Namespace) -> Action:
    """The action behind `copy`, once the server has told its rules."""
    from perftui.analysis.rulebuild import taken

    if args.server not in session.env.backends:
        raise ConfigError(f"{args.server} is no backend of {session.env.name}: the rule would ask it by name")
    rules = [rule for rule in await _rules(session.config, args.server) if rule.kind == "alerting"]
    found = [rule for rule in rules if rule.name == args.rule]
    if not found:
        known = ", ".join(sorted({rule.name for rule in rules})[:20]) or "none"
        raise ConfigError(f"{args.server} has no alerting rule {args.rule}; it has {known}")
    return session.action("alerts.new", "alerts", **taken(found[0], args.server, watch=args.watch))


async def served(args: argparse.Namespace) -> int:
    """A line a rule, with its state there."""
    rules = await _rules(common.configuration(args), args.server)
    if args.json:
        common.say(rules)
        return common.DONE
    from perftui.draw.format import life

    common.print_lines(
        f"{one.state or one.kind:<9}  {one.health:<4}  {one.group}/{one.name}: {' '.join(one.expr.split())}"
        + (f" for {life(one.hold)}" if one.hold else "")
        + (f"  {one.error}" if one.error else "")
        for one in rules
    )
    return common.DONE


async def _rules(config: Config, server: str) -> tuple[ServerRule, ...]:
    from perftui.cli.monitor_query import server_of

    asked = server_of(config, server)
    try:
        await asked.open()
        return await asked.rules()
    finally:
        await asked.close()
