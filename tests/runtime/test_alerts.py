"""Rules over real readings and a real store: two consoles agree, nothing is lost, nobody is first twice."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field, replace

import pytest

from perftui.engines.alerts.deeds import Acknowledge, EndSilence, SetThreshold, SilenceMatching
from perftui.model.alerts import AlertState, Rule, RuleGroup, Selector
from perftui.model.errors import PlanRejected
from perftui.model.finding import Finding, Severity
from perftui.model.health import Health, Link
from perftui.model.reading import Look, Measure, Reading
from perftui.model.resources import CpuUse, HostReading, MemoryUse, ProcessRow
from perftui.model.series import SeriesKey
from perftui.runtime.alertbook import Book
from perftui.runtime.alertdesk import Desk
from perftui.runtime.alerts import Ruler
from perftui.runtime.clock import Clock
from perftui.runtime.history import History
from perftui.runtime.leases import Leases
from perftui.runtime.links import Links
from perftui.runtime.noticewords import line
from perftui.runtime.rings import Rings
from perftui.runtime.sights import Sights
from perftui.runtime.store import Store
from perftui.runtime.witness import MOST as WITNESSED

BUSY = Rule("busy", "CPU busy", Selector("cpu", kind="host"), ">", 0.8, "ratio", hold=10)
HOT = Rule(
    "hot", "CPU saturated", Selector("cpu", source="web"), ">", 0.95, "ratio", severity=Severity.CRITICAL
)
QUIET = Rule(
    "hits",
    "Hit ratio",
    Selector("hit_ratio"),
    "<",
    0.9,
    "ratio",
    traffic=("hits", "misses"),
    traffic_above=10,
)
DOWN = Rule("down", "Link", Selector("up"), "<", 1, hold=5, severity=Severity.CRITICAL)
KINDS = {"web": "host", "db": "postgres", "cache": "valkey"}


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = field(default_factory=lambda: float(int(time.time())))

    def __call__(self):
        return self.now


@dataclass
class Seat:
    """One console: its rings, looks and findings, over a store it may share."""

    store: Store
    time: Time
    rules: tuple[Rule, ...] = (BUSY, HOT, QUIET, DOWN)
    reports: list = field(default_factory=list)
    events: list = field(default_factory=list)
    findings: list = field(default_factory=list)
    looks: dict = field(default_factory=dict)

    def __post_init__(self):
        clock = Clock(self.time, self.time)
        self.rings = Rings()
        self.history = History(self.store, clock)
        group, book = RuleGroup("rules", self.rules, findings=("db.lock-storm",)), Book(self.store)
        self.ruler = Ruler(
            group,
            Sights(self.rings, KINDS, lambda: self.looks, lambda: self.findings),
            clock,
            book,
            Leases(self.store),
            env="lab",
            told=self.reports.append,
            note=self.events.append,
        )
        self.desk = Desk(group, KINDS, clock, book, self.history, self.ruler.wake)

    def read(self, source, link=Link.LIVE, **values):
        samples = tuple(Measure(SeriesKey(source, name), value, "1") for name, value in values.items())
        reading = Reading(source, self.time.now, 0.0, samples, None)
        self.rings.record(reading)
        self.history.record(reading)
        self.looks[source] = Look(source, KINDS[source], reading, Health(link, self.time.now))

    async def after(self, seconds=5.0, source="web", **values):
        """Time goes by, a backend is read, rules are evaluated."""
        self.time.now += seconds
        if values:
            self.read(source, **values)
        await self.ruler.tick()
        return self.reports[-1]

    def words(self):
        return {alert.rule: alert.word for alert in self.reports[-1].alerts}


@pytest.fixture
async def seat(store):
    return Seat(store, Time())


@pytest.fixture
async def other(url, seat):
    store = Store.open(url, env="lab")
    assert await store.ready()
    yield Seat(store, seat.time)
    assert await store.close(within=10)


class AlertLaws:
    async def test_pending_firing_resolved(self, seat):
        for cpu, word in ((0.9, "pending"), (0.85, "pending"), (0.9, "firing"), (0.5, "resolved")):
            await seat.after(cpu=cpu)
            assert seat.words() == {"busy": word}
        assert [event.kind for event in seat.reports[-1].history] == ["firing", "resolved"]
        assert [e.title.partition(":")[0] for e in seat.events] == ["firing", "resolved"]
        (stats,) = seat.reports[-1].stats
        assert (stats.rule, stats.fired, stats.firing_s, stats.mttr_s) == ("busy", 1, 5.0, 5.0)

    async def test_idle_systems_do_not_alarm(self, seat):
        await seat.after(source="cache", hit_ratio=0.1, hits=1.0, misses=2.0)
        assert seat.words() == {}
        await seat.after(source="cache", hit_ratio=0.1, hits=8.0, misses=2.0)
        assert seat.words() == {"hits": "firing"}

    async def test_a_lost_backend_fires(self, seat):
        for _ in range(2):
            seat.time.now += 5
            seat.read("db", link=Link.LOST)
            await seat.ruler.tick()
        assert seat.words() == {"down": "firing"}

    async def test_a_rule_may_look_back_at_links(self, seat):
        """Lost for half a minute is told, lost for a moment is not."""
        flaky = replace(DOWN, how="avg", over=60.0, threshold=0.5, hold=0.0)
        seat.ruler.group, links = RuleGroup("all", (flaky,)), Links(seat.rings.record)
        seen = []
        for n in range(40):
            seat.time.now += 5
            seat.read("db", link=Link.LOST if n == 14 or n >= 20 else Link.LIVE)
            await seat.ruler.tick()
            links.note(seat.looks, seat.time.now)
            seen.append(seat.words().get("down", ""))
        assert set(seen[:22]) == {""}
        assert "" in seen[22:25]
        assert set(seen[30:]) == {"firing"}

    async def test_thousands_at_once_are_told_and_none_is_over_before_its_time(self, seat):
        """A partition: hosts go one after the other, then all the rest in one tick."""
        hosts = [f"host{n}" for n in range(5000)]
        seat.ruler.group = RuleGroup("all", (replace(DOWN, hold=0.0),))

        def read(lost):
            for n, host in enumerate(hosts):
                health = Health(Link.LOST if n < lost else Link.LIVE, seat.time.now)
                seat.looks[host] = Look(host, "host", Reading(host, seat.time.now, 0.0, (), None), health)

        read(0)
        await seat.after()
        for lost in (90, 150, 5000):
            read(lost)
            report = await seat.after()
            assert [alert.word for alert in report.alerts] == ["firing"] * lost
        assert [status.error for status in report.rules] == [""]
        assert len(await seat.ruler._book.events(0.0, 10_000)) == 5000

    async def test_a_limit_that_is_passed_ends_nothing_and_is_told(self, seat):
        seat.ruler.group = RuleGroup("all", (replace(HOT, series=Selector("cpu"), limit=2),))
        for names in (("web", "db"), ("web", "db", "cache")):
            for name in names:
                seat.read(name, cpu=0.99)
            report = await seat.after(1)
            assert sorted(alert.source for alert in report.alerts) == ["db", "web"]
            assert seat.words() == {"hot": "firing"}
        assert report.rules[0].error == "hot: 3 alerts, more than its limit of 2"
        assert [event.kind for event in report.history] == ["firing"] * 2

    async def test_a_critical_one_mutes_the_warnings_of_its_series(self, seat):
        for _ in range(3):
            await seat.after(cpu=0.99)
        assert seat.words() == {"hot": "firing", "busy": "muted"}
        assert [alert.rule for alert in seat.reports[-1].open] == ["hot"]

    async def test_critical_findings_are_alerts(self, seat):
        seat.findings.append(Finding("db.lock-storm", Severity.CRITICAL, "db", "9 wait", ("pid 7 holds",)))
        seat.findings.append(Finding("db.slow", Severity.WARNING, "db", "slow", ("so slow",)))
        await seat.after()
        (alert,) = seat.reports[-1].alerts
        assert (alert.rule, alert.title, alert.word) == ("finding:db.lock-storm", "9 wait", "firing")
        assert alert.evidence == ("pid 7 holds",)
        seat.findings.clear()
        await seat.after()
        assert seat.words() == {"finding:db.lock-storm": "firing"}
        for _ in range(7):
            await seat.after(source="db", connections=1.0)
        assert seat.words() == {"finding:db.lock-storm": "resolved"}

    async def test_a_warning_of_sudden_trouble_alerts_when_it_lasts(self, seat):
        seat.findings.append(Finding("db.lock-storm", Severity.WARNING, "db", "3 wait", ("pid 7 holds",)))
        await seat.after()
        await seat.after()
        await seat.after()  # ten seconds: what one hiccup fills
        assert seat.words() == {"finding:db.lock-storm:warning": "pending"}
        await seat.after()
        (alert,) = seat.reports[-1].alerts
        assert (alert.word, alert.severity, alert.title) == ("firing", Severity.WARNING, "3 wait")
        seat.findings[:] = [Finding("db.lock-storm", Severity.CRITICAL, "db", "9 wait", ("pid 7 holds",))]
        await seat.after()
        assert [a.rule for a in seat.reports[-1].open] == ["finding:db.lock-storm"]
        seat.findings.clear()
        for _ in range(8):
            await seat.after(source="db", connections=1.0)
        assert set(seat.words().values()) == {"resolved"}

    async def test_flapping_is_told_once(self, seat):
        await seat.after(cpu=0.1)
        for n in range(9):
            await seat.after(cpu=0.99 if n % 2 == 0 else 0.1)
        assert seat.words()["hot"] == "flapping"
        told = [event.title.partition(":")[0] for event in seat.events]
        assert told == ["firing", "resolved", "firing", "resolved", "flapping"]

    async def test_a_sleep_of_the_host_is_neither_pending_time_nor_an_end(self, seat):
        await seat.after(cpu=0.99)
        assert seat.words() == {"hot": "firing", "busy": "pending"}
        await seat.after(1000)
        assert {a.rule: a.state for a in seat.reports[-1].alerts} == {
            "hot": AlertState.FIRING,
            "busy": AlertState.PENDING,
        }
        await seat.after(5, cpu=0.99)
        assert {a.rule: a.state for a in seat.reports[-1].alerts}["busy"] is AlertState.PENDING
        await seat.after(5, cpu=0.99)
        assert {a.rule: a.state for a in seat.reports[-1].alerts}["busy"] is AlertState.FIRING

    async def test_a_restart_goes_on(self, seat, other):
        await seat.after(cpu=0.99)
        await seat.after(cpu=0.99)
        await seat.ruler.close()
        seat.time.now += 600
        await other.after(5)
        assert {a.rule: a.state for a in other.reports[-1].alerts}["hot"] is AlertState.FIRING
        assert other.events == []
        await other.after(5, cpu=0.99)
        assert {a.rule: a.state for a in other.reports[-1].alerts}["busy"] is AlertState.FIRING
        await other.after(5, cpu=0.1)
        assert set(other.words().values()) == {"resolved"}

    async def test_one_evaluates_and_both_see(self, seat, other):
        await seat.after(cpu=0.99)
        other.read("web", cpu=0.0)
        await other.ruler.tick()
        assert seat.ruler.holder
        assert not other.ruler.holder
        assert other.words()["hot"] == "firing"
        assert other.reports[-1].holder == seat.reports[-1].holder != ""

    async def test_the_first_acknowledgement_stands_everywhere(self, seat, other, monkeypatch):
        await seat.after(cpu=0.99)
        mark = seat.reports[-1].open[0].fingerprint
        first = Acknowledge(seat.desk, "alerts", fingerprint=mark, note="on it")
        late = Acknowledge(other.desk, "alerts", fingerprint=mark, note="me too")
        assert (await first.plan()).reversible
        await late.plan()
        receipt = await first.run(lambda progress: None)
        with pytest.raises(PlanRejected, match=r"acknowledged it first, at .*: on it"):
            await late.run(lambda progress: None)
        await other.ruler.tick()
        assert other.words()["hot"] == "acknowledged"
        assert other.reports[-1].open == ()
        with pytest.raises(PlanRejected, match="first"):
            await late.plan()
        await first.undo(receipt)
        await other.ruler.tick()
        assert other.words()["hot"] == "firing"
        await late.run(lambda progress: None)
        await seat.after(5, cpu=0.1)
        assert seat.words()["hot"] == "resolved"
        (stats,) = [s for s in seat.reports[-1].stats if s.rule == "hot"]
        assert stats.mtta_s == 0.0

    async def test_an_acknowledgement_may_run_out(self, seat):
        await seat.after(cpu=0.99)
        alert = seat.reports[-1].open[0]
        await seat.desk.acknowledge(alert, "for now", seat.time.now + 8)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "acknowledged"
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "firing"
        stands, mine = await seat.desk.acknowledge(alert, "again", None)
        assert (stands.note, mine) == ("again", True)

    async def test_silences_are_kept_and_end(self, seat, other):
        await seat.after(cpu=0.99)
        deed = SilenceMatching(seat.desk, "alerts", matchers='rule="hot"', seconds=12)
        plan = await deed.plan()
        assert (plan.count, "CPU saturated" in plan.affects[1]) == (1, True)
        assert (plan.affects[0], plan.challenge) == ("mutes 1 now, 1 in the last week", "")
        receipt = await deed.run(lambda progress: None)
        await seat.after(cpu=0.99)
        await other.ruler.tick()
        assert seat.words()["hot"] == other.words()["hot"] == "silenced"
        await deed.undo(receipt)
        await seat.after(cpu=0.99)
        assert seat.words()["hot"] == "firing"
        receipt = await deed.run(lambda progress: None)
        ended = EndSilence(seat.desk, "alerts", silence=receipt.facts["id"])
        await ended.undo(await ended.run(lambda progress: None))
        await seat.after(5, cpu=0.99)
        assert seat.words()["hot"] == "silenced"

    @pytest.mark.parametrize("text", ["", "rule=hot", 'rule=~"("'])
    async def test_bad_silences_are_refused(self, seat, text):
        with pytest.raises(PlanRejected):
            await SilenceMatching(seat.desk, "alerts", matchers=text).plan()

    async def test_a_silence_of_most_of_what_fires_or_of_days_is_asked_twice(self, seat):
        for name in ("web", "db", "cache"):
            seat.read(name, cpu=0.99)
        seat.ruler.group = seat.desk.group = RuleGroup("all", (replace(HOT, series=Selector("cpu")),))
        await seat.after(1)
        assert [alert.word for alert in seat.reports[-1].alerts] == ["firing"] * 3
        all_ = await SilenceMatching(seat.desk, "alerts", matchers='source=~".*"').plan()
        assert all_.challenge == "silence"
        assert all_.warnings == ("it hushes 3 of the 3 alerts that fire",)
        assert all_.affects[0] == "mutes 3 now, 3 in the last week"
        two = SilenceMatching(seat.desk, "alerts", matchers='source=~"web|db"')
        assert not (await two.plan()).challenge
        long = SilenceMatching(seat.desk, "alerts", matchers='source="web"', seconds=2 * 86400)
        assert (await long.plan()).challenge == "2 d"

    async def test_many_are_acknowledged_at_once_but_for_those_somebody_was_first_at(self, seat):
        for name in ("web", "db"):
            seat.read(name, cpu=0.99)
        seat.ruler.group = seat.desk.group = RuleGroup("all", (replace(HOT, series=Selector("cpu")),))
        await seat.after(1)
        web, db = sorted(seat.reports[-1].alerts, key=lambda alert: alert.source, reverse=True)
        both = Acknowledge(seat.desk, "alerts", fingerprint=web.fingerprint, others=[db.fingerprint])
        plan = await both.plan()
        assert (plan.count, plan.summary) == (2, "acknowledge 2 alerts until it is resolved")
        first = await Acknowledge(seat.desk, "alerts", fingerprint=db.fingerprint, note="mine").run(print)
        receipt = await both.run(print)
        assert receipt.done == 1
        assert receipt.summary.startswith("CPU saturated of web is acknowledged; ")
        assert "acknowledged it first" in receipt.summary
        await seat.after(1, cpu=0.99)
        assert {a.source: a.word for a in seat.reports[-1].alerts}["web"] == "acknowledged"
        await both.undo(receipt)
        assert (await seat.desk.alert(web.fingerprint)).ack is None
        assert (await seat.desk.alert(db.fingerprint)).ack is not None
        assert first.done == 1

    async def test_an_alert_keeps_what_was_to_be_seen_when_it_fired(self, seat, other):
        """The busiest processes then, and the series that had moved a minute before."""
        rows = [
            ProcessRow(7, 1, "worker", "worker", "u", "R", "python", 0.93, 5 << 20, 1, 1.0),
            ProcessRow(8, 1, "big", "big", "u", "S", "", 0.01, 9 << 30, 1, 1.0),
        ]
        memory = MemoryUse(total=1, available=1)
        facts = HostReading("box", 1.0, CpuUse("all", 0.5), (), (0, 0, 0), memory, top=tuple(rows))
        dice = random.Random(4)
        for n in range(121):
            wobble = dice.random() / 100
            queue, cpu = (90.0 if n >= 107 else 3.0), (0.97 if n >= 119 else 0.4)
            seat.time.now += 5
            seat.read("web", cpu=cpu + wobble, queue=queue + wobble, other=1 + wobble)
            repeats = Measure(SeriesKey("anomaly", "anomaly.sigmas"), queue + wobble)  # what others say
            seat.rings.record(Reading("anomaly", seat.time.now, 0.0, (repeats,), None))
        seat.looks["web"] = replace(
            seat.looks["web"], reading=replace(seat.looks["web"].reading, facts=facts)
        )
        await seat.ruler.tick()
        hot = next(alert for alert in seat.reports[-1].alerts if alert.rule == "hot")
        assert (
            hot.witness[0]
            == "busiest on box: worker 7 (93.0% of a core, 5.00 MiB), big 8 (1.0% of a core, 9.00 GiB)"
        )
        assert hot.witness[1].startswith("moved 60 s before: web/queue 3")
        assert len(hot.witness) == 2
        await other.ruler.tick()
        again = next(alert for alert in other.reports[-1].alerts if alert.rule == "hot")
        assert again.witness == hot.witness
        assert line(hot).evidence == hot.witness

    async def test_of_a_storm_the_first_alerts_keep_what_was_to_be_seen(self, seat):
        """Looking into each of hundreds would hold their messages up."""
        row = ProcessRow(7, 1, "worker", "worker", "u", "R", "python", 0.93, 5 << 20, 1, 1.0)
        memory = MemoryUse(total=1, available=1)
        facts = HostReading("box", 1.0, CpuUse("all", 0.5), (), (0, 0, 0), memory, top=(row,))
        rules = tuple(replace(HOT, name=f"hot{n}", hold=0.0) for n in range(WITNESSED + 3))
        seat.ruler.group = seat.desk.group = RuleGroup("all", rules)
        seat.time.now += 5
        seat.read("web", cpu=0.97)
        seat.looks["web"] = replace(
            seat.looks["web"], reading=replace(seat.looks["web"].reading, facts=facts)
        )
        await seat.ruler.tick()
        firing = [one for one in seat.reports[-1].alerts if one.state is AlertState.FIRING]
        assert len(firing) == WITNESSED + 3
        assert sum(bool(one.witness) for one in firing) == WITNESSED

    async def test_a_rule_of_ours_tells_its_last_value_and_tick(self, seat):
        await seat.after(cpu=0.99)
        status = {one.rule.name: one for one in seat.reports[-1].rules}
        assert (status["hot"].value, status["hot"].evaluated) == (0.99, seat.time.now)
        assert status["hot"].took_s > 0
        assert status["down"].value is None

    async def test_a_threshold_is_rehearsed_and_shared(self, seat, other):
        for n in range(120):
            seat.time.now += 10
            seat.read("web", cpu=0.7 if n % 40 >= 30 else 0.2)
        await seat.ruler.tick()
        deed = SetThreshold(seat.desk, "alerts", rule="busy", threshold=0.5)
        plan = await deed.plan()
        assert plan.affects[0].startswith("would have fired 3 times")
        assert "as it is: would have fired never" in plan.affects[-1]
        receipt = await deed.run(lambda progress: None)
        await other.ruler.tick()
        assert {s.rule.name: (s.rule.threshold, s.default) for s in other.reports[-1].rules}["busy"] == (
            0.5,
            0.8,
        )
        assert [e.note for e in other.reports[-1].history if e.kind == "threshold"] == ["> 50.0%"]
        await deed.undo(receipt)
        await other.ruler.tick()
        assert {s.rule.name: s.rule.threshold for s in other.reports[-1].rules}["busy"] == 0.8
        with pytest.raises(PlanRejected, match="no rule"):
            await SetThreshold(seat.desk, "alerts", rule="nothing", threshold=1.0).plan()

    async def test_whoever_takes_over_fences_the_sleeper(self, seat, other, store):
        await seat.after(cpu=0.99)
        drop = "UPDATE perftui_lease SET until = 0"
        await asyncio.wrap_future(store.write(lambda driver: driver.execute(drop)))
        await other.after(cpu=0.1)
        assert other.ruler.holder
        await seat.after(0, cpu=0.99)
        assert not seat.ruler.holder


class TestOnSqlite(AlertLaws):
    @pytest.fixture
    async def url(self, sqlite_url):
        return sqlite_url


class TestOnPostgres(AlertLaws):
    @pytest.fixture
    async def url(self, postgres_url):
        return postgres_url
