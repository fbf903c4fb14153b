"""Groups of a rule file over series that a test writes: every change at the tick where a server makes it."""

from __future__ import annotations

import asyncio

import pytest

from perftui.analysis.promql import Shelf, evaluate, parse
from perftui.model.alerts import AlertState
from perftui.model.errors import Lost
from perftui.model.metrics import STALE, labels_of
from perftui.runtime import distant
from perftui.runtime.groupruler import GroupRuler
from perftui.runtime.rulefiles import RuleShelf
from tests.promtool import alerts_at

BASE = 1_200_000_000.0  # a multiple of every interval in use


class World:
    """Series, a rule file and a ruler over both; time goes where the test says."""

    def __init__(self, path):
        self.path = path
        self.series = Shelf()
        self.shelf = RuleShelf(str(path))
        self.ruler = GroupRuler(self.shelf, self.series, lambda source: self.ask, "x")
        self.active = {}
        self.asked = []

    async def ask(self, expression, at):
        self.asked.append((expression, at))
        if expression == "lost":
            raise Lost("prom: no answer")
        return evaluate(parse(expression), self.series, at)

    async def load(self, text):
        self.path.write_text(text)
        await self.shelf.refresh()
        assert self.shelf.problem == ""
        self.group = self.shelf.groups[0]

    def at(self, number):
        """The instant of a tick of the first group."""
        return BASE + self.group.offset + number * self.group.interval

    def put(self, number, name="x", value=1.0, **labels):
        self.series.append(labels_of(name, **labels), self.at(number) - 0.5, value)

    async def tick(self, number, late=0.0):
        done = await self.ruler.tick(self.at(number) + late, self.active)
        self.active = done.active
        return done

    def words(self):
        return {dict(a.labels).get("job", a.rule): a.state.value for a in self.active.values()}

    def value(self, expression, number):
        return [(dict(p.labels), p.value) for p in evaluate(parse(expression), self.series, self.at(number))]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "rules.yml")


def file(*rules, **group):
    head = "".join(f"  {name}: {value}\n" for name, value in group.items())
    return f"groups:\n- name: g\n  interval: 1m\n{head}  rules:\n" + "".join(f"  - {r}\n" for r in rules)


async def test_five_minutes_begin_again_after_one_gap(world):
    await world.load(file("{alert: A, expr: x > 0, for: 5m}"))
    seen = []
    for number in range(12):
        world.put(number, value=0.0 if number == 3 else 1.0)
        await world.tick(number)
        seen.append(next(iter(world.words().values()), "-"))
    assert seen == ["pending"] * 3 + ["-"] + ["pending"] * 5 + ["firing"] * 3
    assert world.value("ALERTS", 4) == [
        ({"__name__": "ALERTS", "alertname": "A", "alertstate": "pending"}, 1.0)
    ]
    assert world.value("ALERTS", 9) == [
        ({"__name__": "ALERTS", "alertname": "A", "alertstate": "firing"}, 1.0)
    ]
    assert world.value("ALERTS_FOR_STATE", 11)[0][1] == world.at(4)
    assert world.value("ALERTS", 3) == []


async def test_it_keeps_firing_and_is_resolved_like_a_server_does(world):
    await world.load(file("{alert: A, expr: x > 0, keep_firing_for: 2m}"))
    for number, value, word in ((0, 1, "firing"), (1, 0, "firing"), (2, 0, "firing"), (3, 0, "resolved")):
        world.put(number, value=float(value))
        done = await world.tick(number)
        assert world.words() == {"A": word}
    assert [alert.state for alert in done.changed] == [AlertState.RESOLVED]
    assert world.value("ALERTS", 3) == []
    await world.tick(18)
    assert world.words() == {"A": "resolved"}
    await world.tick(19)
    assert world.words() == {}


async def test_rules_see_what_the_ones_before_wrote_at_this_instant(world):
    await world.load(
        file("{record: 'y:sum', expr: sum(x), labels: {by: us}}", "{alert: A, expr: 'y:sum > 2'}", limit=5)
    )
    world.put(0, job="a")
    world.put(0, job="b", value=2.0)
    await world.tick(0)
    (alert,) = world.active.values()
    assert dict(alert.labels) == {"alertname": "A", "by": "us"}
    assert alert.value == 3.0


async def test_what_ends_is_ended_at_once(world):
    await world.load(file("{record: 'y', expr: x > 0}"))
    world.put(0)
    await world.tick(0)
    world.put(1, value=0.0)
    await world.tick(1)
    assert world.value("y", 0) != []
    assert world.value("y", 1) == []


