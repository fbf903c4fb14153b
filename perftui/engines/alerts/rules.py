"""Putting a rule file in force, with its undo."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import ClassVar

from perftui.analysis.rulefile import read_rules
from perftui.draw.clean import inert
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import PlanRejected
from perftui.model.ports import RuleKeeper
from perftui.model.rulefile import FileRule, RuleFile, RuleFileError

Report = Callable[[Progress], None]
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
        self.params = {"path": path, "sha256": digest(text), "size": len(text)}
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
