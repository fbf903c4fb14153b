"""Control loops and schedules of one environment: their modes, who runs them, and the schedules' clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perftui.analysis.schedule import due, upcoming
from perftui.model.action import Action, Plan
from perftui.model.errors import Cancelled, PartlyDone, PerftuiError, PlanRejected, StoreError
from perftui.model.finding import Offer
from perftui.model.frame import Frame
from perftui.model.schedule import TUNING, TUNING_TOPIC, LoopRow, LoopState, Mode, Schedule, TuningReport
from perftui.model.warmjob import WARMING
from perftui.runtime.alertdesk import person
from perftui.runtime.clock import Clock
from perftui.runtime.conductor import Conductor
from perftui.runtime.leases import AGENT, RENEW, WAIT, Turn
from perftui.runtime.looptable import LoopTable, Sheet
from perftui.runtime.memory import Memory
from perftui.runtime.tasks import Crew, end
from perftui.runtime.topic import Topic
from perftui.runtime.warmer import Warmer

log = logging.getLogger(__name__)

QUICK = 1.0  # seconds between looks at the modes for who runs something: a stop is heeded within two
SLOW = 5.0
SETTLE = 5.0  # seconds after the start in which nothing fires: systems are still being connected
LATE = 60.0  # seconds from which a firing was missed
HOUR = 3600.0
LEASE = "schedules"
BOTH = (Mode.OFF, Mode.ON)
EVERY = (Mode.OFF, Mode.OBSERVE, Mode.ON)
LOOPS: Mapping[str, tuple[str, str]] = {
    "alerts": ("alerts", "evaluates the alert rules"),
    "recorder": ("recorder", "writes samples, reports and events for all on the store"),
    "roll-up": ("recorder", "folds old samples into coarser ones"),
    "regions": ("regions", "promotes a lost region's replica, where its backend is automatic"),
    WARMING: (WARMING, "runs the warm jobs of caches"),
}
"""Loop → its lease, what it does. They change no system but as its configuration or people's jobs say: on."""

Make = Callable[..., Action]