async def test_missed_ticks_are_skipped_and_late_ones_stand_for_their_instant(world):
    await world.load(file("{alert: A, expr: x, for: 3m}"))
    world.put(0)
    await world.tick(0, late=20.0)
    await world.tick(0, late=40.0)
    await world.tick(4, late=3.0)
    assert [at for _, at in world.asked] == [world.at(0), world.at(4)]
    assert world.words() == {"A": "firing"}


async def test_errors_change_nothing_and_are_told(world):
    await world.load(file("{alert: A, expr: x, for: 1m}", "{alert: B, expr: lost}"))
    world.put(0)
    await world.tick(0)
    assert world.ruler.health["B"].error == "prom: no answer"
    told = world.value("perftui_rule_healthy == 0", 0)
    assert [labels["rule"] for labels, _ in told] == ["B"]
    world.path.write_text(file("{alert: A, expr: lost, for: 1m}"))
    await world.shelf.refresh()
    await world.tick(1)
    assert world.words() == {"A": "pending"}
    assert world.ruler.figures("A")["error"] == "prom: no answer"
    assert world.ruler.figures("none") == {}


async def test_two_of_the_same_labels_are_an_error(world):
    await world.load(
        file("{alert: A, expr: x, labels: {job: all}}", "{record: r, expr: x, labels: {job: all}}")
    )
    world.put(0, job="a")
    world.put(0, job="b")
    await world.tick(0)
    assert world.active == {}
    assert "two results with the labels" in world.ruler.health["A"].error
    assert "same labelset" in world.ruler.health["r"].error


async def test_more_than_the_limit_leave_all_as_they_were(world):
    await world.load(file("{alert: A, expr: x}", "{record: r, expr: x}", limit=2))
    for number, jobs in enumerate(("ab", "abc")):
        for job in jobs:
            world.put(number, job=job)
        done = await world.tick(number)
        assert world.words() == {"a": "firing", "b": "firing"}
        assert len(done.changed) == (2 if jobs == "ab" else 0)
    assert "limit of 2" in world.ruler.health["A"].error
    assert world.ruler.health["r"].error == "exceeded limit of 2 with 3 series"
    world.put(2, job="a", value=STALE)
    for job in "bc":
        world.put(2, job=job)
    await world.tick(2)
    assert world.words() == {"a": "resolved", "b": "firing", "c": "firing"}


class Server:
    """Answers every expression with one series but those it is `silent` about."""

    def __init__(self):
        self.silent = frozenset()
        self.asked = []

    async def __call__(self, expression, at):
        self.asked.append(expression)
        if expression in self.silent:
            await asyncio.Event().wait()
        return [(labels_of("x", job=expression), 1.0)]


FAR = ("a", "b", "c", "heavy")


async def test_a_server_that_does_not_answer_holds_nobody_up(world, monkeypatch):
    """Its rules are asked together, and seldom as long as it is silent; what they told of stands."""
    monkeypatch.setattr(distant, "BUDGET", 0.05)
    server, active, words, asked = Server(), {}, {}, {}
    ruler = GroupRuler(world.shelf, world.series, lambda source: server if source else world.ask)
    far = (f"{{alert: {n}, expr: {n}, for: 30s, annotations: {{perftui_source: prom}}}}" for n in FAR)
    await world.load(file(*far, "{alert: Near, expr: x, for: 10s}").replace("1m", "5s"))
    for number in range(28):
        server.silent = frozenset(FAR[3 * (number >= 12) :] if 2 <= number < 25 else ())
        server.asked.clear()
        world.put(number)
        active = (await ruler.tick(world.at(number), active)).active
        words[number] = {alert.rule: alert.state.value for alert in active.values()}
        asked[number] = sorted(server.asked)
        if number == 2:
            assert {ruler.health[name].error for name in FAR} == {"no answer in 0.05 s"}
    waiting = dict.fromkeys(FAR, "pending")
    assert [number for number in range(23) if asked[number]] == [0, 1, 2, 5, 11]
    assert words[1] == waiting | {"Near": "pending"}
    assert words[2] == words[22] == waiting | {"Near": "firing"}
    assert asked[23] == list(FAR)
    assert words[25] == dict.fromkeys((*FAR[:3], "Near"), "firing") | {"heavy": "pending"}
    assert [number for number in range(23, 28) if "heavy" in asked[number]] == [23, 26, 27]
    assert words[26]["heavy"] == "firing"
    assert {health.error for health in ruler.health.values()} == {""}


