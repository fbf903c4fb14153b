"""Why: every cause that keeps a rule from firing, or its alert from reaching people, is named."""

from __future__ import annotations

import pytest

from perftui.analysis.matchers import parse_matchers
from perftui.engines.alerts.rules import EditRule
from perftui.model.errors import PlanRejected
from perftui.model.health import Health, Link
from perftui.model.metrics import GENERATION_3, Flavour, PromReading
from perftui.model.ports import RuleExplainer
from perftui.model.reading import Look, Reading
from perftui.runtime.alertbook import Book
from perftui.runtime.clock import Clock
from perftui.runtime.explainer import ExplainingDesk
from perftui.runtime.outbox import Outbox
from tests.runtime.test_alerts import KINDS, Time
from tests.runtime.test_filed_alerts import RULES, FiledSeat


@pytest.fixture
async def url(sqlite_url):
    return sqlite_url


class WhySeat(FiledSeat):
    def explaining(self, path):
        self.file(path)
        clock = Clock(self.time, self.time)
        group = self.ruler.group
        self.desk = ExplainingDesk(
            group, KINDS, clock, Book(self.store), self.history, self.ruler.wake, Outbox(self.store)
        )
        self.desk.shelf = self.files.shelf
        self.desk.look_through(self.files._ask(""), self.files)
        return self

    async def said(self, what):
        why = await self.desk.explain_rule(what)
        return why, "\n".join(why.lines)


@pytest.fixture
async def seat(store, tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    start = Time()
    start.now -= start.now % 5
    return WhySeat(store, start).explaining(path)


async def test_before_anybody_looked(seat):
    assert isinstance(seat.desk, RuleExplainer)
    why, said = await seat.said("busy")
    assert "no console or agent has evaluated the rules" in said
    assert why.parts[-1].found == "nothing"


async def test_the_dialect_of_a_rule_file_is_told_with_the_server_it_follows(seat):
    await seat.after(cpu=0.9)
    _, said = await seat.said("Filed")
    assert "like Prometheus generation 2: both ends are inside" in said
    assert "as no server is connected" in said
    flavour = Flavour("Prometheus", "3.1.0", GENERATION_3)
    reading = Reading("prod", seat.time.now, 0.0, (), PromReading(flavour, 1, 1))
    seat.looks["prod"] = Look("prod", "prometheus", reading, Health(Link.LIVE, seat.time.now))
    report = await seat.after(cpu=0.9)
    (status,) = [status for status in report.rules if status.rule.name == "Filed"]
    assert status.read_as.startswith("evaluated like Prometheus generation 3: the left end is outside")
    _, said = await seat.said("Filed")
    assert status.read_as in said.splitlines()
    assert "generation" not in (await seat.said("busy"))[1]


async def test_from_pending_to_told(seat):
    await seat.after(cpu=0.9)
    why, said = await seat.said("Filed")
    assert "fires in 10 s if it stays true" in said
    assert "next tick at" in said
    assert [(p.depth, p.text, [v for _, v in p.values]) for p in why.parts] == [
        (0, "busy:max > 0.8", [0.9]),
        (1, "busy:max", [0.9]),
    ]
    assert why.next_tick == seat.time.now + 5
    for _ in range(2):
        await seat.after(cpu=0.9)
    _, said = await seat.said("Filed")
    assert "firing since" in said
    assert "nobody is told: no channel is configured" in said
    (alert,) = [a for a in seat.reports[-1].alerts if a.rule == "Filed"]
    why, _ = await seat.said(alert.fingerprint[:6])
    assert why.alerts == (alert,)
    await seat.desk.acknowledge(alert, "", None)
    silence = await seat.desk.silence(parse_matchers('alertname="Filed"'), 60, "")
    _, said = await seat.said("Filed")
    assert "acknowledged by" in said
    assert f'with alertname="Filed" (silence {silence.id})' in said
    await seat.after(cpu=0.1)
    _, said = await seat.said("Filed")
    assert "resolved at" in said


async def test_what_keeps_one_of_ours(seat):
    for _ in range(3):
        await seat.after(cpu=0.99)
    why, said = await seat.said("busy")
    assert "muted while hot fires (critical mutes lesser of its family, " in said
    assert why.parts[0].text == "perftui_host_cpu > 0.8"
    seat.time.now += 100
    _, said = await seat.said("busy")
    assert "nobody evaluates the rules since" in said
    with pytest.raises(PlanRejected):
        await seat.desk.explain_rule("nothing")


async def test_errors_are_the_reason(seat, tmp_path):
    (tmp_path / "rules.yml").write_text(
        RULES.replace("busy:max > 0.8", "count(busy:max) + on (a, b) group_left {source=~'.+'}")
    )
    await seat.after(cpu=0.9, cpu2=1.0)
    why, _ = await seat.said("Filed")
    assert any(part.error or part.count for part in why.parts)
    (tmp_path / "rules.yml").write_text("groups: [")
    await seat.after(cpu=0.9)
    _, said = await seat.said("Filed")
    assert "the rules before stay in force" in said


async def test_an_edit_says_what_it_would_have_done(seat):
    for cpu in (0.9, 0.9, 0.9, 0.9, 0.1):
        await seat.after(cpu=cpu)
    place = next(rule.place for rule in seat.files.shelf.rules if rule.name == "Filed")
    plan = await EditRule(seat.desk, "alerts", rule="Filed", place=place, expr="busy:max > 0.95").plan()
    assert plan.affects[0] == "as it will be: would have fired never in the last 24 h"
    assert plan.affects[1].startswith("as it is: would have fired once, 0 min in all")
