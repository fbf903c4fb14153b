"""Putting a rule file in force, with its undo."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from perftui.analysis.promrules import SOURCE
from perftui.analysis.rulebuild import GROUP, condition, with_rule
from perftui.analysis.rulefile import read_rules, with_expression
from perftui.analysis.yamlbounds import YamlRefused
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.backtest import Backtest
from perftui.model.errors import ConfigError, PlanRejected
from perftui.model.ports import RuleKeeper
from perftui.model.rulefile import FileRule, RuleFile, RuleFileError

Report = Callable[[Progress], None]
DAY = 86400.0
Named = Mapping[tuple[str, str, int], FileRule]


class ReplaceRules:
    """Put `text` in the place of the rule file; `path` is where it was read from, for its mistakes."""

    id: ClassVar[str] = "alerts.rules"
    title: str = "Replace the rule file"
    risk: Risk = Risk.CHANGES
    deadline: float = 30.0

    def __init__(self, power: RuleKeeper, source: str, *, text: str, path: str = "rules.yml") -> None:
        self._power = power
        self._text, self._path = text, path
        self.params: dict[str, Any] = {"path": path, "sha256": digest(text), "size": len(text)}
        self.target = f"{source} {inert(path, 120)}"

    async def plan(self) -> Plan:
        """Which rules come, go and change; PlanRejected with every mistake of the file."""
        try:
            new = read_rules(self._text, self._path)
        except RuleFileError as error:
            raise PlanRejected(str(error)) from error
        before = await self._power.rule_text()
        if before == self._text:
            raise PlanRejected("the rule file says this already")
        try:
            old = read_rules(before)
        except RuleFileError:
            old = RuleFile("", ())
        said = tuple(changes(old, new))
        return Plan(
            summary=f"{len(new.rules)} rules in {len(new.groups)} groups of {inert(self._path, 120)}",
            affects=said[:20] + ((f"and {len(said) - 20} more",) if len(said) > 20 else ()),
            count=len(said),
            reversible=True,
            undo_note="the version before is in force again",
        )

    async def run(self, report: Report) -> Receipt:
        """Write it."""
        before = await self._power.rule_text()
        where = await self._power.keep_rules(self._text)
        rules = len(read_rules(self._text).rules)
        text = f"{rules} rules are in {inert(where, 200)}"
        return Receipt(text, rules, facts={"path": where}, undo={"sha256": digest(before)})

    async def undo(self, receipt: Receipt) -> Receipt:
        """Put the version before in its place again, when it still is that one."""
        before = await self._power.rule_text(previous=True)
        wanted = str((receipt.undo or {})["sha256"])
        if wanted == digest(""):
            before = ""
        elif digest(before) != wanted:
            raise PlanRejected("the version before has been replaced since")
        await self._power.keep_rules(before)
        return Receipt(f"{len(read_rules(before).rules)} rules of the version before are in force", 1)


class EditRule(ReplaceRules):
    """Another expression in the rule `rule` of the file, whose place (`file:line`) says which it is."""

    id: ClassVar[str] = "alerts.edit"
    title: str = "Edit the rule"

    def __init__(self, power: RuleKeeper, source: str, *, rule: str, place: str, expr: str) -> None:
        super().__init__(power, source, text="", path=place.rpartition(":")[0] or "rules.yml")
        self._rule, self._line, self._expr = rule, int(place.rpartition(":")[2] or 0), expr
        self.params = {"rule": rule, "place": place, "expr": expr}
        self.target = f"{source} {inert(rule, 80)}"

    async def plan(self) -> Plan:
        """What it would have done as it is and as it will be."""
        before = await self._power.rule_text()
        try:
            self._text = with_expression(before, self._line, self._expr)
        except (ValueError, YamlRefused) as error:
            raise PlanRejected(f"{self._path} has changed since: {error}") from error
        plan = await super().plan()
        said = [
            f"{word}: {_would(await self._power.backtest(text, self._rule, DAY))}"
            for word, text in (("as it will be", self._text), ("as it is", before))
        ]
        summary = f"{inert(self._rule, 80)}: {inert(' '.join(self._expr.split()), 200)}"
        return replace(plan, summary=summary, affects=tuple(said))


class AddRule(ReplaceRules):
    """One alert more at the end of a group of the file: `metric` `op` `threshold` for `hold`.

    Without `op` the metric is the whole condition. `metric` is PromQL or `backend/series`. With `server`
    the rule asks that server: `annotations` name it.
    """

    id: ClassVar[str] = "alerts.new"
    title: str = "Add a rule"

    def __init__(
        self,
        power: RuleKeeper,
        source: str,
        *,
        name: str,
        metric: str,
        op: str = "",
        threshold: float = 0.0,
        hold: str = "0s",
        severity: str = "",
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        group: str = GROUP,
        server: str = "",
    ) -> None:
        super().__init__(power, source, text="")
        self._rule, self._metric, self._group = name, metric, group
        self._condition, self._hold = (op, threshold), hold
        self._labels = {**(labels or {}), **({"severity": severity} if severity else {})}
        self._annotations = {**(annotations or {}), **({SOURCE: server} if server else {})}
        self.params = {"name": name, "metric": metric, "op": op, "threshold": threshold, "hold": hold}
        self.params |= {"labels": self._labels, "annotations": self._annotations, "group": group}
        self.target = f"{source} {inert(name, 80)}"

    async def plan(self) -> Plan:
        """The rule as it will stand in the file, and what it would have done."""
        before = await self._power.rule_text()
        op, threshold = self._condition
        try:
            metric = await self._power.metric(self._metric)
            expr = condition(metric, op, threshold) if op else metric
            self._text = with_rule(
                before,
                self._rule,
                expr,
                hold=self._hold,
                labels=tuple(self._labels.items()),
                annotations=tuple(self._annotations.items()),
                group=self._group,
            )
        except (ConfigError, ValueError, YamlRefused) as error:
            raise PlanRejected(str(error)) from error
        plan = await super().plan()
        said = (
            ""
            if SOURCE in self._annotations
            else _would(await self._power.backtest(self._text, self._rule, DAY))
        )
        kept = f" for {self._hold}" if self._hold not in ("", "0s") else ""
        summary = f"add alert {inert(f'{self._group}/{self._rule}', 100)}: {inert(expr, 200)}{kept}"
        return replace(
            plan, summary=summary, affects=(*filter(None, (said,)), *yaml_of(self._text, self._rule))
        )


def yaml_of(text: str, name: str) -> Iterable[str]:
    """The lines of a file that say the last rule of a name."""
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if line.lstrip().startswith("- alert:") and name in line]
    if not starts:
        return
    first = lines[starts[-1]]
    depth = len(first) - len(first.lstrip())
    yield inert(first, 200)
    for line in lines[starts[-1] + 1 :]:
        if not line.strip() or len(line) - len(line.lstrip()) <= depth:
            return
        yield inert(line, 200)


def _would(one: Backtest | None) -> str:
    if one is None:
        return "nothing is known of it"
    if one.error:
        return inert(one.error, 200)
    times = {0: "never", 1: "once"}.get(len(one.spells), f"{len(one.spells)} times")
    spent = f", {one.firing_s / 60:.0f} min in all, {one.night} at night" if one.spells else ""
    return f"would have fired {times}{spent} in the last 24 h"


def digest(text: str) -> str:
    """What tells one version of a file from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def changes(old: RuleFile, new: RuleFile) -> Iterable[str]:
    """What differs between two files, a line each."""
    was, now = _named(old), _named(new)
    for (group, name, _), rule in now.items():
        before = was.get((group, name, _))
        kind = "recording" if rule.record else "alert"
        if before is None:
            yield f"adds {kind} {inert(f'{group}/{name}', 100)}: {inert(' '.join(rule.expr.split()), 120)}"
        elif replace(before, line=0) != replace(rule, line=0):
            yield f"changes {kind} {inert(f'{group}/{name}', 100)}"
    for group, name, number in was.keys() - now.keys():
        yield f"removes {inert(f'{group}/{name}', 100)}" + (f" ({number + 1})" if number else "")


def _named(file: RuleFile) -> Named:
    found: dict[tuple[str, str, int], FileRule] = {}
    for group in file.groups:
        for rule in group.rules:
            number = 0
            while (group.name, rule.name, number) in found:
                number += 1
            found[group.name, rule.name, number] = rule
    return found
