"""Loops and schedules: modes shared through the store, each firing dealt with once, one switch for all."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from perftui.engines.tuning.deeds import RunNow, SetMode, StopAll
from perftui.model.action import Made, Plan, Receipt, Risk
from perftui.model.auditlog import AuditEntry
from perftui.model.errors import PlanRejected
from perftui.model.schedule import TUNING_TOPIC, LoopState, Mode, Schedule
from perftui.runtime.audit import Audit
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.looptable import LoopTable
from perftui.runtime.making import make
from perftui.runtime.memory import Memory
from perftui.runtime.tasks import Crew
from perftui.runtime.topic import Topic
from perftui.runtime.tuning import Tuning
from perftui.runtime.undobook import told
from tests.waiting import auntil, until

ENV = SimpleNamespace(name="lab", kind="lab")
EVERY = Schedule("tidy", "cache.tidy", "cache", every=60.0, mode=Mode.ON)


class Tidy:
    """An action that counts how often it was done."""

    id = "cache.tidy"
    title = "Tidy up"
    target = "cache"
    risk = Risk.CHANGES
    deadline = 5.0

    def __init__(self, done, challenge="", hold=None):
        self.done, self.challenge, self.hold = done, challenge, hold

    async def plan(self):
        return Plan("tidy up 3 keys", challenge=self.challenge, reversible=True)

    async def run(self, report):
        if self.hold is not None:
            self.done.append("begun")
            await self.hold.wait()
        self.done.append("run")
        return Receipt("3 keys are tidy", 3, undo={})

    async def undo(self, receipt):
        self.done.append("undo")
        return Receipt("untidy again")


class Desk:
    """One process' tuning on a store, with a clock that is set by hand."""

    def __init__(self, url, folder, *schedules, **how):
        self.wall = [time.time() // 3600 * 3600 + 30]  # the same place within any of the schedules' hours
        self.done = []
        self.clock = Clock(wall=lambda: self.wall[0])
        self.memory = Memory(url, "lab", self.clock, 1 << 30, shared=True)
        self.conductor = Conductor(ENV, Audit(folder / "audit.jsonl"), self.clock)
        self.topic = Topic(TUNING_TOPIC)

        def make(_id, _source, **_params):
            return Tidy(self.done, **how)

        self.tuning = Tuning(
            self.memory,
            schedules or (EVERY,),
            lambda: self.conductor,
            make,
            lambda offer: offer.source,
            self.clock,
            self.topic,
        )
        self.tuning._begin = 0.0  # everything is connected
        self.crew = Crew("test")

    async def tick(self, seconds=0.0):
        self.wall[0] += seconds
        assert await self.memory.store.ready()
        await self.tuning.tick(self.crew)
        for task in self.tuning._busy.values():
            if self.tuning.mode("tidy") is Mode.OBSERVE or not task.done():
                await asyncio.wait({task}, timeout=5)
        return await self.row()

    async def row(self, name="tidy"):
        return await self.tuning.loop(name)

    async def close(self):
        await self.crew.stop()
        await self.tuning._turn.drop()
        await self.memory.close({}, 5.0)


class TuningLaws:
    async def test_a_schedule_acts_when_its_time_comes_and_says_so(self, url, tmp_path):
        desk = Desk(url, tmp_path)
        row = await desk.tick()
        assert row.mode is Mode.ON
        assert desk.done == []
        row = await desk.tick(31)
        assert desk.done == ["run"]
        row = await desk.row()
        assert (row.state.decision, row.state.result) == ("acts", "3 keys are tidy")
        assert "every 1 m" in row.state.reason
        assert len(row.state.acts) == 1
        await desk.tick(1)
        assert desk.done == ["run"]
        await desk.tick(60)
        assert desk.done == ["run", "run"]
        assert [e.outcome.value for e in entries(tmp_path)] == ["started", "done"] * 2
        await desk.close()

    async def test_of_two_on_a_store_one_acts(self, url, tmp_path):
        one, two = Desk(url, tmp_path), Desk(url, tmp_path)
        two.wall = one.wall
        two.clock._wall = lambda: one.wall[0]
        for seconds in (0, 31, 1, 60):
            one.wall[0] += seconds
            await one.tick()
            await two.tick()
        assert (one.done, two.done) == (["run", "run"], [])
        row = await two.row()
        assert row.holder == one.memory.leases.holder
        await one.close()
        two.tuning._beat = 0.0
        await two.tick()
        two.wall[0] += 60
        await two.tick()
        assert two.done == ["run"]
        await two.close()

    async def test_a_firing_is_taken_once_and_only_under_the_lease(self, url, tmp_path):
        desk = Desk(url, tmp_path)
        assert await desk.memory.store.ready()
        table, leases = LoopTable(desk.memory.store), desk.memory.leases
        lease = await leases.take("schedules/lab")
        assert await table.claim(lease, "tidy", LoopState(slot=10.0))
        assert not await table.claim(lease, "tidy", LoopState(slot=10.0))
        assert await table.claim(lease, "tidy", LoopState(slot=20.0))
        await leases.renew(lease, ttl=-1.0)
        assert not await table.claim(lease, "tidy", LoopState(slot=30.0))
        assert (await table.sheet()).states["tidy"].slot == 20.0
        await desk.close()

    async def test_two_people_at_once_the_second_is_told_by_whom(self, url, tmp_path):
        desk = Desk(url, tmp_path)
        await desk.memory.store.ready()
        one, two = (SetMode(desk.tuning, "tuning", loop="tidy", mode=m) for m in ("off", "observe"))
        await one.plan()
        await two.plan()
        receipt = await one.run(lambda _p: None)
        assert receipt.summary == "tidy is off"
        with pytest.raises(PlanRejected, match="has set tidy to off meanwhile"):
            await two.run(lambda _p: None)
        assert (await one.undo(receipt)).summary == "tidy is on again"
        await desk.close()

    async def test_stop_sets_everything_to_off_for_all_and_undo_restores(self, url, tmp_path):
        hold = asyncio.Event()
        one, two = Desk(url, tmp_path, hold=hold), Desk(url, tmp_path)
        await one.memory.store.ready()
        await two.memory.store.ready()
        await one.tuning.tick(one.crew)
        one.wall[0] += 31
        await one.tuning.tick(one.crew)
        running = await auntil(lambda: running_of(two), 10)
        assert running == "Tidy up"
        await until(lambda: one.done)  # before it has begun, a stop is a refusal
        stop = StopAll(two.tuning, "tuning")
        plan = await stop.plan()
        assert plan.count == 6
        receipt = await stop.run(lambda _p: None)
        assert "under way: tidy: Tidy up" in receipt.summary
        await one.tuning.tick(one.crew)
        assert {row.mode for row in one.topic.value.report.rows} == {Mode.OFF}
        hold.set()
        await until(one.tuning._busy["tidy"].done)
        await one.tick(61)
        assert one.done == ["begun", "run"]  # what was under way went on to its end; nothing new began
        assert (await one.row()).state.reason == "it is off"
        with pytest.raises(PlanRejected, match="off already"):
            await stop.plan()
        await stop.undo(receipt)
        assert {row.mode for row in (await one.tuning.report()).rows} == {Mode.ON}
        await two.close()
        await one.close()


async def running_of(desk):
    return (await desk.row()).state.running


class TestSqlite(TuningLaws):
    @pytest.fixture
    def url(self, sqlite_url):
        return sqlite_url


class TestPostgres(TuningLaws):
    @pytest.fixture
    def url(self, postgres_url):
        return postgres_url


def entries(folder) -> list[AuditEntry]:
    return list(reversed(Audit(folder / "audit.jsonl").entries()))


async def test_one_that_observes_only_says_what_it_would_have_done(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path, Schedule("tidy", "cache.tidy", "cache", every=60.0))
    await desk.tick()
    row = await desk.tick(31)
    assert row.state.decision == "would have: tidy up 3 keys"
    assert desk.done == []
    assert entries(tmp_path) == []
    await desk.close()


@pytest.mark.parametrize(("once", "done"), [(False, []), (True, ["run"])])
async def test_what_was_missed_is_skipped_or_run_once(sqlite_url, tmp_path, once, done):
    rare = Schedule("tidy", "cache.tidy", "cache", every=3600.0, mode=Mode.ON, run_missed=once)
    desk = Desk(sqlite_url, tmp_path, rare)
    await desk.tick()
    row = await desk.tick(4 * 3600 + 1800)
    assert desk.done == done
    row = await desk.row()
    if not once:
        assert row.state.decision == "skipped"
        assert "missed: nobody was there" in row.state.reason
    await desk.close()


async def test_a_budget_holds(sqlite_url, tmp_path):
    desk = Desk(
        sqlite_url, tmp_path, Schedule("tidy", "cache.tidy", "cache", every=60.0, mode=Mode.ON, budget=2)
    )
    await desk.tick()
    for _ in range(3):
        await desk.tick(60)
    assert desk.done == ["run", "run"]
    assert (await desk.row()).state.decision == "held"
    await desk.tick(3600)
    assert len(desk.done) == 3
    await desk.close()


@pytest.mark.parametrize(("confirm", "done"), [("", []), ("cache", ["run"])])
async def test_what_destroys_needs_its_challenge_in_the_schedule(sqlite_url, tmp_path, confirm, done):
    schedule = Schedule("tidy", "cache.tidy", "cache", every=60.0, mode=Mode.ON, confirm=confirm)
    desk = Desk(sqlite_url, tmp_path, schedule, challenge="cache")
    await desk.tick()
    await desk.tick(31)
    assert desk.done == done
    row = await desk.row()
    if not done:
        assert row.state.decision == "refused"
        assert "set confirm" in row.state.reason
        assert [e.outcome.value for e in entries(tmp_path)] == ["declined"]
        assert row.state.acts == ()
    await desk.close()


async def test_read_only_refuses_a_schedule_too(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    desk.conductor.read_only = True
    await desk.tick()
    await desk.tick(31)
    assert desk.done == []
    assert "read-only" in (await desk.row()).state.reason
    await desk.close()


async def test_a_holder_whose_lease_ran_out_while_it_was_asked_sends_nothing(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    await desk.tick()
    desk.wall[0] += 31
    plan = Tidy.plan

    async def slept(self):
        desk.tuning._turn._until = 0.0  # as after a pause longer than the lease
        return await plan(self)

    Tidy.plan = slept
    try:
        await desk.tick()
    finally:
        Tidy.plan = plan
    assert desk.done == []
    assert "lease or mode changed" in (await desk.row()).state.reason
    await desk.close()


async def test_a_gated_loop_stops_and_begins_with_its_mode(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    seen = []

    async def work():
        seen.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")

    await desk.tick()
    task = asyncio.create_task(desk.tuning.gated("alerts", work, lambda: "3 rules evaluated"))
    await until(lambda: seen == ["begun"])
    other = Desk(sqlite_url, tmp_path)
    await SetMode(other.tuning, "tuning", loop="alerts", mode="off").run(lambda _p: None)
    await desk.tick()
    await until(lambda: seen == ["begun", "ended"])
    assert desk.tuning.mode("alerts") is not Mode.ON
    await other.tuning.set_modes({"alerts": Mode.ON})
    await desk.tick()
    await until(lambda: seen == ["begun", "ended", "begun"])
    task.cancel()
    await until(lambda: len(seen) == 4)
    await other.close()
    await desk.close()


async def test_a_loop_that_is_held_here_tells_everybody_what_it_did(sqlite_url, tmp_path):
    desk, other = Desk(sqlite_url, tmp_path), Desk(sqlite_url, tmp_path)
    said = ["3 rules evaluated"]
    desk.tuning._told["alerts"] = lambda: said[0]
    await desk.tick()
    assert (await other.row("alerts")).state.decision == ""
    await desk.memory.leases.take("alerts/lab")
    await desk.tick(6)
    await desk.tick(6)
    assert (await other.row("alerts")).state.decision == "3 rules evaluated"
    said[0] = "4 rules evaluated"
    await desk.tick(6)
    assert (await other.row("alerts")).state.decision == "4 rules evaluated"
    await desk.tuning.set_modes({"alerts": Mode.OFF})
    said[0] = "5 rules evaluated"
    await desk.tick(6)
    assert (await other.row("alerts")).state.decision == "4 rules evaluated"
    await other.close()
    await desk.close()


async def test_run_now_does_what_the_schedule_does_with_its_own_plan(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path, challenge="cache")
    now = RunNow(desk.tuning, "tuning", schedule="tidy")
    assert (await now.plan()).challenge == "cache"
    receipt = await now.run(lambda _p: None)
    await now.undo(receipt)
    assert desk.done == ["run", "undo"]
    for name, wrong in (("alerts", "runs by itself"), ("other", "is no schedule")):
        with pytest.raises(PlanRejected, match=wrong):
            RunNow(desk.tuning, "tuning", schedule=name)
    await desk.close()


async def test_modes_that_a_loop_does_not_know_are_refused(sqlite_url, tmp_path):
    desk = Desk(sqlite_url, tmp_path)
    await desk.memory.store.ready()
    for loop, mode, wrong in (
        ("recorder", "observe", "has the modes off, on"),
        ("tidy", "on", "is on already"),
        ("none", "on", "there is no loop"),
    ):
        with pytest.raises(PlanRejected, match=wrong):
            await SetMode(desk.tuning, "tuning", loop=loop, mode=mode).plan()
    await desk.close()


async def test_what_a_schedule_did_at_once_is_taken_back_as_itself(sqlite_url, tmp_path):
    """The schedule may be gone or changed by then: what it did is made again, not what it would do."""
    desk = Desk(sqlite_url, tmp_path)
    inner = Tidy(desk.done)
    inner.made = Made("cache", {"pattern": "x*"})
    desk.tuning._make = lambda _id, _source, **_params: inner
    now = make("tune.run", "perftui.engines.tuning.deeds:RunNow", desk.tuning, "tuning", {"schedule": "tidy"})
    plan = await now.plan()
    receipt = replace(await now.run(lambda _p: None), undo={"keys": 3})
    kept = told("r1", 1000.0, "lab", now, plan, receipt)
    assert (kept.action, kept.source, kept.params) == (inner.id, "cache", {"pattern": "x*"})
    await desk.close()
