"""A rule as one line: the same on screen, from a shell and in the documentation."""

from __future__ import annotations

from perftui.analysis.metricnames import unit_of
from perftui.draw import format as fmt
from perftui.model.alerts import Rule


def rule_text(rule: Rule) -> str:
    """What it fires on; figures in the units of what they are compared with, an expression as it stands."""
    hold = f" for {fmt.life(rule.hold)}" if rule.hold else ""
    if rule.expr:
        kept = f" keep {fmt.life(rule.keep)}" if rule.keep else ""
        return f"{' '.join(rule.expr.split())}{hold}{kept}"
    value = (
        str(rule.series) if rule.how == "last" else f"{rule.how} over {fmt.life(rule.over)} of {rule.series}"
    )
    value += f" / {rule.per}" if rule.per else ""
    return f"{value} {rule.op} {fmt.value(rule.threshold, rule.unit).strip()}{hold}{_guard(rule)}"


def condition(rule: Rule) -> str:
    """What it fires on, or that an engine finds it."""
    return "an engine finds it, with its own evidence" if rule.of_finding else rule_text(rule)


def _guard(rule: Rule) -> str:
    """The least traffic that something is concluded from."""
    if not rule.traffic:
        return ""
    return f" while {' + '.join(rule.traffic)} >= {fmt.value(rule.traffic_above, unit_of(rule.traffic[0]))}"
