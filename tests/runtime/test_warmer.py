"""Warm jobs in a store: fired once among all on it, missed ones skipped or run, dead runs taken over."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from perftui.analysis.schedule import upcoming
from perftui.engines.cache.warmjobs import AddJob, EditJob, RemoveJob, RunJob, SwitchJob
from perftui.model.action import Plan, Progress, Receipt, Risk
from perftui.model.errors import Cancelled, PartlyDone, PlanRejected
from perftui.model.schedule import TUNING_TOPIC
from perftui.model.warmjob import WARMING, Ended, JobState, Missed, WarmJob
from perftui.model.warmqueue import Told
from perftui.runtime import warmer
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.memory import Memory
from perftui.runtime.schema import MIGRATIONS
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic
from perftui.runtime.tuning import Tuning
from perftui.runtime.warmtable import WarmTable
from tests.waiting import until

ENV = SimpleNamespace(name="lab", kind="lab")
START = dt.datetime(2026, 3, 2, 10, 0, 30, tzinfo=dt.UTC).timestamp()


class Ordered:
    """The act behind a job, without a server: says what it is told to, and counts."""

    id, title, risk, target, deadline = "cache.warm-run", "Order a warm run", Risk.CHANGES, "cache", 5.0

    def __init__(self, desk, how):
        self.desk, self.how = desk, how

    async def tell(self, told):
        """Replaced by who waits."""

    async def plan(self):
        return Plan(f"warm {self.how['namespace']} at {self.how['rate']:g} loads a second")

    async def run(self, report):
        self.desk.orders.append(self.how)
        await self.tell(Told("n", 3, 1, 0, 0))
        report(Progress(1, 3))
        if self.desk.hold is not None:
            await self.desk.hold.wait()
        if self.desk.fails:
            await self.tell(Told("n", 3, 2, 0, 1, over=True))
            raise PartlyDone("2 keys loaded, 1 failed", Receipt("2 keys loaded, 1 failed", 2))
        await self.tell(Told("n", 3, 3, 0, 0, over=True))
        return Receipt("3 keys loaded", 3)


class Desk:
    """One process on a store, with a clock that is set by hand."""

    def __init__(self, url, folder, wall=None):
        self.wall = wall or [START]
        self.orders, self.hold, self.fails = [], None, False
        self.ticks = [0.0]
        self.clock = Clock(wall=lambda: self.wall[0])
        self.memory = Memory(url, "lab", self.clock, 1 << 30, shared=True)
        self.conductor = Conductor(ENV, Audit(folder / "audit.jsonl"), self.clock)
        self.tuning = Tuning(
            self.memory,
            (),
            lambda: self.conductor,
            self.make,
            lambda offer: offer.source or "cache",
            self.clock,
            Topic(TUNING_TOPIC),
        )
        self.warmer = self.tuning.warmer
        self.warmer._begin = 0.0  # everything is connected
        self.crew = Crew("test")

    def make(self, id_, source, **params):
        if id_ == warmer.ORDER:
            return Ordered(self, params)
        assert source == WARMING
        return RunJob(self.warmer, source, **params)

    async def tick(self, seconds=0.0, *, wait=True):
        self.wall[0] += seconds
        assert await self.memory.store.ready(), self.memory.store.problem
        self.warmer._beat = -99.0
        await self.warmer.tick(self.crew)
        tasks = set(self.warmer._busy.values())
        if tasks and wait:
            await asyncio.wait(tasks, timeout=5)

    async def add(self, **how):
        assert await self.memory.store.ready(), self.memory.store.problem
        said = {"job": "fresh", "namespace": "shop", "when": "every 1 m", **how}
        action = AddJob(self.warmer, WARMING, **said)
        await action.plan()
        return action, await action.run(lambda _p: None)

    async def row(self, name="fresh"):
        return await self.warmer.job(name)

    async def close(self):
        await self.crew.stop()
        await self.warmer._turn.drop()
        await self.memory.close({}, 5.0)


def told(folder):
    return [(e.action, e.outcome.value) for e in reversed(Audit(folder / "audit.jsonl").entries())]


class WarmerLaws:
    async def test_a_job_runs_when_its_time_comes_and_says_how_it_went(self, url, tmp_path):
        desk = Desk(url, tmp_path)
        await desk.add(rate="25", keys="keys a b a")
        await desk.tick()
        assert desk.orders == []
        await desk.tick(31)
        (order,) = desk.orders
        assert (order["what"], order["keys"], order["rate"]) == ("keys", ("a", "b"), 25.0)
        row = await desk.row()
        state = row.state
        assert (state.run, state.outcome, state.result) == ("", Ended.DONE, "3 keys loaded")
        assert (state.total, state.loaded, state.settled) == (3, 3, 3)
        assert row.upcoming[0] == START + 90
        await desk.tick(1)
        await desk.tick(60)
        assert len(desk.orders) == 2
        assert len({order["run"] for order in desk.orders}) == 2
        assert told(tmp_path) == [("cache.warm-job", "started"), ("cache.warm-job", "done")] * 2
        assert desk.warmer.said() == "1 of 1 jobs on, fresh: 3 keys loaded"
        await desk.close()

    async def test_of_two_on_a_store_one_runs_it(self, url, tmp_path):
        wall = [START]
        one, two = Desk(url, tmp_path, wall), Desk(url, tmp_path, wall)
        await one.add()
        for seconds in (0, 31, 1, 60):
            wall[0] += seconds
            await one.tick()
            await two.tick()
        assert (len(one.orders), len(two.orders)) == (2, 0)
        assert (await two.warmer.report()).holder == one.memory.leases.holder
        await one.close()
        await two.tick()
        await two.tick(60)
        assert len(two.orders) == 1
        await two.close()

    async def test_a_firing_is_taken_once_under_the_lease_and_never_beside_a_run(self, url, tmp_path):
        desk = Desk(url, tmp_path)
        await desk.add()
        table, leases = WarmTable(desk.memory.store), desk.memory.leases
        lease = await leases.take("warming/lab")
        at = desk.wall[0]
        assert await table.claim(lease, "fresh", JobState(slot=at + 1, run="aa"))
        assert not await table.claim(lease, "fresh", JobState(slot=at + 2))  # it runs
        assert not await table.begin("fresh", JobState(run="bb"))
        assert not await table.tell("fresh", "bb", JobState())
        assert await table.tell("fresh", "aa", JobState(slot=at + 1, outcome=Ended.DONE), lease)
        assert not await table.claim(lease, "fresh", JobState(slot=at + 1))
        assert await table.begin("fresh", JobState(run="bb"))
        assert await table.tell("fresh", "bb", JobState())
        assert (await desk.row()).state.slot == at + 1
        await leases.renew(lease, ttl=-1.0)
        assert not await table.claim(lease, "fresh", JobState(slot=at + 3))
        assert not await table.tell("fresh", "", JobState(), lease)
        await desk.close()

    async def test_by_hand_one_at_a_time_and_the_other_is_told_by_whom(self, url, tmp_path):
        one, two = Desk(url, tmp_path), Desk(url, tmp_path)
        await one.add()
        await two.memory.store.ready()
        one.hold = asyncio.Event()
        running = asyncio.ensure_future(RunJob(one.warmer, WARMING, job="fresh").run(lambda _p: None))
        await until(lambda: one.orders)
        with pytest.raises(PlanRejected, match="runs already, ordered by"):
            await RunJob(two.warmer, WARMING, job="fresh").plan()
        with pytest.raises(PlanRejected, match="runs now"):
            await RemoveJob(two.warmer, WARMING, job="fresh").plan()
        with pytest.raises(PlanRejected, match="runs now"):
            await two.warmer.remove(await two.row())
        row = await two.row()
        assert (row.state.run, row.state.loaded) == (one.orders[0]["run"], 1)
        one.hold.set()
        assert (await running).done == 3
        assert (await two.row()).state.outcome is Ended.DONE
        await one.close()
        await two.close()

    async def test_changes_are_as_of_what_was_seen_and_undone(self, url, tmp_path):
        desk = Desk(url, tmp_path)
        added, receipt = await desk.add(keys="keys a b")
        with pytest.raises(PlanRejected, match="already"):
            await desk.add()
        edit = EditJob(
            desk.warmer, WARMING, job="fresh", when="0 6 * * *", timezone="Europe/Berlin", keys="top 9"
        )
        plan = await edit.plan()
        assert "when every 1 m → 0 6 * * * Europe/Berlin" in plan.summary
        late = SwitchJob(desk.warmer, WARMING, job="fresh", on=False)
        await late.plan()
        done = await edit.run(lambda _p: None)
        with pytest.raises(PlanRejected, match="has changed fresh meanwhile"):
            await late.run(lambda _p: None)
        with pytest.raises(PlanRejected, match="meanwhile"):
            await added.undo(receipt)
        await edit.undo(done)
        row = await desk.row()
        assert (row.job.every, row.job.named, await desk.warmer.keys("fresh")) == (60.0, 2, ("a", "b"))
        switch = SwitchJob(desk.warmer, WARMING, job="fresh", on=False)
        assert (await switch.plan()).summary == "warm job fresh: switch on → off"
        off = await switch.run(lambda _p: None)
        assert (await desk.row()).upcoming == ()
        with pytest.raises(PlanRejected, match="so already"):
            await SwitchJob(desk.warmer, WARMING, job="fresh", on=False).plan()
        await switch.undo(off)
        remove = RemoveJob(desk.warmer, WARMING, job="fresh")
        await remove.plan()
        gone = await remove.run(lambda _p: None)
        assert (await desk.warmer.report()).rows == ()
        with pytest.raises(PlanRejected, match="no warm job"):
            await desk.row()
        await remove.undo(gone)
        assert await desk.warmer.keys("fresh") == ("a", "b")
        await desk.close()


class TestSqlite(WarmerLaws):
    @pytest.fixture
    def url(self, sqlite_url):
        return sqlite_url


class TestPostgres(WarmerLaws):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("once", 1)])
async def test_what_was_missed_is_skipped_or_run_once(sqlite_url, tmp_path, missed, runs):
    desk = Desk(sqlite_url, tmp_path)
    await desk.add(when="every 1 h", missed=missed)
    await desk.tick()
    await desk.tick(4 * 3600 + 1800)
    assert len(desk.orders) == runs
    state = (await desk.row()).state
    if not runs:
        assert (state.outcome, state.result) == (Ended.SKIPPED, "4 missed: nobody was there to run it")
    await desk.tick(1)
    assert len(desk.orders) == runs
    await desk.close()


async def test_off_or_paused_nothing_runs_and_nothing_is_missed(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    await desk.add(missed="once")
    await desk.tick()
    await desk.tuning.set_mode(await desk.tuning.loop(WARMING), warmer_mode("off"))
    await desk.tick(200)
    report = await desk.warmer.report()
    assert (report.paused, report.rows[0].upcoming, desk.orders) == (True, (), [])
    await desk.tuning.set_mode(await desk.tuning.loop(WARMING), warmer_mode("on"))
    await SwitchJob(desk.warmer, WARMING, job="fresh", on=False).run(lambda _p: None)
    await desk.tick(200)
    await SwitchJob(desk.warmer, WARMING, job="fresh", on=True).run(lambda _p: None)
    await desk.tick(1)
    assert desk.orders == []
    await desk.tick(60)
    assert len(desk.orders) == 1
    await desk.close()


def warmer_mode(word):
    from perftui.model.schedule import Mode

    return Mode(word)


async def test_keys_that_failed_are_kept_in_its_state_and_in_the_audit(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    desk.fails = True
    await desk.add()
    await desk.tick()
    await desk.tick(31)
    state = (await desk.row()).state
    assert (state.run, state.outcome, state.failed) == ("", Ended.PARTLY, 1)
    assert told(tmp_path)[-1] == ("cache.warm-job", "partly")
    await desk.close()


async def test_read_only_refuses_it_and_it_is_said(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    await desk.add()
    desk.conductor.read_only = True
    await desk.tick()
    await desk.tick(31)
    state = (await desk.row()).state
    assert (desk.orders, state.run, state.outcome) == ([], "", Ended.FAILED)
    assert "read-only" in state.result
    assert told(tmp_path) == [("cache.warm-job", "refused")]
    await desk.close()


async def test_a_holder_that_was_overtaken_before_it_began_sends_nothing(sqlite_url, tmp_path, monkeypatch):
    desk = Desk(sqlite_url, tmp_path)
    await desk.add()
    await desk.tick()
    plan = Ordered.plan

    async def slept(self):
        desk.warmer._turn._until = 0.0  # as after a pause longer than the lease
        return await plan(self)

    monkeypatch.setattr(Ordered, "plan", slept)
    await desk.tick(31)
    state = (await desk.row()).state
    assert (desk.orders, state.run) == ([], "")
    assert "lease passed on" in state.result
    await desk.close()


async def test_a_run_whose_console_died_is_taken_over_under_its_id(sqlite_url, tmp_path, monkeypatch):
    wall = [START]
    one, two = Desk(sqlite_url, tmp_path, wall), Desk(sqlite_url, tmp_path, wall)
    await one.add(when="every 1 h")
    table = WarmTable(one.memory.store)
    assert await table.begin("fresh", JobState(run="abcdef12", holder="dead:1:x", began=START, slot=START))
    await two.tick()
    assert two.orders == []  # it may live
    monkeypatch.setattr(warmer, "SILENT", 0.0)
    await two.tick(1)
    assert [order["run"] for order in two.orders] == ["abcdef12"]
    state = (await two.row()).state
    assert (state.run, state.outcome, state.began) == ("", Ended.DONE, START)
    await one.close()
    await two.close()


async def test_one_that_says_it_lives_is_left_alone(sqlite_url, tmp_path, monkeypatch):
    desk = Desk(sqlite_url, tmp_path)
    await desk.add(when="every 1 h")
    table = WarmTable(desk.memory.store)
    state = JobState(run="abcdef12", holder="other:1:x", began=START, slot=START)
    assert await table.begin("fresh", state)
    for beat in range(3):
        await table.tell("fresh", "abcdef12", replace(state, beat=beat))
        await desk.tick(1)
        monkeypatch.setattr(warmer, "SILENT", 0.0)
    assert desk.orders == []
    await desk.close()


async def test_cancelled_it_is_taken_back_and_told(sqlite_url, tmp_path, monkeypatch):
    desk = Desk(sqlite_url, tmp_path)
    await desk.add()

    async def cancelled(self, report):
        await self.tell(Told("n", 3, 1))
        raise Cancelled("taken back: 1 key loaded", Receipt("taken back", 1))

    monkeypatch.setattr(Ordered, "run", cancelled)
    with pytest.raises(Cancelled):
        await RunJob(desk.warmer, WARMING, job="fresh").run(lambda _p: None)
    state = (await desk.row()).state
    assert (state.run, state.outcome, state.loaded) == ("", Ended.CANCELLED, 1)
    await desk.close()


async def test_keys_come_from_a_file_which_is_read_once(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    file = tmp_path / "hot.keys"
    file.write_text('a\r\n["b",["tag"],60.0]\n\n')
    await desk.add(keys=f"file {file}")
    file.unlink()
    assert await desk.warmer.keys("fresh") == ("a", '["b",["tag"],60.0]')
    assert (await desk.row()).job.keys == "2 named keys"
    with pytest.raises(PlanRejected, match=r"hot\.keys"):
        await EditJob(desk.warmer, WARMING, job="fresh", keys=f"file {file}").plan()
    file.write_bytes(b"x" * (2 << 20))
    with pytest.raises(PlanRejected, match="too many"):
        await EditJob(desk.warmer, WARMING, job="fresh", keys=f"file {file}").plan()
    await desk.close()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"job": "Bad name"}, "name"),
        ({"namespace": " "}, "names the cache"),
        ({"when": "sometimes"}, "no cron"),
        ({"when": ""}, "says when"),
        ({"when": "every 2 s"}, "shorter"),
        ({"timezone": "Mars/Base"}, "time zone"),
        ({"rate": "0"}, "loads a second"),
        ({"rate": "many"}, "loads a second"),
        ({"missed": "twice"}, "skip, or once"),
        ({"keys": "top 0"}, "top 1"),
        ({"keys": "all"}, "which keys"),
        ({"warm_set": "UP"}, "warm set"),
        ({"colour": "red"}, "no colour"),
    ],
)
async def test_what_is_no_job_is_refused_with_a_sentence(sqlite_url, tmp_path, how, why):
    desk = Desk(sqlite_url, tmp_path)
    with pytest.raises(PlanRejected, match=why):
        await desk.add(**how)
    await desk.close()


def local(times, zone):
    return [dt.datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%m-%d %H:%M") for at in times]


@pytest.mark.parametrize(
    ("cron", "begin", "expected"),
    [
        # 29 March 2026: 02:00 becomes 03:00 in Berlin; what was to be at 02:30 comes at the next minute there is
        ("30 2 * * *", "2026-03-28T12:00", ["03-29 03:00", "03-30 02:30"]),
        # 25 October: 02:30 comes twice, and fires once
        ("30 2 * * *", "2026-10-24T12:00", ["10-25 02:30", "10-26 02:30"]),
        ("0 5 31 * *", "2026-03-31T06:00", ["05-31 05:00", "07-31 05:00"]),
        ("0 5 29 2 *", "2026-03-01T00:00", ["02-29 05:00", "02-29 05:00"]),
        ("0 0 1 * *", "2026-01-31T23:59", ["02-01 00:00", "03-01 00:00"]),
    ],
)
def test_the_next_runs_over_summer_time_and_ends_of_months(cron, begin, expected):
    zone = "Europe/Berlin"
    at = dt.datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(zone)).timestamp()
    job = WarmJob("fresh", "shop", cron=cron, timezone=zone, missed=Missed.ONCE)
    assert local(upcoming(job.schedule, at, 2), zone) == expected


def test_the_rate_of_a_run_is_what_it_loaded_in_its_time():
    assert JobState(began=100.0, ended=110.0, loaded=50).rate(999.0) == 5.0
    assert JobState(began=100.0, loaded=50).rate(105.0) == 10.0
    assert JobState().rate(9.0) == 0.0


async def test_a_store_of_the_version_before_gets_the_tables(sqlite_url, tmp_path, monkeypatch):
    from perftui.runtime import schema

    number = next(n for n, texts in enumerate(MIGRATIONS) if "perftui_warm_job" in texts[0])
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS[:number])
    before = Desk(sqlite_url, tmp_path)
    assert await before.memory.store.ready()
    await before.close()
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
    desk = Desk(sqlite_url, tmp_path)
    await desk.add()
    assert (await desk.row()).version == 1
    await desk.close()
