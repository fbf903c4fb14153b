"""The dialog that says why a rule or an alert does what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from perftui.analysis.promql import parse
from perftui.draw import format as fmt
from perftui.draw.clean import inert
from perftui.draw.course import course_rows
from perftui.draw.rows import Row, Span
from perftui.draw.ruletext import condition
from perftui.draw.text import line, wrap
from perftui.model.alerts import Alert, Rule
from perftui.model.backtest import Part, Why
from perftui.screens.dialogs.base import Dialog
from perftui.screens.overview.newrule import ask_line
from perftui.screens.tab import Tab

TOPIC: Final = "alerts.why"
DEADLINE: Final = 10.0


class WhyDialog(Dialog[None]):
    """Parts of the expression with their values, then sentences."""

    wide = 110

    def __init__(self, why: Why) -> None:
        super().__init__()
        self.why = why
        self.title_text = f"Why {why.rule.name}"

    def body(self, width: int) -> Sequence[Row]:
        """The rule, its parts, what decides."""
        why = self.why
        rows: list[Row] = [*wrap(inert(condition(why.rule), 1000), width, "accent")]
        if why.rule.place:
            rows.append(line(width, Span(inert(why.rule.place, 200), "muted")))
        rows.append(())
        for part in why.parts:
            rows += _part_rows(part, why, width)
        if why.parts and not why.alerts:
            rows += [(), *wrap("no alert of it now", width, "muted")]
        if why.parts:
            rows.append(())
        for text in why.lines:
            rows += wrap(inert(text, 500), width)
        if why.course is not None:
            rows += [(), *course_rows(why.course, width, self.look)]
        return [*rows, (), (Span("esc closes", "accent"),)]

    def pressed(self, key: str) -> bool:
        """Close."""
        if key in ("enter", "q", "w"):
            self.dismiss(None)
            return True
        return False


def _part_rows(part: Part, why: Why, width: int) -> list[Row]:
    indent = "  " * part.depth
    style = "warn" if part.error else "muted"
    rows = [
        line(width, Span(indent), Span(inert(part.text, 300)), Span(f"  {inert(part.found, 200)}", style))
    ]
    for labels, value in part.values:
        names = ", ".join(f"{n}={inert(v, 60)}" for n, v in labels if n != "__name__")
        shown = fmt.value(value, why.rule.unit).strip()
        rows.append(line(width, Span(f"{indent}  "), Span(f"{shown}  ", "bold"), Span(names, "muted")))
    return rows


def ask_why(tab: Tab, alert: Alert | None, rule: Rule | None) -> None:
    """Read it and show it."""
    what = alert.fingerprint if alert is not None else rule.name if rule is not None else ""
    if not what:
        tab.toast("no rule or alert is selected", "warn")
        return

    async def call(desk: Any) -> Why:
        why: Why = await desk.explain_rule(what)
        tab.app.call_later(partial(tab.app.push_screen, WhyDialog(why)))
        return why

    tab.probe(TOPIC, "alerts", "RuleExplainer", call, DEADLINE)


def ask_rule(tab: Tab, rule: Rule | None) -> None:
    """Ask for another expression and put it in the rule file."""
    if rule is None:
        tab.toast("no rule is selected", "warn")
        return
    if not rule.expr:
        known = "t moves its threshold, [alerts.rules] in the configuration changes the rest"
        tab.toast(f"{rule.name} is no rule of the rule file: {known}", "warn")
        return

    def done(text: str) -> None:
        tab.perform("alerts.edit", "alerts", rule=rule.name, place=rule.place, expr=text)

    def draft(text: str) -> Rule:
        parse(text)
        return replace(rule, expr=text)

    prompt = f"{rule.title} in {rule.place}: the expression"
    ask_line(tab, "Edit rule", prompt, " ".join(rule.expr.split()), draft, done)