async def test_many_rules_on_a_slow_server_have_their_turns(world, monkeypatch):
    """More than it answers within a tick: those that were not asked come first in the next."""
    monkeypatch.setattr(distant, "BUDGET", 0.05)
    monkeypatch.setattr(distant, "AT_ONCE", 2)
    ruler = GroupRuler(world.shelf, world.series, lambda source: ask)
    names = [f"r{n}" for n in range(6)]
    await world.load(file(*(f"{{alert: {n}, expr: {n}, annotations: {{perftui_source: p}}}}" for n in names)))
    answered, told = [], []

    async def ask(expression, at):
        if len(answered[-1]) == 2:
            await asyncio.Event().wait()
        answered[-1].append(expression)
        return []

    for number in range(3):
        answered.append([])
        await ruler.tick(world.at(number), {})
        told.append([ruler.health[name].error for name in names])
    assert answered == [names[:2], names[2:4], names[4:]]
    late, busy = "no answer in 0.05 s", "p was busy with other rules for 0.05 s"
    assert told[:2] == [["", "", late, late, busy, busy], [busy, busy, "", "", late, late]]


async def test_an_alert_of_a_server_does_not_wait_for_the_words_of_its_template(world, monkeypatch):
    monkeypatch.setattr(distant, "BUDGET", 0.05)
    server = Server()
    server.silent = {"detail"}
    ruler = GroupRuler(world.shelf, world.series, lambda source: server)
    note = """{perftui_source: prom, summary: 'a {{ query "detail" }}'}"""
    await world.load(file(f"{{alert: A, expr: x, annotations: {note}}}"))
    done = await ruler.tick(world.at(0), {})
    assert [alert.state.value for alert in done.active.values()] == ["firing"]
    assert "no answer in time" in next(iter(done.active.values())).title


async def test_templates_ask_and_severity_is_what_the_labels_say(world):
    note = """'{{ $labels.job }} {{ with query "y" }}{{ . | first | value }}{{ end }} {{ $externalLabels.env }}'"""
    await world.load(
        file(
            f"{{alert: A, expr: x, labels: {{severity: '{{{{ $labels.how }}}}'}}, annotations: {{summary: {note}}}}}"
        )
    )
    world.put(0, job="a", how="critical")
    world.put(0, name="y", value=7.0)
    await world.tick(0)
    (alert,) = world.active.values()
    assert (alert.title, alert.severity.name) == ("a 7 x", "CRITICAL")
    assert dict(alert.labels) == {"alertname": "A", "job": "a", "how": "critical", "severity": "critical"}


RULES = file(
    "{alert: Quick, expr: x > 1}",
    "{alert: Slow, expr: x > 1, for: 3m}",
    "{alert: Kept, expr: x > 1, keep_firing_for: 2m}",
    "{record: 'y:max', expr: max(x)}",
    "{alert: OfRecord, expr: 'y:max > 2', for: 1m, labels: {team: '{{ $value }}'}}",
    "{alert: Absent, expr: absent(x), for: 2m}",
    "{alert: OfAlerts, expr: 'count(ALERTS{alertstate=\"firing\"}) > 2'}",
)


async def test_the_same_alerts_at_the_same_ticks_as_a_server(world, tmp_path):
    values = {
        "a": [0, 2, 2, 2, 2, 0, 2, 3, 3, 0, 0, 0, 0, 4, 4, 0, 2, 2, 2, 2],
        "b": [2, 2, 0, 2, 2, 2, 2, 0, 0, 0, 0, 3, 3, 3, 3, 3, 0, 0, 0, 0],
    }
    series = [
        {"series": f'x{{job="{job}"}}', "values": " ".join(map(str, row)) + " stale" + " _" * 9}
        for job, row in values.items()
    ]
    ticks = range(30)
    wanted = alerts_at(tmp_path, RULES, series, [60 * n for n in ticks])
    assert len(wanted) > 30
    await world.load(RULES)
    for number in ticks:
        for job, row in values.items():
            if number <= len(row):
                value = row[number] if number < len(row) else STALE
                world.series.append(labels_of("x", job=job), world.at(number), float(value))
        await world.tick(number)
        firing = [a for a in world.active.values() if a.state is AlertState.FIRING]
        for name in ("Quick", "Slow", "Kept", "OfRecord", "Absent", "OfAlerts"):
            ours = sorted(sorted(a.labels) for a in firing if a.rule == name)
            theirs = sorted(sorted(labels.items()) for labels, _ in wanted.get((60 * number, name), ()))
            assert ours == theirs, (number, name)


async def test_two_rules_that_make_the_same_alert_are_told(world):
    await world.load(file("{alert: A, expr: x}", "{alert: A, expr: x > 0}"))
    world.put(0)
    await world.tick(0)
    assert [alert.rule for alert in world.active.values()] == ["g/A"]
    assert world.ruler.health["g/A#2"].error == "g/A#2: an alert of g/A has the same labels"
    await world.tick(1)
    assert world.words() != {}
