"""The questions behind a new rule: its name and one line, or one of a server's rules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from perftui.analysis.rulebuild import drafted, read_line, taken
from perftui.draw.clean import inert
from perftui.model.metrics import ServerRule
from perftui.screens.dialogs.rule import Draft, RuleDialog
from perftui.screens.tab import Tab

TOPIC: Final = "alerts.served"
DEADLINE: Final = 10.0
MOST: Final = 200
LINE: Final = (
    "metric, operator, threshold, for, severity, such as: host/cpu.busy_ratio > 0.9 for 5m critical"
    " (PromQL for the metric is fine too)"
)


def new_rule(tab: Tab) -> None:
    """Ask for a rule, or first whose: where a server with rules is connected there are its own too."""
    servers = tab.session.sources("PromQuerier")
    if not servers:
        _ask_name(tab)
        return
    options = [("", "a new rule"), *((name, f"a rule of the server {name}") for name in servers)]
    tab.choose("New rule", options, lambda server: _ask_served(tab, server) if server else _ask_name(tab))


def _ask_name(tab: Tab) -> None:
    tab.ask("New rule", "its name, such as CheckoutSlow", lambda name: _ask_line(tab, name.strip()))


def _ask_line(tab: Tab, name: str) -> None:
    def done(text: str) -> None:
        metric, op, threshold, hold, severity = read_line(text)
        given: dict[str, Any] = {"metric": metric, "op": op, "threshold": threshold}
        tab.perform("alerts.new", "alerts", name=name, hold=hold, severity=severity, **given)

    ask_line(tab, "New rule", LINE, "", partial(drafted, name, kinds=tab.session.env.kinds), done)


def ask_line(
    tab: Tab, title: str, prompt: str, value: str, draft: Draft, then: Callable[[str], None]
) -> None:
    """Ask for the line of a rule; what it would have done is said beside it."""

    def answered(text: str | None) -> None:
        if text is not None:
            then(text)

    tab.app.push_screen(RuleDialog(title, prompt, value, draft), answered)


def _ask_served(tab: Tab, server: str) -> None:
    """Read the server's rules, let one be chosen, and what is to be made of it."""

    async def call(power: Any) -> tuple[ServerRule, ...]:
        rules: tuple[ServerRule, ...] = await power.rules()
        tab.app.call_later(partial(_choose, tab, server, rules))
        return rules

    tab.probe(TOPIC, server, "PromQuerier", call, DEADLINE)


def _choose(tab: Tab, server: str, rules: tuple[ServerRule, ...]) -> None:
    alerting = [rule for rule in rules if rule.kind == "alerting"][:MOST]
    if not alerting:
        tab.toast(f"{server} evaluates no alerting rule", "warn")
        return
    options = [
        (str(n), f"{one.state:<8}  {inert(one.name, 40)}: {inert(one.expr, 80)}")
        for n, one in enumerate(alerting)
    ]

    def how(number: str) -> None:
        rule = alerting[int(number)]
        ways = [
            ("copy", "copy it: judged here, over the server's series"),
            ("watch", "watch what the server says of it"),
        ]
        tab.choose(inert(rule.name, 60), ways, lambda way: done(rule, way))

    def done(rule: ServerRule, way: str) -> None:
        tab.perform("alerts.new", "alerts", **taken(rule, server, watch=way == "watch"))

    tab.choose(f"Rules of {server}", options, how)
