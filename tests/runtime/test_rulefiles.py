"""The rule file on disk: what is wrong never takes the place of what is in force."""

from __future__ import annotations

import os

import pytest

from perftui.draw.ruletext import rule_text
from perftui.engines.alerts.rules import EditRule, ReplaceRules
from perftui.model.alerts import RuleGroup
from perftui.model.errors import ActionError, PlanRejected
from perftui.model.finding import Severity
from perftui.model.ports import RuleKeeper
from perftui.model.rulefile import RuleFileError
from perftui.runtime.alertdesk import Desk
from perftui.runtime.clock import Clock
from perftui.runtime.rulefiles import RuleShelf

RULES = """\
groups:
- name: shop
  interval: 30s
  limit: 3
  rules:
  - alert: Down
    expr: up == 0
    for: 1m
    labels: {severity: page}
- name: other
  rules:
  - alert: Slow
    expr: latency > 1
  - alert: Down
    expr: down
  - alert: Down
    expr: down2
"""


def told(progress):
    return None


@pytest.fixture
def desk(tmp_path):
    group = RuleGroup("rules", (), file=str(tmp_path / "conf" / "rules.yml"))
    return Desk(group, {}, Clock(), None, None, lambda: None)


async def test_a_file_is_read_when_it_changes(tmp_path):
    path = tmp_path / "rules.yml"
    shelf = RuleShelf(str(path))
    assert not await shelf.refresh()
    assert shelf.groups == ()
    path.write_text(RULES)
    assert await shelf.refresh()
    assert not await shelf.refresh()
    assert [rule.name for rule in shelf.rules] == ["shop/Down", "Slow", "other/Down", "other/Down#2"]
    down = shelf.rules[0]
    assert (down.title, down.hold, down.limit, down.severity) == ("Down", 60.0, 3, Severity.CRITICAL)
    assert (rule_text(down), down.place) == ("up == 0 for 1 m", "rules.yml:6")
    path.write_text("groups:\n- name: [half")
    assert not await shelf.refresh()
    assert shelf.problem.startswith("rules.yml:")
    assert len(shelf.rules) == 4
    os.truncate(path, 0)
    assert await shelf.refresh()
    assert (shelf.groups, shelf.problem) == ((), "")
    path.write_bytes(b"\xff\xfe")
    await shelf.refresh()
    assert "not UTF-8" in shelf.problem


async def test_ticks_are_aligned_and_the_same_everywhere(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    shelf = RuleShelf(str(path))
    await shelf.refresh()
    group = shelf.groups[0]
    assert 0 <= group.offset < 30
    assert group.offset % 5 == 0
    at = group.due(1_000_000_007.0)
    assert 1_000_000_007.0 - 30 < at <= 1_000_000_007.0
    assert (at - group.offset) % 30 == 0
    assert group.due(at) == at
    assert group.due(at - 0.001) == at - 30


async def test_replacing_and_the_way_back(desk, tmp_path):
    assert isinstance(desk, RuleKeeper)
    first = ReplaceRules(desk, "alerts", text=RULES, path="mine.yml")
    plan = await first.plan()
    assert (plan.summary, plan.count) == ("4 rules in 2 groups of mine.yml", 4)
    receipt = await first.run(told)
    second = ReplaceRules(
        desk, "alerts", text=RULES.replace("1m", "2m").replace("  - alert: Slow\n    expr: latency > 1\n", "")
    )
    assert (await second.plan()).affects == ("changes alert shop/Down", "removes other/Slow")
    again = await second.run(told)
    assert "2m" in await desk.rule_text()
    with pytest.raises(PlanRejected, match="replaced since"):
        await ReplaceRules(desk, "alerts", text="").undo(type(again)("", undo={"sha256": "x"}))
    await second.undo(again)
    assert await desk.rule_text() == RULES
    await first.undo(receipt)
    assert await desk.rule_text() == ""


async def test_what_cannot_be_put_in_force(desk, tmp_path):
    with pytest.raises(PlanRejected, match=r"mine\.yml:1:1: .*cannot unmarshal"):
        await ReplaceRules(desk, "alerts", text="[]", path="mine.yml").plan()
    desk.shelf.path.parent.write_text("a file where the folder should be")
    with pytest.raises(ActionError, match="cannot be written"):
        await ReplaceRules(desk, "alerts", text=RULES).run(told)
    (tmp_path / "x.yml").write_bytes(b"\xff")
    with pytest.raises(RuleFileError):
        RuleShelf(str(tmp_path / "x.yml")).text()
    assert RuleShelf("").text() == RuleShelf("").previous() == ""


async def test_editing_changes_the_expression_and_nothing_else(desk):
    text = RULES.replace("expr: up == 0", "expr: |\n      up\n        == 0 # kept\n    # a comment")
    await desk.keep_rules(text)
    await desk.shelf.refresh()
    for rule, expr in (("shop/Down", "up{job='a'} == 0"), ("Slow", "latency > 2")):
        place = next(r.place for r in desk.shelf.rules if r.name == rule)
        edit = EditRule(desk, "alerts", rule=rule, place=place, expr=expr)
        plan = await edit.plan()
        assert plan.summary == f"{rule}: {expr}"
        assert plan.affects == ("as it will be: nothing is known of it", "as it is: nothing is known of it")
        await edit.run(told)
        await desk.shelf.refresh()
        assert next(r.expr for r in desk.shelf.rules if r.name == rule) == expr
    now = await desk.rule_text()
    assert "    # a comment\n    for: 1m\n" in now
    assert "expr: 'latency > 2'\n  - alert: Down\n    expr: down\n" in now
    with pytest.raises(PlanRejected, match="has changed since"):
        await EditRule(desk, "alerts", rule="x", place="rules.yml:1", expr="up").plan()
    with pytest.raises(PlanRejected, match="could not parse"):
        await EditRule(desk, "alerts", rule="Slow", place=place, expr="up >").plan()
