"""Rules over a real history: what the live ruler did is what the backtest says it would have done."""

from __future__ import annotations

import random

import pytest

from perftui.analysis.promrules import groups_of
from perftui.analysis.rulefile import read_rules
from perftui.model.alertrules import DEFAULTS
from perftui.model.alerts import AlertState
from perftui.runtime.backtester import Backtester
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.rulefiles import RuleShelf
from tests.runtime.test_localseries import KINDS, World

RULES = """\
groups:
- name: g
  interval: 15s
  rules:
  - {record: 'busy:avg', expr: 'avg_over_time(perftui_host_cpu_busy_ratio[1m])'}
  - {alert: Simple, expr: perftui_host_cpu_busy_ratio > 0.8, for: 45s, keep_firing_for: 30s}
  - {alert: OfRecord, expr: 'busy:avg > 0.7', for: 1m, labels: {severity: critical}}
  - {alert: Both, expr: 'perftui_host_cpu_busy_ratio > 0.6 and on (source) busy:avg > 0.6'}
  - {alert: Gone, expr: absent(perftui_host_cpu_busy_ratio)}
"""


@pytest.fixture
def url(sqlite_url):
    return sqlite_url


@pytest.fixture
def world(store):
    return World(store)


async def test_it_predicts_what_the_live_ruler_did(world, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    shelf = RuleShelf(str(path))
    await shelf.refresh()
    ruler = GroupRuler(shelf, world.written, lambda source: world.local)
    group, chance = shelf.groups[0], random.Random(3)
    begin = group.due(world.now) + 15
    active, live, busy = {}, [], 0.5
    for number in range(240):
        world.now = begin + 15 * number
        busy = min(1.0, max(0.0, busy + chance.gauss(0, 0.15)))
        world.read(at=world.now - 1, cpu__busy_ratio=busy)
        done = await ruler.tick(world.now, active)
        active = done.active
        live += [(alert.rule, world.now, alert.state is AlertState.FIRING) for alert in done.changed]
    assert {rule for rule, _, _ in live} == {"Simple", "OfRecord", "Both"}
    tester = Backtester(world.history, KINDS)
    found = {one.rule.name: one async for one in tester.groups(shelf.groups, begin, world.now)}
    told = [
        (name, at, fired)
        for name, one in found.items()
        for spell in one.spells
        for at, fired in ((spell.fired, True), (spell.ended, False))
        if at is not None
    ]
    assert sorted(told) == sorted(live)
    assert found["Simple"].choices != ()
    assert found["Gone"].spells == ()
    (one,) = [one async for one in tester.groups(shelf.groups, begin, world.now, "Both")]
    assert one.rule.name == "Both"


async def test_rules_of_ours(world):
    begin = world.now
    for number in range(200):
        world.now = begin + 15 * number
        world.read(cpu__busy_ratio=0.99 if 20 <= number < 100 else 0.1)
    tester = Backtester(world.history, KINDS)
    rules = [rule for rule in DEFAULTS if rule.name.startswith("HostCpu")]
    high, critical = [one async for one in tester.own(rules, begin, world.now)]
    assert [round(s.fired - begin) for s in (*high.spells, *critical.spells)] == [615, 435]
    assert dict(high.spells[0].labels) == {"rule": "HostCpuHigh", "source": "web"}
    assert 0 < high.took_s < 5


async def test_an_expression_that_cannot_be_evaluated_is_told(world):
    world.read(a=1.0, b=1.0)
    text = 'groups: [{name: g, rules: [{alert: A, expr: \'{source="web"} + on (source) {source="web"}\'}]}]'
    tester = Backtester(world.history, KINDS)
    (one,) = [o async for o in tester.groups(groups_of(read_rules(text)), world.now - 60, world.now + 60)]
    assert "many-to-many" in one.error
