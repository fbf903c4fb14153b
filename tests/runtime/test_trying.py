"""A rule that is being written, on a real history: alone where it will stand, given up at once, bounded."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from perftui.analysis.promrules import Group, groups_of
from perftui.analysis.rulebuild import drafted
from perftui.analysis.rulefile import read_rules
from perftui.model.alertrules import DEFAULTS
from perftui.model.event import Event
from perftui.model.metrics import GENERATION_3, Speech
from perftui.model.ports import names
from perftui.runtime import backtester
from perftui.runtime.eventstore import EventStore
from perftui.runtime.trying import around
from tests.runtime.test_explainer import WhySeat
from tests.runtime.test_filed_alerts import Time
from tests.waiting import until

FILE = """\
groups:
- name: a
  rules:
  - {record: 'busy:avg', expr: 'avg_over_time(perftui_host_cpu_busy_ratio[1m])'}
  - {alert: First, expr: 'up == 0'}
- name: b
  rules:
  - {record: 'late:avg', expr: 'busy:avg'}
  - {alert: Second, expr: 'busy:avg > 0.8', for: 30s}
  - {record: 'later:avg', expr: 'busy:avg'}
"""
STEP = 15.0


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


@pytest.fixture
async def seat(store, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(FILE)
    start = Time()
    start.now -= start.now % STEP
    made = WhySeat(store, start).explaining(path)
    made.desk.happened = EventStore(store).load
    for number in range(80):
        made.time.now += STEP
        made.read("web", cpu__busy_ratio=0.95 if 20 <= number < 40 else 0.1)
    return made


def filed(seat):
    (rule,) = [r for g in groups_of(read_rules(FILE, "rules.yml")) for r in g.rules if r.name == "Second"]
    (kept,) = [one for one in seat.desk.shelf.rules if one.name == "Second"]
    return replace(rule, place=kept.place)


def test_what_a_rule_needs_to_be_tried():
    one, two = groups_of(read_rules(FILE))
    found = around((one, two), replace(two.rules[1], expr="x > 1"))
    assert [[rule.title for rule in group.rules] for group in found] == [["busy:avg"], ["late:avg", "Second"]]
    assert found[-1].rules[-1].expr == "x > 1"
    new = drafted("New", "busy:avg > 0.5 for 2m critical", {})
    *_, last = around((one, two), new)
    assert last == Group("built", (new,), STEP, 0.0)
    assert "RuleTrier" in names()


async def test_a_rule_of_the_file_with_another_expression(seat, store):
    await seat.desk.shelf.refresh()
    now, rule = seat.time.now, filed(seat)
    began = now - 60 * STEP
    await EventStore(store).put([Event(began, "incident", "", "slow", until=began + 200)])
    trial = await seat.desk.try_rule(rule, 7 * 86400.0)
    (spell,) = trial.found.spells
    assert (spell.fired > began, dict(spell.labels)["source"]) == (True, "web")
    assert trial.found.known is not None
    assert trial.found.known - trial.found.start > 6 * 86400
    assert [(one.title, one.rule) for one in trial.incidents] == [("slow", "Second")]
    trial = await seat.desk.try_rule(replace(rule, expr="busy:avg > 0.99"), 7 * 86400.0)
    assert trial.found.spells == ()
    assert trial.incidents[0].rule == ""


async def test_a_new_rule_a_rule_of_ours_and_a_server_s(seat):
    new = drafted("New", "web/cpu.busy_ratio above 0.9 for 1m critical", {"web": "host"})
    assert (new.hold, dict(new.labels)["severity"]) == (60.0, "critical")
    trial = await seat.desk.try_rule(new, 86400.0)
    assert (len(trial.found.spells), trial.found.rule.threshold) == (1, 0.9)
    high = next(rule for rule in DEFAULTS if rule.name == "HostCpuHigh")
    trial = await seat.desk.try_rule(replace(high, hold=60.0), 86400.0)
    assert len(trial.found.spells) == 1
    asked = replace(new, annotations=(("perftui_source", "prod"),))
    assert await seat.desk.try_rule(asked, 86400.0) is None


async def test_it_is_read_as_the_ruler_reads_it(seat, monkeypatch):
    seen = []
    real = backtester.evaluate_range
    monkeypatch.setattr(
        backtester, "evaluate_range", lambda *a, **k: seen.append(a[5].generation) or real(*a, **k)
    )
    rule = drafted("New", "rate(perftui_host_cpu_busy_ratio[1m]) > 0.9", {})
    await seat.desk.try_rule(rule, 60.0)
    seat.desk.look_through(None, seat.files)
    seat.desk.read_as(Speech("prod", GENERATION_3))
    await seat.desk.try_rule(rule, 60.0)
    assert set(seen[:1]) | set(seen[-1:]) == {2, 3}


async def test_who_gives_up_waits_for_a_piece_and_no_more(seat, monkeypatch):
    looked = []
    real = backtester.evaluate_range

    def counted(*args):
        looked.append(args[2])
        return real(*args)

    monkeypatch.setattr(backtester, "evaluate_range", counted)
    monkeypatch.setattr(backtester, "PIECE", 10)
    rule = drafted("New", "web/cpu.busy_ratio above 0.9", {"web": "host"})
    task = asyncio.ensure_future(seat.desk.try_rule(rule, 90 * 86400.0))
    await until(lambda: len(looked) > 3, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    before = len(looked)
    await asyncio.to_thread(lambda: None)
    assert len(looked) <= before + 2
    assert len(looked) < 90 * 86400 / 15 / 10