class Tuning:
    """The `TuningDesk` of one environment, and the runner of its schedules."""

    def __init__(
        self,
        memory: Memory,
        schedules: Sequence[Schedule],
        conductor: Callable[[], Conductor],
        make: Make,
        target: Callable[[Offer], str],
        clock: Clock,
        topic: Topic[Frame],
    ) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._conductor = conductor
        self._make, self._target = make, target
        self._begin = clock.monotonic() + SETTLE
        self._clock = clock
        self._topic = topic
        self._memory = memory
        self._table = LoopTable(memory.store)
        self._turn = Turn(memory.leases, f"{LEASE}/{memory.store.env}", clock)
        self._beat = 0.0
        self._sheet = Sheet()
        self._changed = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self.warmer = Warmer(memory, conductor, make, target, clock)
        past = memory.history
        self._told: dict[str, Callable[[], str]] = {  # what this process' own loops say
            "recorder": lambda: f"{past.written} blocks of samples written" if past.written else "",
            "roll-up": lambda: f"{past.folded} windows folded" if past.folded else "nothing is old enough",
            WARMING: self.warmer.said,
        }
        memory.allowed = lambda: self.mode("recorder") is not Mode.OFF
        memory.history.folds = lambda: self.mode("roll-up") is not Mode.OFF

    @property
    def desks(self) -> dict[str, object]:
        """What stands where backends do, by its name."""
        return {TUNING: self, WARMING: self.warmer}

    def mode(self, name: str) -> Mode:
        """How far a loop may go, as far as we have heard."""
        known = self._sheet.settings.get(name)
        if known is not None:
            return known.mode
        return self._schedules[name].mode if name in self._schedules else Mode.ON

    def holder(self, name: str) -> str:
        """Who runs a loop, as far as we have heard; empty for nobody."""
        return self._sheet.holders.get(LOOPS[name][0], "")

    @property
    def agent(self) -> str:
        """Who does all this day and night, as far as we have heard; empty for nobody."""
        return self._sheet.holders.get(AGENT, "")

    async def gated(
        self, name: str, work: Callable[[], Coroutine[Any, Any, None]], told: Callable[[], str]
    ) -> None:
        """Run a loop while it is not off, begun again as its mode says; `told` is its last word."""
        self._told[name] = told
        async with Crew(name) as crew:
            while True:
                while self.mode(name) is Mode.OFF:
                    await self._news()
                task = crew.start("run", work())
                while self.mode(name) is not Mode.OFF:
                    await self._news()
                await end(task, RENEW)

    async def _news(self) -> None:
        await self._changed.wait()

    # the clock

    async def run(self) -> None:
        """Look at the modes, fire what is due, and tell, until cancelled."""
        async with Crew("schedules") as crew:
            try:
                await self._memory.store.ready()
                crew.start("warm jobs", self.warmer.run())
                while True:
                    await self.tick(crew)
                    await asyncio.sleep(QUICK if self._runs_something() else SLOW)
            finally:
                await self._turn.drop()

    def _runs_something(self) -> bool:
        """Whether a stop would have to be heeded here, or somebody looks."""
        ours = self._memory.leases.holder
        return self._topic.level > 0 or ours in self._sheet.holders.values()

    async def tick(self, crew: Crew) -> None:
        """One look; a store that fails is told, and nothing fires without it."""
        problem = ""
        try:
            await self._look()
            await self._consult()
            await self._tell()
            for schedule in self._schedules.values():
                await self._consider(schedule, crew)
        except StoreError as error:
            problem = str(error)
        self._publish(problem)

    async def _look(self) -> None:
        before, self._sheet = self._sheet, await self._table.sheet()
        if before.settings != self._sheet.settings:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def _consult(self) -> None:
        now = self._clock.monotonic()
        pace = RENEW if self._turn.lease is not None else WAIT
        if self._schedules and now - self._beat >= pace:
            self._beat = now
            await self._turn.beat()

    async def _consider(self, schedule: Schedule, crew: Crew) -> None:
        """Fire a schedule whose time has come, once, wherever it is noticed first."""
        lease, now = self._turn.lease, self._clock.wall()
        running = self._busy.get(schedule.name)
        if (
            lease is None
            or self._clock.monotonic() < self._begin
            or (running is not None and not running.done())
        ):
            return
        state = self._sheet.states.get(schedule.name) or LoopState()
        if not state.slot:  # new: nothing was missed before it was there
            await self._table.claim(lease, schedule.name, replace(state, slot=now))
            return
        at, count = due(schedule, state.slot, now)
        if not at:
            return
        state = replace(state, slot=at, acts=tuple(acted for acted in state.acts if acted > now - HOUR))
        said = self._passed_over(schedule, state, count, now - at)
        if said:
            state = replace(state, decided_at=now, decision=said[0], reason=said[1])
        if await self._table.claim(lease, schedule.name, state) and not said:
            log.info("schedule %s: due", schedule.name)
            self._busy[schedule.name] = crew.start(schedule.name, self._fire(schedule, state))

    def _passed_over(
        self, schedule: Schedule, state: LoopState, count: int, late: float
    ) -> tuple[str, str] | None:
        """Why nothing is to be done at this firing, if so."""
        if self.mode(schedule.name) is Mode.OFF:
            return "nothing", "it is off"
        if late > LATE and not schedule.run_missed:
            return "skipped", f"{count} missed: nobody was there to run it"
        if len(state.acts) >= schedule.budget:
            return "held", f"{schedule.budget} runs in the last hour are its budget"
        return None

    async def _fire(self, schedule: Schedule, state: LoopState) -> None:
        """Decide, and where it is on, act through the one door."""
        name, now = schedule.name, self._clock.wall()
        try:
            action = self._made(schedule)
            if self.mode(name) is Mode.OBSERVE:
                plan = await self._conductor().plan(action)
                state = replace(
                    state, decided_at=now, decision=f"would have: {plan.summary}", reason="observes"
                )
            else:
                state = await self._act(schedule, action, state)
        except PerftuiError as error:
            state = replace(state, decided_at=now, decision="failed", reason=str(error))
        await self._keep(name, replace(state, running=""))

    async def _act(self, schedule: Schedule, action: Action, state: LoopState) -> LoopState:
        now = self._clock.wall()
        still = lambda: self._turn.lease is not None and self.mode(schedule.name) is Mode.ON  # noqa: E731
        policy = Policy(schedule, still)
        state = replace(state, decided_at=now, decision="acts", reason=f"its time came: {schedule.when}")
        state = replace(state, acted_at=now, acts=(*state.acts, now), running=action.title)
        await self._keep(schedule.name, state)
        try:
            receipt = await self._conductor().perform(action, policy.ask, policy=True)
        except PlanRejected as error:
            refused = policy.reason or str(error)
            return replace(state, decision="refused", reason=refused, acts=state.acts[:-1])
        except (PartlyDone, Cancelled) as error:
            return replace(state, result=str(error))
        return replace(state, result=receipt.summary)

    async def _keep(self, name: str, state: LoopState) -> None:
        try:
            await self._table.put(name, state)
        except StoreError as error:
            log.warning("schedule %s: what it did is not written down: %s", name, error)

    # telling

    async def _tell(self) -> None:
        """Write down what our own loops have to say, when it is something new."""
        ours, now = self._memory.leases.holder, self._clock.wall()
        for name, told in self._told.items():
            before = self._sheet.states.get(name, LoopState())
            if self._sheet.holders.get(LOOPS[name][0]) != ours or self.mode(name) is Mode.OFF:
                continue
            if told() and told() != before.decision and now - before.decided_at >= SLOW:
                await self._table.put(name, LoopState(decided_at=now, decision=told()))

    def _publish(self, problem: str) -> None:
        now = self._clock.wall()
        report = TuningReport(now, self.rows(now), self.agent, problem)
        self._topic.publish(Frame(TUNING_TOPIC, now, report, {}, seen=now))

    def rows(self, now: float) -> tuple[LoopRow, ...]:
        """Loops first, then schedules."""
        loops = [
            self._row(LoopRow(name, "loop", about, Mode.ON, BOTH), lease)
            for name, (lease, about) in LOOPS.items()
        ]
        mine = [
            self._row(
                LoopRow(
                    s.name,
                    "schedule",
                    f"{s.action} on {s.source or 'the first that can'}, {s.when}",
                    s.mode,
                    EVERY,
                    upcoming=upcoming(s, now),
                    budget=s.budget,
                ),
                LEASE,
            )
            for s in self._schedules.values()
        ]
        return (*loops, *mine)

    def _row(self, row: LoopRow, lease: str) -> LoopRow:
        holder = self._sheet.holders.get(lease, "")
        state = self._sheet.states.get(row.name) or LoopState()
        setting = self._sheet.settings.get(row.name)
        row = replace(row, holder=holder, state=state)
        if setting is None:
            return row
        return replace(row, mode=setting.mode, version=setting.version, by=setting.by, since=setting.since)

    # what people may ask (`TuningDesk`)

    async def report(self) -> TuningReport:
        """All loops as the store has them now."""
        await self._look()
        now = self._clock.wall()
        return TuningReport(now, self.rows(now), self.agent)

    async def loop(self, name: str) -> LoopRow:
        """One loop; PlanRejected when there is none of that name."""
        found = next((row for row in (await self.report()).rows if row.name == name), None)
        if found is None:
            raise PlanRejected(f"there is no loop or schedule {name!r}")
        return found

    async def set_mode(self, row: LoopRow, mode: Mode) -> LoopRow:
        """Set it as of what was seen; PlanRejected says who was faster."""
        if not await self._table.set(row.name, mode, row.version, person(), self._clock.wall()):
            now = await self.loop(row.name)
            raise PlanRejected(f"{now.by} has set {row.name} to {now.mode.value} meanwhile")
        return await self.loop(row.name)

    async def set_modes(self, modes: Mapping[str, Mode]) -> None:
        """Set many at once, whatever they were."""
        await self._table.set_all(modes, person(), self._clock.wall())
        await self._look()

    def scheduled(self, name: str) -> tuple[Schedule, Action]:
        """A schedule with what it does; PlanRejected for a loop or an unknown name."""
        schedule = self._schedules.get(name)
        if schedule is None:
            known = "runs by itself" if name in LOOPS else "is no schedule"
            raise PlanRejected(f"{name} {known}")
        return schedule, self._made(schedule)

    def _made(self, schedule: Schedule) -> Action:
        """What it does, on the system it names or the first that can."""
        there = self._target(Offer(schedule.action, schedule.source, ""))
        return self._make(schedule.action, there or f"for {schedule.action}", **schedule.params)


class Policy:
    """What stands where the dialog would: yes only to what was allowed before, asked at the last moment."""

    def __init__(self, schedule: Schedule, still: Callable[[], bool]) -> None:
        self._schedule = schedule
        self._still = still
        self.reason = ""

    async def ask(self, _action: Action, plan: Plan) -> bool:
        """Whether it may be done now."""
        if not self._still():
            self.reason = "its lease or mode changed before it began: nothing was sent"
        elif plan.challenge and plan.challenge != self._schedule.confirm:
            self.reason = f"it wants {plan.challenge!r} typed: set confirm in its schedule to allow that"
        return not self.reason
