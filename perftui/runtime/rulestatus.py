"""How every rule stands after an evaluation, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from perftui.model.alerts import Alert, AlertState, Rule, RuleStatus
from perftui.runtime.sights import finding_rule


def statuses(
    own: Sequence[Rule],
    configured: Iterable[Rule],
    filed: Sequence[Rule],
    shown: Iterable[Alert],
    figures: Callable[[str], Mapping[str, Any]],
) -> tuple[RuleStatus, ...]:
    """Of rules evaluated as our own, of a file's, and of findings that alert, in this order.

    `configured` are our own as they would be if nobody had set a threshold and no file replaced any.
    """
    live = Counter((alert.rule, alert.state) for alert in shown if alert.state is not AlertState.RESOLVED)
    defaults = {rule.name: rule.threshold for rule in configured}
    known = {rule.name for rule in (*own, *filed)}
    findings = [finding_rule(name) for name in sorted({name for name, _ in live} - known)]
    theirs = frozenset(rule.name for rule in filed)
    return tuple(
        RuleStatus(
            rule,
            0.0 if rule.name in theirs else defaults.get(rule.name, rule.threshold),
            live[rule.name, AlertState.PENDING],
            live[rule.name, AlertState.FIRING],
            replaces=replaces(rule, defaults),
            **figures(rule.name),
        )
        for rule in (*own, *filed, *findings)
    )


def replaces(rule: Rule, own: Iterable[str]) -> bool:
    """Whether an alert of a file holds instead of one of our `own` rules."""
    return bool(rule.expr) and not rule.record and rule.title in own
